//! What helps to understand a failed test, and the search for secret values where none may be. Touches the network.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{ContainerState, Pod, Secret};
use kube::api::{Api, ListParams, LogParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::namespace::TestNamespace;
use super::secrets::{MARKER, MARKER_BASE64};
use crate::cluster::RELEASE_NAMESPACE;

/// So many last lines of a log that are quoted.
const LINES: usize = 25;
/// Lines of the operator's log that are searched for the namespace.
const SEARCHED: i64 = 2000;

/// The state of everything in the namespace, and what the operator and the gateways logged about it. Where others share it: of what
/// is the test's own, and of the gateway.
pub async fn of(namespace: &TestNamespace) -> String {
    let mut text = format!("--- namespace {}\n", namespace.name);
    let shown =
        |name: &str| namespace.host.is_none_or(|host| name.starts_with(host) || name.starts_with(&namespace.scope));
    for kind in ["Provider", "Agent", "Sandbox", "CronJob"] {
        let objects = namespace.api(kind).list(&ListParams::default()).await.into_iter().flatten();
        for object in objects.filter(|object| shown(&object.name_any())) {
            let generation = object.metadata.generation.unwrap_or_default();
            let status = &object.data["status"];
            let _ = writeln!(text, "{kind} {} (generation {generation})", object.name_any());
            for condition in status["conditions"].as_array().into_iter().flatten() {
                let part = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
                let (kind, status, reason) = (part("type"), part("status"), part("reason"));
                let _ = writeln!(
                    text,
                    "  {kind}={status} ({reason}, of {}) {}",
                    condition["observedGeneration"],
                    part("message")
                );
            }
            for part in ["gateway", "pods", "heartbeat", "jobID", "nextRunTime", "recentRuns", "runNow"]
                .iter()
                .filter(|part| !status[**part].is_null())
            {
                let _ = writeln!(text, "  {part}: {}", status[*part]);
            }
        }
    }
    let pods: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let listed = pods.list(&ListParams::default()).await.into_iter().flatten();
    for pod in listed.filter(|pod| shown(&pod.name_any())) {
        let _ = writeln!(text, "Pod {}", told(&pod));
        for container in containers(&pod) {
            let _ = writeln!(text, "  log of {container}:\n{}", log(&pods, &pod.name_any(), &container).await);
        }
    }
    let lines = operator_log(&namespace.client, SEARCHED).await;
    let lines: Vec<_> = lines.lines().filter(|line| line.contains(&namespace.name)).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
    let _ = writeln!(text, "--- operator's log about it\n{last}");
    text
}

/// The containers that run for the Pod's life, and those that failed before.
fn containers(pod: &Pod) -> Vec<String> {
    let spec = pod.spec.iter();
    let main = spec.flat_map(|spec| spec.containers.iter().map(|container| container.name.clone()));
    let init = pod.status.iter().flat_map(|status| status.init_container_statuses.iter().flatten());
    let done = |state: &ContainerState| state.terminated.as_ref().is_some_and(|ended| ended.exit_code == 0);
    let init = init.filter(|status| !status.state.as_ref().is_some_and(done) && status.restart_count > 0);
    let sidecars = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    let sidecars =
        sidecars.filter(|container| container.restart_policy.is_some()).map(|container| container.name.clone());
    let failed = init.map(|status| status.name.clone());
    let mut all: Vec<_> = main.chain(sidecars).chain(failed).collect();
    all.dedup();
    all
}

fn told(pod: &Pod) -> String {
    let status = serde_json::to_value(&pod.status).unwrap_or_default();
    let containers: Vec<Value> = ["initContainerStatuses", "containerStatuses"]
        .iter()
        .flat_map(|list| status[*list].as_array().cloned().unwrap_or_default())
        .map(|container| json!([container["name"], container["ready"], container["restartCount"], container["state"]]))
        .collect();
    let ends = pod.metadata.deletion_timestamp.as_ref().map(|time| format!(", ends since {}", time.0));
    format!("{} {}{}: {}", pod.name_any(), status["phase"], ends.unwrap_or_default(), json!(containers))
}

async fn log(pods: &Api<Pod>, pod: &str, container: &str) -> String {
    let tail = i64::try_from(LINES).ok();
    let parameters = LogParams { container: Some(container.to_owned()), tail_lines: tail, ..LogParams::default() };
    pods.logs(pod, &parameters).await.unwrap_or_else(|error| error.to_string())
}

/// The last lines of the operator's log; says why when there is none.
pub async fn operator_log(client: &Client, lines: i64) -> String {
    let pods: Api<Pod> = Api::namespaced(client.clone(), RELEASE_NAMESPACE);
    let selector = ListParams::default().labels("app.kubernetes.io/name=creel");
    let mut text = String::new();
    for pod in pods.list(&selector).await.into_iter().flatten() {
        let parameters = LogParams { tail_lines: Some(lines), ..LogParams::default() };
        text += &pods.logs(&pod.name_any(), &parameters).await.unwrap_or_else(|error| error.to_string());
    }
    text
}

/// What people read: everything but Secrets.
pub const KINDS: [&str; 13] = [
    "Agent",
    "Provider",
    "Sandbox",
    "CronJob",
    "ConfigMap",
    "Deployment",
    "ReplicaSet",
    "Pod",
    "Service",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "ServiceAccount",
    "Event",
];

/// Fails when anything in the namespace but a Secret holds a secret value: conditions, annotations, events, configuration. The
/// operator's log is searched too, for the values that the namespace's Secrets hold, generated ones included.
pub async fn holds_no_secret(namespace: &TestNamespace) {
    let values = secret_values(namespace).await;
    for kind in KINDS {
        let objects = namespace.api(kind).list(&ListParams::default()).await;
        for object in objects.unwrap_or_else(|error| panic!("{kind}: {error}")) {
            let text = serde_json::to_string(&object).expect("an object is JSON");
            let holds = values.iter().any(|value| text.contains(value));
            assert!(!holds, "{kind} {} holds a secret value: {text}", object.name_any());
        }
    }
    let log = operator_log(&namespace.client, SEARCHED).await;
    let told = log.lines().find(|line| values.iter().any(|value| line.contains(value)));
    assert!(told.is_none(), "the operator's log holds a secret value: {told:?}");
}

/// The public half of a sandbox's host key, which is for everybody to read.
const HOST_KEY: &str = "host-key.pub";

/// The marker of the suite's own values, and every value in the namespace's Secrets that is long enough to be one: as it is, in
/// base64 and in hexadecimal.
pub async fn secret_values(namespace: &TestNamespace) -> Vec<String> {
    /// A shorter value is a word that may stand anywhere.
    const SHORTEST: usize = 12;
    let secrets: Api<Secret> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let mut values = vec![MARKER.to_owned(), MARKER_BASE64.to_owned()];
    for secret in secrets.list(&ListParams::default()).await.into_iter().flatten() {
        let private = secret.data.into_iter().flatten().filter(|(key, _)| key != HOST_KEY);
        for value in private.map(|(_, value)| value).filter(|value| value.0.len() >= SHORTEST) {
            values.extend(serde_json::to_value(&value).ok().and_then(|base64| base64.as_str().map(str::to_owned)));
            values.push(hex::encode(&value.0));
            values.extend(String::from_utf8(value.0).ok());
        }
    }
    values
}
