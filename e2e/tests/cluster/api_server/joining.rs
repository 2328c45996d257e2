//! `gatewayRef`: free until the Agent has joined, fixed from then on.

use e2e::suite::{TestNamespace, in_namespace};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::stage::{agent, edit, make, merged, reason};

const WORDS: &str = "spec.gatewayRef can't change once the Agent has joined";

fn reference(name: &str) -> Value {
    json!({"spec": {"gatewayRef": {"name": name}}})
}

/// What the operator writes once a gateway runs the Agent.
async fn joined(namespace: &TestNamespace) {
    let status = json!({"status": {"agentID": "a"}});
    namespace.api("Agent").patch_status("a", &PatchParams::default(), &Patch::Merge(&status)).await.expect("a status");
}

#[tokio::test]
async fn gateway_ref_is_free_until_the_agent_has_joined_and_fixed_from_then_on() {
    in_namespace("joined", async |namespace| {
        make(&namespace, &merged(agent("a"), reference("b"))).await;
        edit(&namespace, "Agent", "a", &reference("c")).await.expect("it has not joined yet");
        joined(&namespace).await;
        let unset = json!({"spec": {"gatewayRef": null}});
        let own = json!({"spec": {"gatewayRef": null, "gateway": {}}});
        for change in [reference("b"), unset, own] {
            let said = edit(&namespace, "Agent", "a", &change).await.expect_err("the edit was accepted");
            assert!(said.contains(WORDS) && said.contains("create a new Agent"), "{change}: {said}");
        }
        edit(&namespace, "Agent", "a", &json!({"spec": {"suspend": true}})).await.expect("other fields stay free");
        reason(&namespace, "a", "ReferencesResolved", "GatewayNotFound").await;
        let agent = namespace.get("Agent", "a").await;
        assert_eq!(agent.data["status"]["agentID"], "a", "the operator keeps what it once wrote");
    })
    .await;
}

#[tokio::test]
async fn the_owner_of_a_gateway_cannot_become_a_joined_agent() {
    in_namespace("owner", async |namespace| {
        make(&namespace, &merged(agent("a"), json!({"spec": {"suspend": true, "gateway": {}}}))).await;
        joined(&namespace).await;
        let change = json!({"spec": {"gateway": null, "gatewayRef": {"name": "b"}}});
        let said = edit(&namespace, "Agent", "a", &change).await.expect_err("the edit was accepted");
        assert!(said.contains(WORDS), "{said}");
    })
    .await;
}
