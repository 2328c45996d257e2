//! What the unit tests of this kind share.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::validate::GatewayScope;
use crate::api::{Agent, CronJob, Provider};

pub fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// A CronJob of the Agent `writer`; `spec` is YAML, without agentRef and message.
pub fn cron_job(name: &str, spec: &str) -> CronJob {
    let mut spec: serde_json::Value = serde_yaml::from_str(spec).unwrap();
    spec["agentRef"] = serde_json::json!({"name": "writer"});
    spec["message"] = serde_json::json!("Compress notes");
    serde_json::from_value(serde_json::json!({
        "apiVersion": "creel.dev/v1alpha1",
        "kind": "CronJob",
        "metadata": {
            "name": name, "namespace": "assistants", "uid": format!("uid-of-{name}"), "generation": 3,
            "creationTimestamp": "2025-12-31T23:00:00Z",
        },
        "spec": spec,
    }))
    .unwrap()
}

/// Two Providers, of which the gateway uses one.
pub fn scope() -> GatewayScope {
    let provider = |name: &str| {
        let provider = format!(
            "
apiVersion: creel.dev/v1alpha1
kind: Provider
metadata: {{name: {name}, namespace: assistants}}
spec:
  api: openai-completions
  baseURL: https://api.openai.com/v1
  models:
  - {{id: small, cost: {{input: '1', output: '2'}}}}
  - {{id: large}}
"
        );
        (name.to_owned(), Arc::new(serde_yaml::from_str::<Provider>(&provider).unwrap()))
    };
    GatewayScope {
        on_gateway: BTreeSet::from(["openai".to_owned()]),
        suspended: BTreeMap::new(),
        providers: BTreeMap::from([provider("openai"), provider("spare")]),
    }
}

/// An Agent; `spec` is YAML.
pub fn agent(name: &str, spec: &str) -> Agent {
    let mut spec: serde_json::Value = serde_yaml::from_str(spec).unwrap();
    spec["model"] = serde_json::json!({"primary": {"provider": "openai", "model": "small"}});
    serde_json::from_value(serde_json::json!({
        "apiVersion": "creel.dev/v1alpha1",
        "kind": "Agent",
        "metadata": {"name": name, "namespace": "assistants", "uid": format!("uid-of-{name}"), "generation": 1},
        "spec": spec,
    }))
    .unwrap()
}
