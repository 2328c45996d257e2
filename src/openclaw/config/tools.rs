//! Which tools an agent may use, as its entry in openclaw.json says it. Pure.
//!
//! OpenClaw takes all of it for filters, one after another: what one denies none brings back. So an agent's profile and lists never undo
//! what [`process`](super::process) denies to all, nor what [`sandbox`](super::sandbox) denies to an agent without a shell.

use serde_json::{Map, Value, json};

use super::sections::Fields;
use crate::api::tools::{ToolPolicy, Tools};
use crate::openclaw::names::provider_id;

/// The field of an entry that says which tools the agent may use, and how.
pub const TOOLS: &str = "tools";

/// What [`tools`] writes in it.
pub const CHOICE: [&str; 4] = ["profile", "allow", "deny", "byProvider"];

/// The fields of an entry for these tools.
#[must_use]
pub fn tools(tools: &Tools) -> Fields {
    let mut rendered = policy(&tools.policy);
    if !tools.by_provider.is_empty() {
        let by_provider = tools.by_provider.iter();
        let by_provider: Map<String, Value> =
            by_provider.map(|of| (provider_id(&of.provider), Value::Object(policy(&of.policy)))).collect();
        rendered.insert("byProvider".to_owned(), Value::Object(by_provider));
    }
    Fields::from_iter([(TOOLS.to_owned(), Value::Object(rendered))])
}

/// OpenClaw takes an empty list for one that is not there.
fn policy(policy: &ToolPolicy) -> Map<String, Value> {
    let list = |names: &[String]| (!names.is_empty()).then(|| json!(names));
    let fields = [
        ("profile", policy.profile.map(|profile| json!(profile))),
        ("allow", list(&policy.allow)),
        ("deny", list(&policy.deny)),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_in_the_words_of_openclaw_and_providers_are_named_as_it_knows_them() {
        let spec =
            "{profile: coding, allow: ['group:fs'], deny: [write], byProvider: [{provider: llama, profile: minimal}]}";
        let spec: Tools = serde_yaml::from_str(spec).unwrap();
        let wanted = json!({"tools": {
            "profile": "coding", "allow": ["group:fs"], "deny": ["write"], "byProvider": {"p-llama": {"profile": "minimal"}},
        }});
        assert_eq!(json!(tools(&spec)), wanted);
        assert_eq!(json!(tools(&Tools::default())), json!({"tools": {}}));
    }
}
