//! In which order sandboxes follow their gateway from node to node, and when they stay. The scheduler is the real one; on nodes without
//! a machine Pods are only said to run, but where they are and when they came and went is real.

use std::sync::{Arc, Mutex};

use e2e::suite::policy::{Rules, pod as peer};
use e2e::suite::{FENCE, FakeNodes, SOON, TestNamespace, in_namespace, with_fake_nodes};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{PersistentVolume, Pod};
use kube::ResourceExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher;
use serde_json::json;
use tokio::task::JoinHandle;

use super::stage::{agent, make, merged, provider, sandbox};

/// What became of a Pod, by its UID.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Bound(String, String),
    Gone(String),
}

/// What became of the Pods of a namespace, in the order in which the API server tells it.
struct History {
    steps: Arc<Mutex<Vec<Step>>>,
    watch: JoinHandle<()>,
}

impl History {
    fn of(namespace: &TestNamespace) -> Self {
        let pods: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
        let steps = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&steps);
        let watch = tokio::spawn(async move {
            let mut events = watcher(pods, watcher::Config::default()).boxed();
            while let Some(event) = events.next().await {
                // After an error it lists and goes on.
                let Ok(event) = event else { continue };
                let step = match event {
                    watcher::Event::Apply(pod) | watcher::Event::InitApply(pod) => {
                        let uid = pod.uid().unwrap_or_default();
                        node(&pod).map(|node| Step::Bound(uid, node))
                    }
                    watcher::Event::Delete(pod) => Some(Step::Gone(pod.uid().unwrap_or_default())),
                    watcher::Event::Init | watcher::Event::InitDone => None,
                };
                let mut steps = into.lock().unwrap();
                if let Some(step) = step.filter(|step| !steps.contains(step)) {
                    steps.push(step);
                }
            }
        });
        Self { steps, watch }
    }

    /// Waits until all of these steps were taken; fails unless it was in this order.
    async fn shows(&self, namespace: &TestNamespace, wanted: &[Step]) {
        let look = async || {
            let steps = self.steps.lock().unwrap().clone();
            let places: Vec<_> = wanted.iter().map(|step| steps.iter().position(|taken| taken == step)).collect();
            let all = places.iter().all(Option::is_some);
            if all { Ok((places, steps)) } else { Err(format!("{wanted:?} at {places:?} of {steps:?}")) }
        };
        let (places, steps) = namespace.eventually("the watch shows every step", SOON, look).await;
        assert!(places.is_sorted(), "{wanted:#?} at {places:?} of {steps:#?}");
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

fn node(pod: &Pod) -> Option<String> {
    pod.spec.as_ref()?.node_name.clone()
}

fn runs(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && phase == Some("Running")
}

/// A Pod that runs: its UID and its node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    uid: String,
    node: String,
}

impl Placed {
    fn of(pod: &Pod) -> Option<Self> {
        Some(Self { uid: pod.uid()?, node: node(pod)? }).filter(|_| runs(pod))
    }

    fn bound(&self) -> Step {
        Step::Bound(self.uid.clone(), self.node.clone())
    }

    fn gone(&self) -> Step {
        Step::Gone(self.uid.clone())
    }
}

/// A gateway `a` whose own commands and those of `joined` run in sandboxes with this access, all of them on these nodes.
async fn settle(namespace: &TestNamespace, nodes: &FakeNodes, access: &str, joined: &[&str]) {
    let template = nodes.placement();
    make(namespace, &provider("p")).await;
    let spec = json!({"workspaceAccess": access, "podTemplate": template});
    make(namespace, &merged(sandbox("box"), json!({"spec": spec}))).await;
    let boxed = |name: &str| merged(agent(name), json!({"spec": {"sandbox": {"ref": {"name": "box"}}}}));
    make(namespace, &merged(boxed("a"), json!({"spec": {"gateway": {"podTemplate": template}}}))).await;
    for name in joined {
        make(namespace, &merged(boxed(name), json!({"spec": {"gatewayRef": {"name": "a"}}}))).await;
    }
}

/// Waits until exactly one Pod of the gateway and one of each sandbox are there, they run, and `fits`.
async fn placed(
    namespace: &TestNamespace,
    agents: &[&str],
    what: &str,
    fits: impl Fn(&Placed, &[Placed]) -> bool,
) -> (Placed, Vec<Placed>) {
    namespace
        .eventually(what, SOON, async || {
            let gateways = namespace.pods("a").await;
            let mut shells = Vec::new();
            for agent in agents {
                shells.extend(namespace.sandbox_pod(agent).await.as_ref().and_then(Placed::of));
            }
            match gateways.as_slice() {
                [gateway] if shells.len() == agents.len() => match Placed::of(gateway) {
                    Some(gateway) if fits(&gateway, &shells) => Ok((gateway, shells)),
                    seen => Err(format!("gateway {seen:?}, sandboxes {shells:?}")),
                },
                seen => Err(format!("gateways {:?}, sandboxes {shells:?}", seen.iter().map(node).collect::<Vec<_>>())),
            }
        })
        .await
}

fn together(gateway: &Placed, shells: &[Placed]) -> bool {
    shells.iter().all(|shell| shell.node == gateway.node)
}

