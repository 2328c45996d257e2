//! Which tools an Agent may use. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::{Contribution, Feature, passthrough};
use crate::api::Agent;
use crate::gateway::gather::Gathered;
use crate::gateway::last_good::AtFault;
use crate::kubernetes::conditions::reason;
use crate::openclaw::config::sections::Sections;
use crate::openclaw::config::tools::{CHOICE, TOOLS, tools};
use crate::openclaw::live;
use crate::references::digests::Fault;
use crate::references::suggest::suggestion;

pub const FEATURE: Feature = Feature { name: TOOLS, contribute, keep };

fn contribute(gathered: &Gathered, agent: &Agent) -> Result<Contribution, Fault> {
    let paths = CHOICE.map(|field| format!("{TOOLS}.{field}"));
    passthrough::without(agent, &paths)?;
    passthrough::not_both_lists(agent)?;
    let Some(spec) = &agent.spec.tools else { return Ok(Contribution::default()) };
    let providers = spec.by_provider.iter().map(|of| &of.provider);
    let unknown = providers.filter(|name| !gathered.providers.contains_key(*name));
    let warnings = unknown.map(|name| missing(gathered, agent, name)).collect();
    Ok(Contribution { entry: tools(spec), warnings, ..Contribution::default() })
}

/// The limits for a Provider that does not exist apply to nothing.
fn missing(gathered: &Gathered, agent: &Agent, provider: &str) -> Fault {
    let meant = suggestion(provider, gathered.providers.keys().map(String::as_str));
    let message = format!(
        "Provider \"{provider}\" does not exist (spec.tools.byProvider[{provider}] of Agent \"{}\"){meant}",
        agent.name_any()
    );
    Fault { reason: reason::PROVIDER_NOT_FOUND, message, carried: true }
}

