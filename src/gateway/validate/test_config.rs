//! A way for tests to bring configurations onto a gateway that Creel never renders, for example one that the gateway rejects. Pure.
//!
//! It is compiled into images for tests only, and even there an environment variable of the operator has to open it.

use kube::ResourceExt;
use serde_json::Value;

use crate::api::Agent;
use crate::naming::TEST_CONFIG;
use crate::openclaw::marker;
use crate::settings::Settings;

/// The document with the JSON in the owner's annotation merged into it (RFC 7396).
pub fn overridden(mut document: Value, owner: &Agent, settings: &Settings) -> Value {
    let patch = owner.annotations().get(TEST_CONFIG).filter(|_| settings.test_config_override);
    let Some(patch) = patch.and_then(|patch| serde_json::from_str(patch).ok()) else { return document };
    json_patch::merge(&mut document, &patch);
    marker::with_marker(document)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gateway::fixtures::{company, edit, settings};

    #[test]
    fn the_annotation_counts_only_where_the_operator_allows_it() {
        let mut gathered = company();
        edit(&mut gathered, "concierge", |agent| {
            agent.annotations_mut().insert(TEST_CONFIG.to_owned(), r#"{"gateway": {"noSuchKey": 1}}"#.to_owned());
        });
        let rendered = marker::with_marker(json!({"gateway": {"port": 1}}));
        let with = |test_config_override| {
            overridden(rendered.clone(), &gathered.owner, &Settings { test_config_override, ..settings() })
        };
        assert_eq!(with(false), rendered);
        assert_eq!(with(true), marker::with_marker(json!({"gateway": {"port": 1, "noSuchKey": 1}})));
    }
}
