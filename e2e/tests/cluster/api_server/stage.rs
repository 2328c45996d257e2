//! What these tests share: minimal objects, dry runs, edits as people make them. Touches the network.

use e2e::suite::{Condition, SOON, TestNamespace, client, resource};
use hyper::http::Request;
use kube::Client;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// The smallest Agent.
pub fn agent(name: &str) -> Value {
    json!({"apiVersion": "creel.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name},
        "spec": {"model": {"primary": {"provider": "p", "model": "small"}}}})
}

/// An Agent whose gateway has no Pod.
pub fn resting(name: &str) -> Value {
    merged(agent(name), json!({"spec": {"suspend": true}}))
}

/// The smallest Provider.
pub fn provider(name: &str) -> Value {
    json!({"apiVersion": "creel.dev/v1alpha1", "kind": "Provider", "metadata": {"name": name},
        "spec": {"api": "openai-completions", "baseURL": "http://localhost:8080/v1", "models": [{"id": "small"}, {"id": "large"}]}})
}

/// The smallest Sandbox.
pub fn sandbox(name: &str) -> Value {
    json!({"apiVersion": "creel.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": name},
        "spec": {"image": "localhost/nothing:1"}})
}

/// The smallest CronJob of this Agent; at four each night.
pub fn cron_job(name: &str, agent: &str) -> Value {
    json!({"apiVersion": "creel.dev/v1alpha1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {"agentRef": {"name": agent}, "schedule": "0 4 * * *", "message": "Compress yesterday's notes."}})
}

/// The same with these fields; null takes one out.
pub fn cron_job_with(name: &str, agent: &str, spec: Value) -> Value {
    let mut object = merged(cron_job(name, agent), json!({"spec": spec}));
    object["spec"].as_object_mut().expect("a spec").retain(|_, value| !value.is_null());
    object
}

/// An Agent in a Sandbox, whose gateway's Pod no node takes: everything is there, and nothing starts.
pub fn unschedulable(name: &str, sandbox: &str) -> Value {
    let nowhere = json!({"podTemplate": {"nodeSelector": {"example.com/no-such-node": "true"}}});
    merged(agent(name), json!({"spec": {"gateway": nowhere, "sandbox": {"ref": {"name": sandbox}}}}))
}

/// Objects are merged, everything else is replaced.
pub fn merged(mut into: Value, from: Value) -> Value {
    match (&mut into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                let present = into.remove(&key).unwrap_or(Value::Null);
                into.insert(key, merged(present, value));
            }
        }
        (into, from) => *into = from,
    }
    into
}

/// The API server, asked what it would say.
pub struct Server(Client);

impl Server {
    pub async fn new() -> Self {
        Self(client().await)
    }

    /// Makes the object as `kubectl create --dry-run=server` does; `Err` holds the API server's words.
    pub async fn dry_run(&self, object: &Value) -> Result<(), String> {
        let plural = resource(object["kind"].as_str().expect("a kind")).plural;
        let path = format!("/apis/creel.dev/v1alpha1/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict");
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.body(object.to_string().into_bytes()).expect("a request");
        self.0.request::<DynamicObject>(request).await.map(|_| ()).map_err(|error| said(&error))
    }
}

/// The API server's own words.
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => panic!("the API server could not be asked: {other}"),
    }
}

/// Makes the object as a person would.
pub async fn make(namespace: &TestNamespace, object: &Value) -> DynamicObject {
    try_make(namespace, object).await.unwrap_or_else(|said| panic!("{object}: {said}"))
}

/// The same; `Err` holds the API server's words.
pub async fn try_make(namespace: &TestNamespace, object: &Value) -> Result<DynamicObject, String> {
    let kind = object["kind"].as_str().expect("a kind");
    let object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
    let params = PostParams { field_manager: Some("kubectl-create".to_owned()), ..PostParams::default() };
    namespace.api(kind).create(&params, &object).await.map_err(|error| said(&error))
}

/// Merges the change into the object as `kubectl edit` does; `Err` holds the API server's words.
pub async fn edit(namespace: &TestNamespace, kind: &str, name: &str, change: &Value) -> Result<DynamicObject, String> {
    patch(namespace, kind, name, &Patch::Merge(change)).await
}

/// Merges lists by key too, as `kubectl patch` does with Kubernetes' own kinds.
pub async fn patch_by_hand(namespace: &TestNamespace, kind: &str, name: &str, change: &Value) {
    patch(namespace, kind, name, &Patch::Strategic(change))
        .await
        .unwrap_or_else(|said| panic!("{kind} {name}: {said}"));
}

async fn patch(
    namespace: &TestNamespace,
    kind: &str,
    name: &str,
    change: &Patch<&Value>,
) -> Result<DynamicObject, String> {
    let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    namespace.api(kind).patch(name, &params, change).await.map_err(|error| said(&error))
}

/// Waits for this reason in a condition of the Agent's present generation.
pub async fn reason(namespace: &TestNamespace, agent: &str, condition_type: &str, reason: &str) -> Condition {
    namespace.condition("Agent", agent, condition_type, SOON, |condition| condition.reason == reason).await
}

/// A Provider `p` that needs no Secret, and a resting Agent `a` whose children are there.
pub async fn with_children(namespace: &TestNamespace, spec: Value) {
    make(namespace, &provider("p")).await;
    make(namespace, &merged(resting("a"), json!({"spec": spec}))).await;
    namespace
        .eventually("the Deployment is there", SOON, async || {
            namespace.find("Deployment", "a-gateway").await.map(|_| ()).ok_or("no Deployment".to_owned())
        })
        .await;
}

/// The name of the ConfigMap that the gateway's Pod mounts.
pub async fn config_name(namespace: &TestNamespace) -> String {
    let deployment = namespace.get("Deployment", "a-gateway").await;
    let volumes = &deployment.data["spec"]["template"]["spec"]["volumes"];
    let name = volumes.as_array().into_iter().flatten().find_map(|volume| volume["configMap"]["name"].as_str());
    name.expect("a volume of the configuration").to_owned()
}

/// The UID of an object that is there.
pub async fn uid(namespace: &TestNamespace, kind: &str, name: &str) -> String {
    namespace.get(kind, name).await.metadata.uid.expect("a UID")
}
