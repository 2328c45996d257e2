//! What is deleted during a turn whose command runs on: policies may go at once, and no Pod is ever without one.

use e2e::suite::{Departure, FENCE, OURS, SOON, TestNamespace, beside};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

/// What the command that runs on is called.
const PROGRAM: &str = "sleep";

/// Does this while a turn of the Agent, on the gateway of `owner`, waits for a command. How the turn ends is the gateway's business.
pub async fn while_a_command_runs(
    namespace: &TestNamespace,
    (owner, agent): (&str, &str),
    meanwhile: impl AsyncFnOnce(),
) {
    let arguments = json!({"command": format!("{PROGRAM} 1000"), "yieldMs": 110_000});
    let meanwhile = async {
        namespace.runs_in_sandbox(agent, PROGRAM).await;
        Box::pin(meanwhile()).await;
    };
    beside(Box::pin(namespace.try_tool(owner, agent, "exec", arguments)), Box::pin(meanwhile)).await;
}

/// Waits until the Pods with these labels, the Agent's sandbox among them, have ended under a policy. The command ends as soon as it was
/// seen to go on.
pub async fn end_under_a_policy(namespace: &TestNamespace, labels: &str, agent: &str) {
    namespace.fenced_until(labels, Departure::Begun).await;
    // Whether or not it has ended by itself.
    namespace.try_in_container(&format!("{agent}-sandbox"), "shell", &format!("pkill -x {PROGRAM}")).await.ok();
    namespace.fenced_until(labels, Departure::Over).await;
}

/// Deletes all Agents, of which this is one that owns its gateway.
pub async fn no_pod_outlives_its_policies(namespace: &TestNamespace, agent: &str) {
    while_a_command_runs(namespace, (agent, agent), async || {
        let agents = namespace.api("Agent");
        agents.delete_collection(&DeleteParams::default(), &ListParams::default()).await.expect("they can be deleted");
        let by_the_fence_alone = namespace.fenced_until(OURS, Departure::Over).await;
        assert!(by_the_fence_alone > 0, "no Pod outlived the Agent's own policies, so nothing was shown");
    })
    .await;
    let look = async || namespace.find("NetworkPolicy", FENCE).await.map_or(Ok(()), |fence| Err(format!("{fence:?}")));
    namespace.eventually("the fence goes after the last Pod", SOON, look).await;
}

/// Deletes an Agent that joined a gateway, which goes on.
pub async fn no_sandbox_outlives_its_policies(namespace: &TestNamespace, (owner, agent): (&str, &str)) {
    while_a_command_runs(namespace, (owner, agent), async || {
        namespace.api("Agent").delete(agent, &DeleteParams::default()).await.expect("an Agent can be deleted");
        end_under_a_policy(namespace, &format!("creel.dev/agent={agent}"), agent).await;
    })
    .await;
}
