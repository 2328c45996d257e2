//! A claim only grows, and keeps its class and mode: refused by rule where the API server can see it, by condition elsewhere.

use e2e::suite::{TestNamespace, in_namespace};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::stage::{Server, edit, make, merged, provider, reason, resting, sandbox, uid, unschedulable, with_children};

fn storage(storage: Value) -> Value {
    json!({"spec": {"gateway": {"storage": storage}}})
}

async fn change(namespace: &TestNamespace, to: Value) -> Result<(), String> {
    edit(namespace, "Agent", "a", &storage(to)).await.map(|_| ())
}

#[tokio::test]
async fn a_claim_can_grow_but_not_shrink() {
    in_namespace("size", async |namespace| {
        make(&namespace, &merged(resting("a"), storage(json!({"size": "2Gi"})))).await;
        for size in [json!("1Gi"), json!("2047Mi"), json!(1)] {
            let said = change(&namespace, json!({"size": size})).await.expect_err("the claim shrank");
            assert!(said.contains("a claim can grow but not shrink: set size to at least its current value"), "{said}");
        }
        for size in ["2048Mi", "3Gi"] {
            change(&namespace, json!({"size": size})).await.expect(size);
        }
    })
    .await;
}

#[tokio::test]
async fn class_and_mode_of_a_claim_cannot_change() {
    in_namespace("class", async |namespace| {
        let first = storage(json!({"storageClassName": "no-such-class", "accessMode": "ReadWriteOnce"}));
        make(&namespace, &merged(resting("a"), first)).await;
        for class in [json!("other"), Value::Null] {
            let said = change(&namespace, json!({"storageClassName": class})).await.expect_err("the class changed");
            assert!(said.contains("storageClassName is immutable: create a new Agent instead"), "{said}");
        }
        for mode in [json!("ReadWriteMany"), Value::Null] {
            let said = change(&namespace, json!({"accessMode": mode})).await.expect_err("the mode changed");
            assert!(said.contains("accessMode is immutable: create a new Agent instead"), "{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_existing_claim_leaves_no_say_in_size_class_mode_and_retention() {
    let server = Server::new().await;
    for extra in [
        json!({"size": "1Gi"}),
        json!({"storageClassName": "x"}),
        json!({"accessMode": "ReadWriteOnce"}),
        json!({"retention": "Retain"}),
    ] {
        let both = storage(merged(json!({"existingClaim": "mine"}), extra));
        let said = server.dry_run(&merged(resting("a"), both)).await.expect_err("both were accepted");
        let words = "existingClaim is used as it is: omit size, storageClassName, accessMode and retention";
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn an_existing_claim_is_waited_for_and_used_as_it_is() {
    in_namespace("existing", async |namespace| {
        make(&namespace, &provider("p")).await;
        make(&namespace, &merged(resting("a"), storage(json!({"existingClaim": "mine"})))).await;
        let missing = reason(&namespace, "a", "ReferencesResolved", "ClaimNotFound").await;
        assert_eq!(
            missing.message,
            "PersistentVolumeClaim \"mine\" does not exist (spec.gateway.storage.existingClaim of Agent \"a\"): create it"
        );
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "mine"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
        make(&namespace, &claim).await;
        // Claims of others are not watched, so that memory stays flat; an edit makes the operator look at once.
        namespace.annotate("Agent", "a", "example.org/look", Some("again")).await;
        reason(&namespace, "a", "ReferencesResolved", "Resolved").await;
        assert!(namespace.find("PersistentVolumeClaim", "a-claim").await.is_none(), "another claim was made");
        let claim = namespace.get("PersistentVolumeClaim", "mine").await;
        assert_eq!((claim.metadata.labels, claim.metadata.owner_references), (None, None), "the claim was changed");
    })
    .await;
}

#[tokio::test]
async fn what_is_adopted_is_on_an_existing_claim_and_a_workspace_is_no_one_elses() {
    let server = Server::new().await;
    let adopting = |name: &str, adopt: Value| {
        merged(resting(name), storage(json!({"existingClaim": "openclaw-home-pvc", "adopt": adopt})))
    };
    let said = server.dry_run(&merged(resting("a"), storage(json!({"adopt": {}})))).await.expect_err("no claim");
    assert!(said.contains("adopt needs existingClaim"), "{said}");

    for path in ["/data", "data/", "../x", "data/../..", "./data", "data//x", "a b", "$(HOME)", "${HOME}", "~"] {
        for field in ["stateSubPath", "workspaceSubPath"] {
            let said = server.dry_run(&adopting("a", json!({field: path}))).await.expect_err(path);
            assert!(said.contains(&format!("{field} must be a path from the root of the claim")), "{said}");
        }
    }
    for (state, workspace) in [("data", "data"), ("data/openclaw", "data")] {
        let adopt = json!({"stateSubPath": state, "workspaceSubPath": workspace});
        let said = server.dry_run(&adopting("a", adopt)).await.expect_err(workspace);
        assert!(said.contains("the workspace must not be the state directory or contain it"), "{said}");
    }
    for adopt in [
        json!({"workspaceSubPath": "workspace-writer"}),
        json!({"workspaceSubPath": "workspace-writer/notes"}),
        json!({"stateSubPath": "data", "workspaceSubPath": "data/workspace-writer"}),
    ] {
        let said = server.dry_run(&adopting("main", adopt.clone())).await.expect_err(&adopt.to_string());
        assert!(said.contains("is the workspace of the Agent with this name"), "{said}");
        server.dry_run(&adopting("writer", merged(adopt, json!({"workspaceSubPath": "clawd"})))).await.expect("clawd");
    }
    for adopt in [
        json!({}),
        json!({"stateSubPath": "data/openclaw_1.0"}),
        json!({"stateSubPath": "data", "workspaceSubPath": "data/workspace-main"}),
        json!({"stateSubPath": "data", "workspaceSubPath": "database"}),
        json!({"stateSubPath": "data", "workspaceSubPath": "workspace-writer"}),
        json!({"workspaceSubPath": "workspace-main"}),
        json!({"workspaceSubPath": "workspaces/main"}),
    ] {
        server.dry_run(&adopting("main", adopt.clone())).await.unwrap_or_else(|said| panic!("{adopt}: {said}"));
    }
}

#[tokio::test]
async fn what_is_adopted_can_be_corrected_until_the_agent_has_used_it() {
    in_namespace("adopted", async |namespace| {
        let adopt = |adopt: Value| json!({"existingClaim": "openclaw-home-pvc", "adopt": adopt});
        make(&namespace, &merged(resting("a"), storage(adopt(json!({"stateSubPath": "date"}))))).await;
        change(&namespace, adopt(json!({"stateSubPath": "data"}))).await.expect("a correction");
        let status = json!({"status": {"agentID": "a"}});
        let used = namespace.api("Agent").patch_status("a", &PatchParams::default(), &Patch::Merge(&status)).await;
        used.expect("a status");

        let words = "spec.gateway.storage.adopt can't change once the Agent has used the claim";
        for now in [
            storage(json!({"adopt": {"stateSubPath": "other"}})),
            storage(json!({"adopt": {"workspaceSubPath": "data/clawd"}})),
            storage(json!({"adopt": {"stateSubPath": null}})),
            storage(json!({"adopt": null})),
            json!({"spec": {"gateway": null}}),
        ] {
            let said = edit(&namespace, "Agent", "a", &now).await.expect_err(&now.to_string());
            assert!(said.contains(words), "{said}");
        }
        change(&namespace, json!({"existingClaim": "restored"})).await.expect("a backup on another claim");
        make(&namespace, &resting("b")).await;
        namespace.api("Agent").patch_status("b", &PatchParams::default(), &Patch::Merge(&status)).await.expect("used");
        let said = edit(&namespace, "Agent", "b", &storage(adopt(json!({})))).await.expect_err("another layout");
        assert!(said.contains(words), "{said}");
        edit(&namespace, "Agent", "b", &storage(json!({"existingClaim": "b"}))).await.expect("another claim");
    })
    .await;
}

/// Rules that compare with the old value do not see what is unset first and set then; and only the API server knows whether a
/// class lets its claims grow.
#[tokio::test]
async fn a_claim_that_cannot_follow_is_reported_and_stays_as_it_is() {
    in_namespace("detour", async |namespace| {
        with_children(
            &namespace,
            json!({"gateway": {"storage": {"size": "2Gi", "storageClassName": "no-such-class"}}}),
        )
        .await;
        let before = uid(&namespace, "PersistentVolumeClaim", "a-claim").await;
        edit(&namespace, "Agent", "a", &json!({"spec": {"gateway": null}})).await.expect("unset");
        change(&namespace, json!({"size": "1Gi", "storageClassName": "other"})).await.expect("set");
        let stalled = reason(&namespace, "a", "Stalled", "ClaimChangeRejected").await;
        assert!(stalled.message.contains("PersistentVolumeClaim \"a-claim\""), "{}", stalled.message);
        let claim = namespace.get("PersistentVolumeClaim", "a-claim").await;
        assert_eq!(claim.metadata.uid.as_deref(), Some(before.as_str()));
        assert_eq!(claim.data["spec"]["storageClassName"], "no-such-class");
        change(&namespace, json!({"size": "2Gi"})).await.expect("another size");
        edit(&namespace, "Agent", "a", &json!({"spec": {"gateway": null}})).await.expect("unset");
        change(&namespace, json!({"size": "2Gi", "storageClassName": "no-such-class"})).await.expect("set back");
        reason(&namespace, "a", "Stalled", "AsExpected").await;
    })
    .await;
}

#[tokio::test]
async fn a_claim_for_one_pod_only_is_refused_to_a_sandbox_that_shares_the_workspace() {
    in_namespace("one-pod", async |namespace| {
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "mine"},
            "spec": {"accessModes": ["ReadWriteOncePod"], "storageClassName": "no-such-class",
                "resources": {"requests": {"storage": "1Gi"}}}});
        make(&namespace, &claim).await;
        make(&namespace, &provider("p")).await;
        make(&namespace, &merged(sandbox("box"), json!({"spec": {"workspaceAccess": "rw"}}))).await;
        make(&namespace, &merged(unschedulable("a", "box"), storage(json!({"existingClaim": "mine"})))).await;
        let refused = reason(&namespace, "a", "SandboxReady", "ClaimNotShareable").await;
        assert_eq!(refused.status, "False");
        for part in ["\"mine\"", "ReadWriteOncePod", "ReadWriteOnce"] {
            assert!(refused.message.contains(part), "{part} is not in {refused:?}");
        }
        assert!(namespace.find("Pod", "a-sandbox").await.is_none(), "a Pod was made that can never start");

        let alone = json!({"spec": {"sandbox": {"workspaceAccess": "none"}}});
        edit(&namespace, "Agent", "a", &alone).await.expect("an edit");
        let still = |found: &e2e::suite::Condition| found.reason != "ClaimNotShareable";
        namespace.condition("Agent", "a", "SandboxReady", e2e::suite::SOON, still).await;
    })
    .await;
}
