//! Objects with a time that the types for Rust can't hold, which the API server accepts from whoever may write them: nobody else
//! notices, and they work as any other. Alone, because no other test could list them.

use std::panic::{AssertUnwindSafe, resume_unwind};

use e2e::suite::operator::restart;
use e2e::suite::{MARKER, MARKER_BASE64, SOON, TestNamespace, in_namespace, operator_log, resource, secret_value};
use futures::FutureExt;
use hyper::http::Request;
use kube::Resource as _;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::api_server::stage::{make, merged, provider, reason, resting};

/// What `managedFields[].time` is set to.
const LATE: &str = "9999-12-31T23:59:59Z";
/// By this label the operator watches children and Pods. Every poisoned object has it.
const LABEL: &str = "app.kubernetes.io/managed-by";
/// One of each sort that is watched: as metadata, whole by label, and whole everywhere; and a child of the Agent.
const POISONED: [(&str, &str); 6] = [
    ("Secret", "key"),
    ("ConfigMap", "poisoned"),
    ("Pod", "poisoned"),
    ("NetworkPolicy", "poisoned"),
    ("Agent", "a"),
    ("Deployment", "a-gateway"),
];

/// The object as the API server writes it, after this merge patch if there is one.
async fn raw(namespace: &TestNamespace, kind: &str, name: &str, patch: Option<&Value>) -> Value {
    let url = format!("{}/{name}", DynamicObject::url_path(&resource(kind), Some(&namespace.name)));
    let request = match patch {
        Some(patch) => Request::patch(url)
            .header("content-type", "application/merge-patch+json")
            .body(patch.to_string().into_bytes()),
        None => Request::get(url).body(Vec::new()),
    };
    let answer = namespace.client.request_text(request.expect("a request")).await;
    let text = answer.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    serde_json::from_str(&text).expect("an object is JSON")
}

async fn poison(namespace: &TestNamespace, kind: &str, name: &str) {
    let entry = json!({
        "manager": "x", "operation": "Update", "apiVersion": resource(kind).api_version, "time": LATE,
        "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {format!("f:{LABEL}"): {}}}},
    });
    // The operator's own entries stay: without them it would apply its children anew, which heals them.
    let mut entries = raw(namespace, kind, name, None).await["metadata"]["managedFields"].clone();
    entries.as_array_mut().expect("managedFields").push(entry);
    let poisoned = raw(namespace, kind, name, Some(&json!({"metadata": {"managedFields": entries}}))).await;
    assert!(poisoned.to_string().contains(LATE), "{kind} {name} is not poisoned: {}", poisoned["metadata"]);
}

/// Runs this while the objects are poisoned. Afterwards, well or not, they are no more: nothing could list them.
async fn while_poisoned(namespace: &TestNamespace, test: impl AsyncFnOnce()) {
    let ended = AssertUnwindSafe(async {
        for (kind, name) in POISONED {
            poison(namespace, kind, name).await;
        }
        test().await;
    });
    let ended = ended.catch_unwind().await;
    for (kind, name) in POISONED {
        raw(namespace, kind, name, Some(&json!({"metadata": {"managedFields": [{}]}}))).await;
    }
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// The objects that are poisoned later: the Secret is referenced by a Provider, the Agent has children, the Pod finds no node.
async fn make_all(namespace: &TestNamespace) {
    let metadata = |name: &str| json!({"metadata": {"name": name, "labels": {LABEL: "creel"}}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"api-key": secret_value("key")}});
    make(namespace, &merged(secret, metadata("key"))).await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}});
    make(namespace, &merged(map, metadata("poisoned"))).await;
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "spec": {"podSelector": {"matchLabels": {"app": "none"}}, "policyTypes": ["Ingress"]}});
    make(namespace, &merged(policy, metadata("poisoned"))).await;
    let container = json!({"name": "c", "image": "localhost/nothing:1",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {
        "nodeSelector": {"example.com/no-such-node": "true"},
        "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container]}});
    make(namespace, &merged(pod, metadata("poisoned"))).await;
    make(namespace, &with_key("p")).await;
    make(namespace, &merged(resting("a"), metadata("a"))).await;
    reason(namespace, "a", "Ready", "Suspended").await;
}

/// A Provider whose credentials are in the Secret `key`.
fn with_key(name: &str) -> Value {
    let credentials = json!({"secretKeyRef": {"name": "key", "key": "api-key"}});
    merged(provider(name), json!({"spec": {"credentials": credentials}}))
}

/// Whether the Provider finds its credentials.
async fn resolved(namespace: &TestNamespace, provider: &str, status: &str) {
    let fits = |condition: &e2e::suite::Condition| condition.status == status;
    namespace.condition("Provider", provider, "CredentialsResolved", SOON, fits).await;
}

/// In a namespace with nothing poisoned a new Agent is reconciled, and a new Secret is seen.
async fn goes_on(namespace: &TestNamespace, name: &str) {
    make(namespace, &with_key(name)).await;
    resolved(namespace, name, "False").await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"},
        "stringData": {"api-key": secret_value("key")}});
    make(namespace, &secret).await;
    resolved(namespace, name, "True").await;
    let primary = json!({"provider": name, "model": "small"});
    make(namespace, &merged(resting(name), json!({"spec": {"model": {"primary": primary}}}))).await;
    reason(namespace, name, "Ready", "Suspended").await;
    namespace.delete("Secret", "key").await;
}

/// The poisoned Agent's change reaches its poisoned child, and the poisoned Secret is read.
async fn works_too(namespace: &TestNamespace) {
    let before = raw(namespace, "Deployment", "a-gateway", None).await["metadata"]["generation"].clone();
    let change = json!({"spec": {"gateway": {"env": [{"name": "ADDED", "value": "yes"}]}}});
    raw(namespace, "Agent", "a", Some(&change)).await;
    namespace
        .eventually("the Deployment has the change", SOON, async || {
            let now = raw(namespace, "Deployment", "a-gateway", None).await["metadata"]["generation"].clone();
            if now == before { Err(now.to_string()) } else { Ok(()) }
        })
        .await;
    make(namespace, &with_key("q")).await;
    resolved(namespace, "q", "True").await;
}

#[tokio::test]
async fn an_object_with_a_time_that_cannot_be_held_hinders_nothing_in_a_watch_and_after_a_restart() {
    in_namespace("poisoned", async |poisoned| {
        in_namespace("beside", async |beside| {
            make_all(&poisoned).await;
            while_poisoned(&poisoned, async || {
                goes_on(&beside, "watched").await;
                restart(&beside.client).await;
                goes_on(&beside, "restarted").await;
                works_too(&poisoned).await;
                let log = operator_log(&beside.client, 2000).await;
                assert!(!log.is_empty() && !log.contains(MARKER) && !log.contains(MARKER_BASE64), "{log}");
            })
            .await;
        })
        .await;
    })
    .await;
}
