//! An Agent that is deleted during a turn whose command runs on: its own policies go at once, and no Pod of it is ever without one.

use e2e::suite::policy::{Rules, pod};
use e2e::suite::{SOON, START, TestNamespace};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::json;

const FENCE: &str = "creel-fence";

/// Deletes the Agent, which owns its gateway and is the last one of the namespace.
pub async fn no_pod_outlives_its_policies(namespace: &TestNamespace, agent: &str) {
    let turn = namespace.try_tool(agent, agent, "exec", json!({"command": "sleep 1000", "yieldMs": 110_000}));
    let deletion = async {
        namespace.runs_in_sandbox(agent, "sleep").await;
        namespace.api("Agent").delete(agent, &DeleteParams::default()).await.expect("an Agent can be deleted");
        let mut by_the_fence_alone = 0_u32;
        namespace
            .eventually("the Pods of the Agent are gone", START, async || {
                // In this order: a Pod that is there now needs a policy a moment later.
                let pods = pods(namespace).await;
                let rules = Rules::of(namespace).await;
                for left in &pods {
                    let labels: Vec<_> =
                        left.labels().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                    let selecting = rules.selecting(&pod("10.0.0.1", (&namespace.name, &[]), &labels)).await;
                    let fence = format!("{}/{FENCE}", namespace.name);
                    assert!(selecting.contains(&fence), "{} is selected by {selecting:?}", left.name_any());
                    by_the_fence_alone += u32::from(selecting == [fence]);
                }
                if pods.is_empty() { Ok(()) } else { Err(format!("{} Pods", pods.len())) }
            })
            .await;
        assert!(by_the_fence_alone > 0, "no Pod outlived the Agent's own policies, so nothing was shown");
    };
    // How the turn ends is the gateway's business.
    let (_, ()) = tokio::join!(turn, deletion);
    let look = async || namespace.find("NetworkPolicy", FENCE).await.map_or(Ok(()), |fence| Err(format!("{fence:?}")));
    namespace.eventually("the fence goes after the last Pod", SOON, look).await;
}

async fn pods(namespace: &TestNamespace) -> Vec<Pod> {
    let pods: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=creel");
    pods.list(&ours).await.expect("Pods can be listed").items
}
