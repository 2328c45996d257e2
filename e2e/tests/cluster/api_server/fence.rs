//! The fence of a namespace: it is there before the first Pod of Creel's and goes after the last one.

use std::time::Duration;

use e2e::suite::policy::{Peer, Rules, pod};
use e2e::suite::{FENCE, OURS, SOON, TestNamespace, in_namespace};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::stage::{agent, make, merged, provider, resting, sandbox, uid, unschedulable, with_children};

/// Longer than Creel waits before it removes a fence that nothing needs any more.
const LONG: Duration = Duration::from_secs(50);

fn peer(namespace: &TestNamespace, of: &Pod) -> Peer {
    let labels: Vec<_> = of.labels().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    pod("10.244.0.10", (&namespace.name, &[]), &labels)
}

async fn goes(namespace: &TestNamespace) {
    let look = async || namespace.find("NetworkPolicy", FENCE).await.map_or(Ok(()), |fence| Err(format!("{fence:?}")));
    namespace.eventually("the fence goes", SOON, look).await;
}

async fn comes(namespace: &TestNamespace) {
    let look = async || namespace.find("NetworkPolicy", FENCE).await.map(drop).ok_or("no fence".to_owned());
    namespace.eventually("the fence comes", SOON, look).await;
}

#[tokio::test]
async fn whenever_a_pod_is_there_the_fence_and_its_own_policy_select_it() {
    in_namespace("fence", async |namespace| {
        make(&namespace, &provider("p")).await;
        make(&namespace, &sandbox("box")).await;
        make(&namespace, &unschedulable("a", "box")).await;
        namespace
            .eventually("the gateway and the sandbox have Pods", SOON, async || {
                let pods = namespace.pods_with(OURS).await;
                let rules = Rules::of(&namespace).await;
                for pod in &pods {
                    let own = if pod.name_any() == "a-sandbox" { "a-sandbox" } else { "a-gateway" };
                    let selecting = rules.selecting(&peer(&namespace, pod)).await;
                    assert_eq!(selecting, [own, FENCE].map(|policy| format!("{}/{policy}", namespace.name)));
                }
                if pods.len() == 2 { Ok(()) } else { Err(format!("{} Pods", pods.len())) }
            })
            .await;
    })
    .await;
}

/// A Pod with our labels that no node takes and nobody collects.
fn pod_without_an_agent() -> Value {
    let labels = json!({"app.kubernetes.io/managed-by": "creel", "app.kubernetes.io/component": "sandbox"});
    let context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let container = json!({"name": "c", "image": "localhost/nothing:1", "securityContext": context});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "left", "labels": labels}, "spec": {
        "nodeSelector": {"example.com/no-such-node": "true"}, "containers": [container],
        "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}}})
}

#[tokio::test]
async fn the_fence_stays_for_the_last_agent_and_the_last_pod_and_comes_back_with_the_next_agent() {
    in_namespace("fence-goes", async |namespace| {
        with_children(&namespace, json!({})).await;
        make(&namespace, &merged(agent("b"), json!({"spec": {"gatewayRef": {"name": "a"}}}))).await;
        make(&namespace, &pod_without_an_agent()).await;
        let fence = uid(&namespace, "NetworkPolicy", FENCE).await;
        let stays = async |what: &str| {
            let look = async || namespace.find("NetworkPolicy", FENCE).await.and_then(|fence| fence.metadata.uid);
            assert_eq!(namespace.stays(what, LONG, look).await.as_ref(), Some(&fence), "{what}");
        };
        namespace.delete("Agent", "a").await;
        namespace
            .eventually("what the Agent owned is collected", SOON, async || {
                let left = namespace.find("Deployment", "a-gateway").await.is_some()
                    || namespace.find("NetworkPolicy", "a-gateway").await.is_some();
                if left { Err("it is there".to_owned()) } else { Ok(()) }
            })
            .await;
        namespace.delete("Pod", "left").await;
        stays("the fence while an Agent is left").await;
        make(&namespace, &pod_without_an_agent()).await;
        namespace.delete("Agent", "b").await;
        stays("the fence while a Pod is left").await;
        namespace.delete("Pod", "left").await;
        goes(&namespace).await;
        make(&namespace, &resting("c")).await;
        comes(&namespace).await;
    })
    .await;
}
