//! A namespace that does its worst to all others: objects as many and as large as the API server keeps, gateways that hang, babble or
//! flood, edits without end, and connections to the operator that say nothing. Touches the network.
//!
//! ```text
//! with_fake_nodes(1, async |nodes| {
//!     let worst = Worst::begin(&namespace, nodes).await;     what stays
//!     worst.during(async { … }).await;                       and what never rests, meanwhile
//!     worst.end().await;
//! })
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, TypeMeta};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::fake_nodes::FakeNodes;
use super::fixtures::keyless_provider;
use super::hostile_gateways::{HostileGateways, Manner};
use super::namespace::{SOON, START, TestNamespace};
use super::objects::{condition, resource, side_by_side};
use super::operator::pods;

/// Objects with the label by which the operator watches its children: a megabyte each.
const LABELLED: usize = 500;
/// Secrets whose labels are a megabyte.
const LONG_LABELS: usize = 50;
/// Secrets that an Agent reads all keys of.
const MANY_KEYS: usize = 10;
const KEYS: usize = 30_000;
/// CronJobs that never run.
const NEVER: usize = 200;
/// Gateways of each manner.
const GATEWAYS: usize = 17;
/// Connections to the operator that say nothing.
const SILENT: usize = 200;
/// The largest value that the API server keeps, less what is beside it.
const MEGABYTE: usize = 1_000_000;
const LABEL: &str = "app.kubernetes.io/managed-by";
const HEALTH_PORT: u16 = 8080;
/// The Secret with the tokens of all gateways, by Agent.
const TOKENS: &str = "tokens";

/// Such a namespace.
pub struct Worst<'a> {
    namespace: &'a TestNamespace,
    gateways: HostileGateways,
}

impl<'a> Worst<'a> {
    /// Makes what stays, and waits until the operator has met it.
    pub async fn begin(namespace: &'a TestNamespace, nodes: &FakeNodes) -> Self {
        let worst = Self { namespace, gateways: HostileGateways::start().await };
        namespace.apply(&keyless_provider("p", "http://localhost:8080/v1")).await;
        worst.make_large_objects().await;
        worst.make_gateways(nodes).await;
        worst
    }

    /// Edits without end what the operator made, and what it watches, and keeps silent connections, until this has ended.
    pub async fn during<T>(&self, beside: impl Future<Output = T>) -> T {
        let _silent = self.silent().await;
        tokio::select! {
            never = self.never_rests() => never,
            ended = beside => ended,
        }
    }

    /// Empties the namespace of what is large or many: nothing that looks at it afterwards has to read it all. The Agents go first, so that
    /// the operator restores nothing.
    pub async fn end(self) {
        for kind in ["Agent", "ConfigMap", "Secret"] {
            let api = self.namespace.api(kind);
            let all = ListParams::default();
            api.delete_collection(&DeleteParams::default(), &all).await.expect("they can be deleted");
        }
    }

    async fn make_large_objects(&self) {
        let large = "x".repeat(MEGABYTE);
        side_by_side(LABELLED, async |number| {
            let labels = json!({LABEL: "creel", "app.kubernetes.io/component": "gateway"});
            let metadata = json!({"name": format!("labelled-{number}"), "labels": labels});
            self.make("ConfigMap", json!({"metadata": metadata, "data": {"openclaw.json": large}})).await;
        })
        .await;
        let labels: BTreeMap<_, _> =
            (0..MEGABYTE / 120).map(|n| (format!("example.com/{n:050}"), "x".repeat(60))).collect();
        side_by_side(LONG_LABELS, async |number| {
            self.make("Secret", json!({"metadata": {"name": format!("labels-{number}"), "labels": labels}})).await;
        })
        .await;
        let keys: BTreeMap<_, _> = (0..KEYS).map(|n| (format!("KEY_{n}"), "dg==")).collect();
        side_by_side(MANY_KEYS, async |number| {
            let secret = format!("keys-{number}");
            self.make("Secret", json!({"metadata": {"name": secret}, "data": keys})).await;
            let gateway = json!({"envFrom": [{"secretRef": {"name": secret}}]});
            self.make_agent(&format!("a{number}"), json!({"suspend": true, "gateway": gateway})).await;
        })
        .await;
        side_by_side(NEVER, async |number| {
            let spec = json!({"agentRef": {"name": "a0"}, "schedule": "0 0 31 2,4,6,9,11 *", "message": "Never."});
            self.make("CronJob", json!({"metadata": {"name": format!("never-{number}")}, "spec": spec})).await;
        })
        .await;
        self.namespace.condition("Agent", "a0", "Ready", SOON, |ready| ready.reason == "Suspended").await;
    }