fn keep(_: &Gathered, at_fault: &[AtFault<'_>], _: &Sections) -> BTreeMap<String, Contribution> {
    let kept = |at_fault: &AtFault<'_>| {
        let fields = at_fault.entry.get(TOOLS).map(|tools| live::fields(tools, &CHOICE)).unwrap_or_default();
        let entry = live::below(TOOLS, fields);
        (at_fault.name.clone(), Contribution { entry, ..Contribution::default() })
    };
    at_fault.iter().map(kept).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::fixtures::{company, edit, plan, settle};
    use crate::openclaw::config::document::ConfigDocument;

    /// What Creel denies in the entry of an Agent without a sandbox.
    const DENIED: [&str; 3] = ["browser", "exec", "process"];

    fn set(gathered: &mut Gathered, tools: Value) {
        edit(gathered, "writer", |agent| agent.spec.tools = Some(serde_json::from_value(tools).unwrap()));
    }

    fn pass(gathered: &mut Gathered, config: Value) {
        edit(gathered, "writer", |agent| agent.spec.config = serde_json::from_value(config).unwrap());
    }

    fn document(gathered: &Gathered) -> Value {
        plan(gathered).config.unwrap().value().clone()
    }

    fn tools_of_writer(gathered: &Gathered) -> Value {
        document(gathered)["agents"]["entries"]["writer"]["tools"].clone()
    }

    #[test]
    fn a_choice_of_tools_stands_beside_what_keeps_commands_off_the_gateway_and_does_not_concern_the_pod() {
        let mut gathered = company();
        settle(&mut gathered);
        let (before, pod) = (tools_of_writer(&gathered), plan(&gathered).pod.unwrap().hash());
        set(&mut gathered, json!({"profile": "coding", "deny": ["web_search", "browser"]}));
        let after = tools_of_writer(&gathered);
        assert_eq!(after["profile"], "coding");
        assert_eq!(after["deny"], json!(["browser", "exec", "process", "web_search"]));
        assert_eq!((&after["exec"], &after["fs"]), (&before["exec"], &before["fs"]));
        assert_eq!(plan(&gathered).pod.unwrap().hash(), pod);
    }

    #[test]
    fn no_profile_and_no_list_brings_back_what_creel_denies() {
        let mut gathered = company();
        let all = ["*", "gateway", "exec", "group:runtime", "group:automation"];
        let by_provider = json!([{"provider": "litellm", "profile": "full", "allow": all}]);
        set(&mut gathered, json!({"profile": "full", "allow": all, "byProvider": by_provider}));
        let document = document(&gathered);
        let of_all = json!(["gateway", "openclaw", "plugins", "portal", "secrets", "terminal"]);
        assert_eq!(document["tools"]["deny"], of_all);
        let tools = &document["agents"]["entries"]["writer"]["tools"];
        assert_eq!(tools["deny"], json!(DENIED));
        assert_eq!(tools["exec"], json!({"mode": "deny"}));
        assert_eq!(tools["byProvider"]["p-litellm"]["profile"], "full");
    }

    #[test]
    fn limits_for_a_provider_that_does_not_exist_are_reported_and_the_rest_is_in_force() {
        let mut gathered = company();
        set(
            &mut gathered,
            json!({"profile": "minimal", "byProvider": [{"provider": "litelm", "deny": ["web_fetch"]}]}),
        );
        let plan = plan(&gathered);
        assert!(plan.faults.is_empty());
        let warning = &plan.agent_warnings["writer"][0];
        let expected = "Provider \"litelm\" does not exist (spec.tools.byProvider[litelm] of Agent \"writer\") (did you mean \"litellm\"?)";
        assert_eq!((warning.reason, warning.message.as_str()), (reason::PROVIDER_NOT_FOUND, expected));
        assert_eq!(tools_of_writer(&gathered)["profile"], "minimal");
    }

    /// A gateway from before there were fields for these keys.
    fn passed_before() -> Gathered {
        let mut gathered = company();
        settle(&mut gathered);
        let mut live = document(&gathered);
        let writer = &mut live["agents"]["entries"]["writer"];
        writer["tools"]["profile"] = json!("minimal");
        writer["identity"] = json!({"name": "Ada"});
        writer["subagents"] = json!({"allowAgents": ["concierge"], "maxSpawnDepth": 1});
        gathered.live.config = Some(Arc::new(ConfigDocument::new(live)));
        let subagents = json!({"allowAgents": ["concierge"], "maxSpawnDepth": 1});
        pass(
            &mut gathered,
            json!({"tools": {"profile": "minimal"}, "identity": {"name": "Ada"}, "subagents": subagents}),
        );
        gathered
    }

    #[test]
    fn keys_that_have_a_field_now_are_refused_by_name_and_what_is_live_of_them_stays() {
        let mut gathered = passed_before();
        let live = gathered.live.config.clone().unwrap();
        let after = plan(&gathered);
        assert_eq!(after.config.as_ref().unwrap().value()["agents"], live.value()["agents"]);
        let fault = &after.faults["writer"];
        assert_eq!((fault.reason, fault.last_good_kept()), (reason::CONFIG_KEY_OWNED, true));
        let expected = "spec.config of Agent \"writer\" has keys that only Creel sets: identity (use spec.identity); \
                        subagents.allowAgents (use spec.delegates); tools.profile (use spec.tools.profile)";
        assert_eq!(fault.message, expected);

        pass(&mut gathered, json!({"subagents": {"maxSpawnDepth": 1}}));
        edit(&mut gathered, "writer", |agent| {
            agent.spec.identity = Some(serde_json::from_value(json!({"name": "Ada"})).unwrap());
            agent.spec.delegates = serde_json::from_value(json!([{"agent": "concierge"}])).unwrap();
        });
        set(&mut gathered, json!({"profile": "minimal"}));
        let moved = plan(&gathered);
        assert!(moved.faults.is_empty(), "{:?}", moved.faults);
        assert_eq!(moved.config.unwrap().value()["agents"], live.value()["agents"], "nothing changes for the gateway");
    }

    /// OpenClaw would reject the whole configuration.
    #[test]
    fn a_list_of_tools_to_keep_beside_one_of_tools_to_add_is_its_authors_fault_and_changes_nothing() {
        let mut gathered = company();
        pass(&mut gathered, json!({"tools": {"alsoAllow": ["web_fetch"]}}));
        settle(&mut gathered);
        let before = tools_of_writer(&gathered);
        assert_eq!(before["alsoAllow"], json!(["web_fetch"]));
        set(&mut gathered, json!({"allow": ["read"]}));
        let fault = plan(&gathered).faults["writer"].clone();
        assert_eq!((fault.reason, fault.last_good_kept()), (reason::CONFIG_UNSUPPORTED, true));
        for part in ["spec.tools.allow", "tools.alsoAllow", "Agent \"writer\""] {
            assert!(fault.message.contains(part), "{}", fault.message);
        }
        assert_eq!(tools_of_writer(&gathered), before);
    }

    #[test]
    fn an_agent_that_does_not_parse_keeps_its_tools() {
        let mut gathered = company();
        set(&mut gathered, json!({"profile": "minimal", "allow": ["b", "a"], "deny": ["web_fetch"]}));
        settle(&mut gathered);
        let before = tools_of_writer(&gathered);
        gathered.joined.clear();
        gathered.unparsable = ["writer".to_owned()].into();
        assert_eq!(tools_of_writer(&gathered), before);
    }
}
