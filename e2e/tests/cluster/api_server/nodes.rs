//! Where Pods run when there are several nodes: the real scheduler decides, on nodes without a machine. A sandbox that shares the claim
//! of its gateway is on the gateway's node, wherever that goes.

use e2e::suite::{FakeNodes, SOON, TestNamespace, in_namespace, joined_agent, with_fake_nodes};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, EvictParams, ListParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::stage::{agent, edit, make, merged, provider, sandbox};

/// The Agent `a` with a gateway of its own and `b` who joined it, both with a sandbox that shares the workspace.
pub async fn on_fake_nodes(namespace: &TestNamespace, nodes: &FakeNodes) {
    let template = nodes.placement();
    make(namespace, &provider("p")).await;
    let shared = json!({"spec": {"workspaceAccess": "rw", "podTemplate": template}});
    make(namespace, &merged(sandbox("box"), shared)).await;
    let used = json!({"spec": {"sandbox": {"ref": {"name": "box"}}}});
    let joined: Value = serde_yaml::from_str(&joined_agent("b", "a", "p/small")).expect("YAML");
    make(namespace, &merged(joined, used.clone())).await;
    let owner = json!({"spec": {"gateway": {"podTemplate": template}}});
    make(namespace, &merged(merged(agent("a"), used), owner)).await;
}

/// The Pods of this component that do not end.
async fn pods(namespace: &TestNamespace, component: &str) -> Vec<Pod> {
    let all: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let selector = ListParams::default().labels(&format!("app.kubernetes.io/component={component}"));
    let listed = all.list(&selector).await.expect("Pods can be listed");
    listed.items.into_iter().filter(|pod| pod.meta().deletion_timestamp.is_none()).collect()
}

/// Waits until one gateway and `sandboxes` sandboxes run, all on one node that is not `left`; that node.
pub async fn together(namespace: &TestNamespace, sandboxes: usize, left: Option<&str>) -> String {
    let what = format!("the gateway and {sandboxes} sandboxes run on one node that is not {left:?}");
    namespace
        .eventually(&what, SOON, async || {
            let gateways = pods(namespace, "gateway").await;
            let all: Vec<_> = gateways.iter().chain(&pods(namespace, "sandbox").await).cloned().collect();
            let place = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
            let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
            let seen: Vec<_> = all.iter().map(|pod| (pod.name_any(), place(pod), phase(pod))).collect();
            let node = all.first().and_then(place).filter(|node| Some(node.as_str()) != left);
            let at_home = |pod: &Pod| place(pod) == node && phase(pod).as_deref() == Some("Running");
            let whole = gateways.len() == 1 && all.len() == 1 + sandboxes;
            node.clone().filter(|_| whole && all.iter().all(at_home)).ok_or_else(|| format!("{seen:?}"))
        })
        .await
}

async fn evict(namespace: &TestNamespace, pods: &[Pod]) {
    let api: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
    for pod in pods {
        api.evict(&pod.name_any(), &EvictParams::default()).await.expect("a Pod can be evicted");
    }
}

#[tokio::test]
async fn sandboxes_follow_their_gateway_from_node_to_node_and_never_hold_it_back() {
    with_fake_nodes(3, async |nodes| {
        in_namespace("nodes", async |namespace| never_held_back(&namespace, nodes).await).await;
    })
    .await;
}

async fn never_held_back(namespace: &TestNamespace, nodes: &FakeNodes) {
    on_fake_nodes(namespace, nodes).await;
    let first = together(namespace, 2, None).await;

    // Only the gateway leaves: the sandboxes on the old node must not draw it back, and must come along.
    nodes.schedulable(&first, false).await;
    evict(namespace, &pods(namespace, "gateway").await).await;
    let second = together(namespace, 2, Some(&first)).await;

    // As `kubectl drain` does, the sandboxes first: they wait for a gateway that has not moved yet.
    nodes.schedulable(&second, false).await;
    evict(namespace, &pods(namespace, "sandbox").await).await;
    evict(namespace, &pods(namespace, "gateway").await).await;
    let third = together(namespace, 2, Some(&second)).await;
    assert_ne!(third, first, "the first node takes no Pods");

    // The only free node goes too; once one is back, all come to it together.
    nodes.schedulable(&third, false).await;
    evict(namespace, &pods(namespace, "gateway").await).await;
    nodes.schedulable(&first, true).await;
    assert_eq!(together(namespace, 2, Some(&third)).await, first);

    // What shares nothing with the gateway stays where it is.
    edit(namespace, "Agent", "b", &json!({"spec": {"sandbox": {"workspaceAccess": "none"}}})).await.expect("an edit");
    let alone = async || {
        let pod = pods(namespace, "sandbox").await.into_iter().find(|pod| pod.name_any() == "b-sandbox");
        let spec = pod.and_then(|pod| pod.spec).ok_or("no Pod")?;
        let bound = spec.affinity.is_none() && spec.node_name.is_some();
        if bound { Ok(()) } else { Err(json!(spec.affinity).to_string()) }
    };
    namespace.eventually("the sandbox without the workspace is free of the gateway", SOON, alone).await;
}