    async fn make_gateways(&self, nodes: &FakeNodes) {
        let names = |manner: Manner| (0..GATEWAYS).map(move |number| format!("{}-{number}", manner.word()));
        let tokens: BTreeMap<_, _> =
            Manner::ALL.into_iter().flat_map(names).map(|name| (name.clone(), Manner::token(&name))).collect();
        self.make("Secret", json!({"metadata": {"name": TOKENS}, "stringData": tokens})).await;
        for name in tokens.keys() {
            let gateway = json!({
                "podTemplate": nodes.placement_at(HostileGateways::ADDRESS),
                "auth": {"token": {"secretKeyRef": {"name": TOKENS, "key": name}}},
                "storage": {"size": "1Gi"},
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
            });
            self.make_agent(name, json!({"gateway": gateway})).await;
        }
        for name in names(Manner::Floods) {
            self.gateways.confirm(&tokens[&name], self.configuration(&name).await);
        }
        self.namespace
            .eventually("the operator asks gateways of every manner", START, async || {
                let asked = Manner::ALL.map(|manner| (manner, self.gateways.asked(manner)));
                if asked.iter().all(|(_, count)| *count > 0) { Ok(()) } else { Err(format!("{asked:?}")) }
            })
            .await;
        // What it believes it goes on to ask for all else.
        self.namespace
            .eventually("the operator believes a gateway that floods", START, async || {
                let agents = self.namespace.api("Agent").list(&ListParams::default()).await;
                let applied = |agent: &DynamicObject| {
                    condition(agent, "ConfigApplied").is_some_and(|applied| applied.status == "True")
                };
                let believed = agents.map_err(|error| error.to_string())?.items.iter().any(applied);
                if believed { Ok(()) } else { Err("none has ConfigApplied".to_owned()) }
            })
            .await;
    }

    /// The openclaw.json that the gateway of this Agent mounts, once it is there.
    async fn configuration(&self, agent: &str) -> Value {
        self.namespace
            .eventually(&format!("the configuration of Agent {agent}"), SOON, async || {
                let deployment = self.namespace.find("Deployment", &format!("{agent}-gateway")).await;
                let deployment = deployment.ok_or("no Deployment")?;
                let volumes = &deployment.data["spec"]["template"]["spec"]["volumes"];
                let mut names = volumes.as_array().into_iter().flatten().map(|volume| &volume["configMap"]["name"]);
                let name = names.find_map(Value::as_str).ok_or("no volume of a ConfigMap")?;
                let map = self.namespace.find("ConfigMap", name).await.ok_or("no ConfigMap")?;
                let text = map.data["data"]["openclaw.json"].as_str().ok_or("no openclaw.json")?;
                serde_json::from_str(text).map_err(|error| error.to_string())
            })
            .await
    }

    async fn make_agent(&self, name: &str, spec: Value) {
        let mut agent = json!({"metadata": {"name": name}, "spec": spec});
        agent["spec"]["model"] = json!({"primary": {"provider": "p", "model": "small"}});
        self.make("Agent", agent).await;
    }

    /// Created, not applied: what is large would be as large again in the fields' owners.
    async fn make(&self, kind: &str, object: Value) {
        let mut object: DynamicObject = serde_json::from_value(object).expect("an object");
        let resource = resource(kind);
        object.types = Some(TypeMeta { api_version: resource.api_version, kind: resource.kind });
        let name = object.metadata.name.clone().unwrap_or_default();
        let made = self.namespace.api(kind).create(&PostParams::default(), &object).await;
        made.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }

    async fn never_rests<T>(&self) -> T {
        let mut round = 0_usize;
        loop {
            let selector = json!({"spec": {"selector": {"round": round.to_string()}}});
            self.edit("Service", "a0-gateway", &selector).await;
            let annotation = json!({"metadata": {"annotations": {"round": round.to_string()}}});
            self.edit("ConfigMap", &format!("labelled-{}", round % LABELLED), &annotation).await;
            self.edit("Secret", "keys-0", &json!({"stringData": {"ROUND": round.to_string()}})).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            round += 1;
        }
    }

    /// Which of two wrote last is of no account; an object that is made anew just now is missed.
    async fn edit(&self, kind: &str, name: &str, change: &Value) {
        self.namespace.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(change)).await.ok();
    }

    /// Connections to the port of the operator's health that say nothing, for as long as they are kept.
    async fn silent(&self) -> Vec<TcpStream> {
        let mut open = Vec::new();
        for pod in pods(&self.namespace.client).await {
            let Some(ip) = pod.status.and_then(|status| status.pod_ip) else { continue };
            for _ in 0..SILENT {
                // One that is refused or closed at once is no worse for it.
                open.extend(TcpStream::connect((ip.as_str(), HEALTH_PORT)).await);
            }
        }
        open
    }
}
