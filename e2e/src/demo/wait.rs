//! Waits until Providers, Sandboxes, Agents and CronJobs are ready, and tells meanwhile what each of them says about itself. Touches the network.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Client, ResourceExt};
use serde_json::Value;

use crate::progress::Progress;

/// A slow machine unpacks a large image and starts the gateway in this time.
const LIMIT: Duration = Duration::from_mins(6);
const INTERVAL: Duration = Duration::from_secs(1);

/// Why waiting ended without everything being ready.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    #[error("the objects of namespace {namespace} cannot be listed")]
    List { namespace: String, source: Box<kube::Error> },
    #[error("a person must act: {}", said.join("; "))]
    Stalled { said: Vec<String> },
    #[error("not ready after {} s: {}", LIMIT.as_secs(), said.join("; "))]
    Late { said: Vec<String> },
}

/// What one object says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Ready(String),
    Waiting(String),
    Stalled(String),
}

impl Said {
    fn text(&self) -> &str {
        let (Self::Ready(text) | Self::Waiting(text) | Self::Stalled(text)) = self;
        text
    }
}

/// A kind of `creel.dev/v1alpha1`.
#[must_use]
pub fn resource(kind: &str) -> ApiResource {
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk("creel.dev", "v1alpha1", kind));
    if kind == "Sandbox" {
        "sandboxes".clone_into(&mut resource.plural);
    }
    resource
}

/// Waits until every Provider, Sandbox, Agent and CronJob of the namespace is ready; there are `count` of them at least.
pub async fn until_ready(client: &Client, namespace: &str, count: usize, progress: &Progress) -> Result<(), WaitError> {
    let started = Instant::now();
    let mut told: BTreeMap<String, Said> = BTreeMap::new();
    loop {
        let now = all(client, namespace).await?;
        for (name, said) in &now {
            if told.get(name) != Some(said) {
                progress.say(format_args!("  {name}: {}", said.text()));
            }
        }
        let lines = |keep: fn(&Said) -> bool| -> Vec<String> {
            now.iter().filter(|(_, said)| keep(said)).map(|(name, said)| format!("{name}: {}", said.text())).collect()
        };
        if now.len() >= count && now.values().all(|said| matches!(said, Said::Ready(_))) {
            return Ok(());
        }
        // All that is not ready waits for a person: more time would change nothing.
        let stalled = lines(|said| matches!(said, Said::Stalled(_)));
        if !stalled.is_empty() && lines(|said| matches!(said, Said::Waiting(_))).is_empty() {
            return Err(WaitError::Stalled { said: stalled });
        }
        if started.elapsed() > LIMIT {
            return Err(WaitError::Late { said: lines(|said| !matches!(said, Said::Ready(_))) });
        }
        told = now;
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn all(client: &Client, namespace: &str) -> Result<BTreeMap<String, Said>, WaitError> {
    let mut said = BTreeMap::new();
    for kind in ["Provider", "Sandbox", "Agent", "CronJob"] {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource(kind));
        let objects = api
            .list(&ListParams::default())
            .await
            .map_err(|source| WaitError::List { namespace: namespace.to_owned(), source: Box::new(source) })?;
        said.extend(objects.iter().map(|object| (format!("{kind} {}", object.name_any()), says(object))));
    }
    Ok(said)
}

fn says(object: &DynamicObject) -> Said {
    let conditions = object.data["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let find = |sort: &str| conditions.iter().find(|condition| condition["type"] == sort);
    let Some(ready) = find("Ready").filter(|ready| ready["observedGeneration"].as_i64() == object.metadata.generation)
    else {
        return Said::Waiting("not checked yet".into());
    };
    match (ready["status"].as_str(), find("Stalled")) {
        (Some("True"), _) => Said::Ready(sentence(ready)),
        (_, Some(stalled)) if stalled["status"] == "True" => Said::Stalled(sentence(stalled)),
        _ => Said::Waiting(sentence(ready)),
    }
}

/// `Ready=Unknown (GatewayStarting): the gateway's Pod is starting`.
fn sentence(condition: &Value) -> String {
    let text = |name: &str| condition[name].as_str().unwrap_or_default();
    let (reason, message) = (text("reason"), text("message"));
    let behind = if message.is_empty() { String::new() } else { format!(": {message}") };
    format!("{}={} ({reason}){behind}", text("type"), text("status"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use serde_json::json;

    fn object(generation: i64, conditions: &Value) -> DynamicObject {
        serde_json::from_value(json!({"apiVersion": "creel.dev/v1alpha1", "kind": "Agent",
            "metadata": {"name": "a", "generation": generation}, "status": {"conditions": conditions}}))
        .unwrap()
    }

    #[test]
    fn a_condition_of_an_older_generation_says_nothing() {
        let conditions = json!([{"type": "Ready", "status": "True", "reason": "Ready", "observedGeneration": 1}]);
        assert_eq!(says(&object(1, &conditions)), Said::Ready("Ready=True (Ready)".into()));
        assert!(matches!(says(&object(2, &conditions)), Said::Waiting(_)));
        assert!(matches!(says(&object(1, &json!(null))), Said::Waiting(_)));
    }

    #[test]
    fn what_only_a_person_can_mend_is_told_apart_from_a_start() {
        let ready = json!({"type": "Ready", "status": "Unknown", "reason": "Starting", "observedGeneration": 1, "message": "soon"});
        let stalled = json!({"type": "Stalled", "status": "True", "reason": "SecretNotFound", "message": "make it"});
        assert_eq!(says(&object(1, &json!([ready]))), Said::Waiting("Ready=Unknown (Starting): soon".into()));
        assert_eq!(
            says(&object(1, &json!([ready, stalled]))),
            Said::Stalled("Stalled=True (SecretNotFound): make it".into())
        );
    }
}
