//! Where a test works: a namespace of its own, made with Pod Security `restricted` enforced and deleted when the test ends, or its part
//! of the one that tests share (see `shared`). Touches the network.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::objects::{Condition, condition};
use super::{connection, evidence, models, rendered, secrets, wait};
use crate::model_server::{self, Rule};

/// How long a test waits for what the operator does in seconds. A slow or shared machine needs ten times as long; only a hang needs
/// this long. Creel looks at every object again after eight minutes, so a change that it has missed still shows.
pub const SOON: Duration = Duration::from_mins(5);
/// The same for a Pod that starts, or a job that runs on a schedule.
pub const START: Duration = Duration::from_mins(7);

/// A namespace, and the model server that its Providers point at.
#[derive(Clone)]
pub struct TestNamespace {
    pub name: String,
    /// What no other test has: the beginning of its paths at the model server, and of its names where others share the namespace.
    pub scope: String,
    /// The Agent whose gateway all Agents of the test join. `None`: they own gateways.
    pub host: Option<&'static str>,
    pub client: Client,
    pub models: model_server::Client,
}

/// Runs a test in a namespace of its own. `name` is short and says what the test is about. The namespace is deleted when the test
/// ends, well or not; nobody waits for that. A failure shows the state of everything in it.
pub async fn in_namespace(name: &str, test: impl AsyncFnOnce(TestNamespace)) {
    let client = connection::client().await;
    let models = models::model_server(&client).await;
    let name = format!("{name}-{}", secrets::random(6));
    let namespace = TestNamespace { name: name.clone(), scope: name, host: None, client, models };
    namespace.create().await;
    run(namespace, test).await;
}

/// Runs the test, and what is checked and cleared away after each.
pub(super) async fn run(namespace: TestNamespace, test: impl AsyncFnOnce(TestNamespace)) {
    let ended = AssertUnwindSafe(test(namespace.clone())).catch_unwind().await;
    if ended.is_err() {
        eprintln!("{}", evidence::of(&namespace).await);
    }
    let checked = AssertUnwindSafe(async {
        rendered::keep(&namespace).await;
        evidence::holds_no_secret(&namespace).await;
    });
    let checked = checked.catch_unwind().await;
    namespace.remove().await;
    namespace.models.remove_script(&namespace.scope).await.ok();
    if let Err(panic) = ended.and(checked) {
        resume_unwind(panic);
    }
}

impl TestNamespace {
    async fn create(&self) {
        let all: Api<Namespace> = Api::all(self.client.clone());
        let namespace = serde_json::from_value(manifest(&self.name)).expect("a namespace");
        all.create(&PostParams::default(), &namespace).await.expect("a namespace can be made");
        // Kubernetes forbids Pods until it is there.
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.name);
        let made = async || accounts.get("default").await.map(drop).map_err(|error| error.to_string());
        self.eventually("the namespace has its ServiceAccount", SOON, made).await;
    }

    async fn remove(&self) {
        if self.host.is_some() {
            return self.leave().await;
        }
        let all: Api<Namespace> = Api::all(self.client.clone());
        if let Err(error) = all.delete(&self.name, &DeleteParams::default()).await {
            eprintln!("namespace {} stays: {error}", self.name);
        }
    }

    /// The name of an object of this test.
    #[must_use]
    pub fn named(&self, name: &str) -> String {
        if self.host.is_some() { format!("{}-{name}", self.scope) } else { name.to_owned() }
    }

    /// The Agent whose gateway runs this Agent.
    #[must_use]
    pub fn host_of<'a>(&self, agent: &'a str) -> &'a str {
        self.host.unwrap_or(agent)
    }

    /// Sets what the model server answers to this test's gateways, in place of what was set before.
    pub async fn script(&self, rules: &[Rule]) {
        self.models.script(&self.scope, rules).await.expect("the model server takes the script");
    }

    /// The model server answers as without a script; what waits is answered now.
    pub async fn end_script(&self) {
        self.models.remove_script(&self.scope).await.expect("the model server takes the script away");
    }

    /// Waits until `look` succeeds; else fails with what was last seen.
    pub async fn eventually<T>(&self, what: &str, limit: Duration, look: impl AsyncFnMut() -> Result<T, String>) -> T {
        match wait::eventually(limit, look).await {
            Ok(found) => found,
            Err(seen) => panic!("{what}: {seen}"),
        }
    }

    /// Watches that `look` goes on to see the same; else fails with what changed.
    pub async fn stays<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        duration: Duration,
        look: impl AsyncFnMut() -> T,
    ) -> T {
        match wait::stays(duration, look).await {
            Ok(seen) => seen,
            Err(seen) => panic!("{what}: {seen}"),
        }
    }

    /// Waits until a condition that speaks of the present generation fits.
    pub async fn condition(
        &self,
        kind: &str,
        name: &str,
        condition_type: &str,
        limit: Duration,
        fits: impl Fn(&Condition) -> bool,
    ) -> Condition {
        self.eventually(&format!("{condition_type} of {kind} {name} is as it should be"), limit, async || {
            let object = self.get(kind, name).await;
            let found = condition(&object, condition_type);
            match found {
                Some(found) if found.current && fits(&found) => Ok(found),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Waits until the Agent is Ready as it is now.
    pub async fn ready(&self, agent: &str) {
        self.condition("Agent", agent, "Ready", START, |ready| ready.status == "True").await;
    }

    /// Waits until the gateway confirmed the Agent as it is now.
    pub async fn applied(&self, agent: &str) {
        self.condition("Agent", agent, "ConfigApplied", SOON, |applied| applied.status == "True").await;
    }
}

/// A namespace that tests share. Applied, not created: tests that come at the same time write the same.
pub(super) async fn apply_namespace(client: &Client, name: &str) {
    let all: Api<Namespace> = Api::all(client.clone());
    let applied = all.patch(name, &PatchParams::apply("suite").force(), &Patch::Apply(&manifest(name))).await;
    applied.expect("a namespace can be applied");
}

/// A namespace in which Pod Security `restricted` is enforced.
fn manifest(name: &str) -> serde_json::Value {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}