/// Deletes the gateway's Pod, as a drain does after the cordon.
async fn evict_gateway(namespace: &TestNamespace) {
    let gateway = namespace.gateway("a").await;
    namespace.delete_pod(&gateway).await;
}

/// The gateway's node is drained; all go together to another, and in an order in which a volume that only one node may have attached
/// can follow them.
async fn follow(namespace: &TestNamespace, nodes: &FakeNodes, access: &str, agents: &[&str]) {
    let history = History::of(namespace);
    settle(namespace, nodes, access, &agents[1..]).await;
    let (gateway, shells) = placed(namespace, agents, "the sandboxes are with their gateway", together).await;
    for shell in &shells {
        history.shows(namespace, &[gateway.bound(), shell.bound()]).await;
    }
    nodes.schedulable(&gateway.node, false).await;
    evict_gateway(namespace).await;
    let moved = |now: &Placed, shells: &[Placed]| now.node != gateway.node && together(now, shells);
    let (gateway_now, shells_now) = placed(namespace, agents, "all moved to another node", moved).await;
    for (before, now) in shells.iter().zip(&shells_now) {
        assert_ne!(before.uid, now.uid, "a Pod does not move: it is another one");
        // The gateway before may still end while the next one is bound: its ReplicaSet does not wait.
        history.shows(namespace, &[gateway_now.bound(), before.gone(), now.bound()]).await;
    }
    history.shows(namespace, &[gateway.bound(), gateway.gone()]).await;
    for before in &shells {
        history.shows(namespace, &[before.bound(), before.gone()]).await;
    }
}

#[tokio::test]
async fn a_sandbox_follows_its_gateway_to_another_node() {
    with_fake_nodes(3, async |nodes| {
        in_namespace("follow", async |namespace| {
            follow(&namespace, nodes, "rw", &["a"]).await;
            let claim = namespace.get("PersistentVolumeClaim", "a-claim").await;
            assert_eq!(claim.data["spec"]["accessModes"][0], "ReadWriteOnce");
            assert!(!is_pinned(&namespace, &claim).await, "the volume decided where they went");
        })
        .await;
    })
    .await;
}

/// Whether the claim's volume ties Pods to a node.
async fn is_pinned(namespace: &TestNamespace, claim: &DynamicObject) -> bool {
    let volumes: Api<PersistentVolume> = Api::all(namespace.client.clone());
    let name = claim.data["spec"]["volumeName"].as_str().expect("the claim is bound");
    volumes.get(name).await.expect("the volume").spec.is_some_and(|spec| spec.node_affinity.is_some())
}

#[tokio::test]
async fn the_sandboxes_of_all_agents_follow_the_gateway_that_they_share() {
    with_fake_nodes(3, async |nodes| {
        in_namespace("crowd", async |namespace| {
            follow(&namespace, nodes, "ro", &["a", "b", "c", "d"]).await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_gateway_comes_back_to_the_node_of_its_sandboxes_and_they_stay() {
    with_fake_nodes(3, async |nodes| {
        in_namespace("return", async |namespace| {
            settle(&namespace, nodes, "rw", &["b"]).await;
            let agents = ["a", "b"];
            let (mut gateway, shells) = placed(&namespace, &agents, "they are together", together).await;
            // One return may be chance: there are three nodes.
            for _ in 0..3 {
                evict_gateway(&namespace).await;
                let another = |now: &Placed, _: &[Placed]| now.uid != gateway.uid;
                let (now, shells_now) = placed(&namespace, &agents, "another gateway runs", another).await;
                assert_eq!((&now.node, &shells_now), (&gateway.node, &shells));
                gateway = now;
            }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_sandbox_without_a_workspace_stays_where_it_is() {
    with_fake_nodes(3, async |nodes| {
        in_namespace("stays", async |namespace| {
            settle(&namespace, nodes, "none", &[]).await;
            let anywhere = |_: &Placed, _: &[Placed]| true;
            let (gateway, shells) = placed(&namespace, &["a"], "both run", anywhere).await;
            nodes.schedulable(&gateway.node, false).await;
            evict_gateway(&namespace).await;
            let moved = |now: &Placed, _: &[Placed]| now.node != gateway.node;
            let (_, shells_now) = placed(&namespace, &["a"], "the gateway moved", moved).await;
            assert_eq!(shells_now, shells);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_policies_select_the_very_pods() {
    with_fake_nodes(3, async |nodes| {
        in_namespace("select", async |namespace| {
            settle(&namespace, nodes, "rw", &[]).await;
            placed(&namespace, &["a"], "both run", together).await;
            let rules = Rules::of(&namespace).await;
            let pods = [namespace.pods("a").await.remove(0), namespace.sandbox_pod("a").await.expect("a Pod")];
            for (pod, policy) in pods.iter().zip(["a-gateway", "a-sandbox"]) {
                let labels: Vec<_> = pod.labels().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let peer = peer("10.244.0.9", (&namespace.name, &[]), &labels);
                let policies = [policy, FENCE].map(|name| format!("{}/{name}", namespace.name));
                assert_eq!(rules.selecting(&peer).await, policies);
            }
        })
        .await;
    })
    .await;
}
