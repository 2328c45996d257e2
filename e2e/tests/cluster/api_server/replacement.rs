//! A sandbox's Pod that runs gives way to another one only where the API server takes that one. It runs on a node without a machine.

use e2e::suite::{FakeNodes, SOON, TestNamespace, in_namespace, with_fake_nodes};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::stage::{edit, make, merged, patch_by_hand, provider, reason, sandbox, unschedulable};

const POD: &str = "a-sandbox";

/// Runs a test in a namespace where the sandbox of the Agent `a`, made from the Sandbox `box`, runs.
async fn with_sandbox(name: &str, test: impl AsyncFnOnce(&TestNamespace, DynamicObject)) {
    with_fake_nodes(1, async |nodes: &FakeNodes| {
        in_namespace(name, async |namespace| {
            make(&namespace, &provider("p")).await;
            let template = json!({"spec": {"podTemplate": nodes.placement()}});
            make(&namespace, &merged(sandbox("box"), template)).await;
            make(&namespace, &unschedulable("a", "box")).await;
            let pod = running(&namespace, None).await;
            test(&namespace, pod).await;
        })
        .await;
    })
    .await;
}

/// Waits until another Pod than `before` runs and the Agent says so.
async fn running(namespace: &TestNamespace, before: Option<&DynamicObject>) -> DynamicObject {
    let before = before.map(uid);
    let pod = namespace
        .eventually(&format!("another Pod than {before:?} runs"), SOON, async || {
            let pod = namespace.find("Pod", POD).await.ok_or("no Pod")?;
            let runs = pod.metadata.deletion_timestamp.is_none() && pod.data["status"]["phase"] == "Running";
            if runs && Some(uid(&pod)) != before {
                Ok(pod)
            } else {
                Err(format!("{} {}", uid(&pod), pod.data["status"]))
            }
        })
        .await;
    reason(namespace, "a", "SandboxReady", "Running").await;
    pod
}

fn uid(pod: &DynamicObject) -> String {
    pod.metadata.uid.clone().expect("a UID")
}

async fn set(namespace: &TestNamespace, spec: Value) {
    edit(namespace, "Sandbox", "box", &json!({"spec": spec})).await.expect("an edit");
}

/// Waits until the rejection is told everywhere.
async fn rejected(namespace: &TestNamespace) {
    let told = reason(namespace, "a", "SandboxReady", "ReplacementRejected").await;
    let words = "RuntimeClass \"gvisro\" not found";
    assert!(told.status == "True" && told.message.contains(words), "{told:?}");
    assert!(told.message.contains("spec.runtimeClassName changed"), "{told:?}");
    let of_sandbox =
        |found: &e2e::suite::Condition| found.reason == "ReplacementRejected" && found.message.contains(words);
    namespace.condition("Sandbox", "box", "Ready", SOON, of_sandbox).await;
}

#[tokio::test]
async fn a_sandbox_that_runs_stays_while_the_api_server_rejects_its_replacement() {
    with_sandbox("replacement", async |namespace, before| {
        for rotation in ["Recreate", "WhenIdle"] {
            set(namespace, json!({"rotation": rotation, "runtimeClassName": "gvisro"})).await;
            rejected(namespace).await;
            let pod = namespace.get("Pod", POD).await;
            assert_eq!(uid(&pod), uid(&before), "{rotation}");
            assert!(pod.metadata.deletion_timestamp.is_none(), "{rotation}");
            let annotations = pod.metadata.annotations.unwrap_or_default();
            assert!(!annotations.contains_key("creel.dev/drain"), "{rotation}: {annotations:?}");
            set(namespace, json!({"runtimeClassName": null})).await;
            reason(namespace, "a", "SandboxReady", "Running").await;
            assert_eq!(uid(&namespace.get("Pod", POD).await), uid(&before), "nothing is to be replaced any more");
        }
        set(namespace, json!({"rotation": "Recreate", "runtimeClassName": "gvisro"})).await;
        rejected(namespace).await;
        set(namespace, json!({"runtimeClassName": null, "image": "localhost/nothing:2"})).await;
        let after = running(namespace, Some(&before)).await;
        let images = after.data["spec"]["containers"].as_array().into_iter().flatten().map(|of| of["image"].clone());
        assert_eq!(images.collect::<Vec<_>>(), ["localhost/nothing:2"]);
    })
    .await;
}

#[tokio::test]
async fn a_full_quota_does_not_keep_a_sandbox_from_being_replaced() {
    with_sandbox("quota", async |namespace, before| {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "two"},
            "spec": {"hard": {"pods": "2"}}});
        make(namespace, &quota).await;
        // Of the gateway and of the sandbox.
        let full = async || {
            let status = namespace.get("ResourceQuota", "two").await.data["status"].clone();
            if status["used"]["pods"] == "2" { Ok(()) } else { Err(status.to_string()) }
        };
        namespace.eventually("the quota is full", SOON, full).await;
        set(namespace, json!({"image": "localhost/nothing:2"})).await;
        running(namespace, Some(&before)).await;
    })
    .await;
}

#[tokio::test]
async fn an_image_that_somebody_sets_in_a_running_sandbox_makes_way_for_the_right_one() {
    with_sandbox("images", async |namespace, before| {
        let entries = before.metadata.managed_fields.clone().unwrap_or_default();
        let of_creel = entries.iter().filter(|entry| entry.manager.as_deref() == Some("creel/sandbox"));
        let mut fields = of_creel.filter_map(|entry| entry.fields_v1.as_ref());
        let shell = "/f:spec/f:containers/k:{\"name\":\"shell\"}/f:image";
        // By this Creel knows what admission did to an image from what somebody did later.
        assert!(fields.any(|fields| fields.0.pointer(shell).is_some()), "{entries:?}");
        let edited = json!({"spec": {"containers": [{"name": "shell", "image": "localhost/another:1"}]}});
        patch_by_hand(namespace, "Pod", POD, &edited).await;
        let after = running(namespace, Some(&before)).await;
        assert_eq!(after.data["spec"]["containers"][0]["image"], "localhost/nothing:1");
    })
    .await;
}
