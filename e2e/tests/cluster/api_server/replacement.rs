//! The Pod of a sandbox or of a gateway that runs gives way to another one only where the API server takes that one. It runs on a node without
//! a machine.

use e2e::suite::{FakeNodes, SOON, TestNamespace, in_namespace, with_fake_nodes};
use kube::api::{DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};

use super::stage::{
    agent, config_name, edit, make, merged, patch_by_hand, provider, reason, said, sandbox, unschedulable,
};

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
async fn a_sandbox_that_runs_stays_while_its_replacement_could_not_mount_something() {
    with_sandbox("mounting", async |namespace, before| {
        let login = json!([{"mountPath": "/login", "secretRef": {"name": "login"}}]);
        let nas = json!([{"mountPath": "/data", "persistentVolumeClaim": {"claimName": "nas"}}]);
        for (field, mounts, why, object) in [
            ("files", login, "SecretNotFound", "Secret \"login\" does not exist (spec.files[/login].secretRef of Sandbox \"box\"): create it"),
            ("volumes", nas, "ClaimNotFound", "PersistentVolumeClaim \"nas\" does not exist (spec.volumes[/data].persistentVolumeClaim of Sandbox \"box\"): create it"),
        ] {
            set(namespace, json!({field: mounts})).await;
            let told = reason(namespace, "a", "SandboxReady", why).await;
            assert!(told.status == "False" && told.message.contains(object), "{told:?}");
            assert!(told.message.contains("keeps running"), "{told:?}");
            namespace.condition("Sandbox", "box", "Ready", SOON, |found| found.message.contains(object)).await;
            assert_eq!(uid(&namespace.get("Pod", POD).await), uid(&before));
            set(namespace, json!({field: null})).await;
            reason(namespace, "a", "SandboxReady", "Running").await;
        }
        for (account, words) in [("nobody", "serviceaccount \"nobody\" not found"), ("theirs", "admissionPolicies.serviceAccounts")] {
            make(namespace, &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "theirs"}})).await;
            set(namespace, json!({"serviceAccountName": account})).await;
            let rejected = |found: &e2e::suite::Condition| found.reason == "ReplacementRejected" && found.message.contains(words);
            namespace.condition("Agent", "a", "SandboxReady", SOON, rejected).await;
            assert_eq!(uid(&namespace.get("Pod", POD).await), uid(&before), "{account}");
            namespace.delete("ServiceAccount", "theirs").await;
        }
        set(namespace, json!({"serviceAccountName": null})).await;
        reason(namespace, "a", "SandboxReady", "Running").await;

        set(namespace, json!({"files": [{"mountPath": "/login", "secretRef": {"name": "login"}}]})).await;
        reason(namespace, "a", "SandboxReady", "SecretNotFound").await;
        let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"token": value}});
        make(namespace, &secret("one")).await;
        let pod = running(namespace, Some(&before)).await;
        let version = |pod: &DynamicObject| pod.metadata.annotations.as_ref().and_then(|all| all.get("creel.dev/files").cloned());
        assert!(version(&pod).is_some());
        namespace.merge("Secret", "login", &json!({"stringData": {"token": "two"}})).await;
        let synced = async || {
            let now = namespace.get("Pod", POD).await;
            if version(&now) == version(&pod) { Err(format!("{:?}", version(&now))) } else { Ok(uid(&now)) }
        };
        let now = namespace.eventually("the kubelet is told of the new files", SOON, synced).await;
        assert_eq!(now, uid(&pod), "the Pod stays");
        namespace.delete("Secret", "login").await;
        let told = |found: &e2e::suite::Condition| found.status == "True" && found.message.contains("Secret \"login\" does not exist");
        namespace.condition("Agent", "a", "SandboxReady", SOON, told).await;
        assert_eq!(uid(&namespace.get("Pod", POD).await), uid(&pod), "nothing that runs is broken");
    })
    .await;
}

#[tokio::test]
async fn a_home_is_kept_by_its_agent_and_outlives_it() {
    with_sandbox("homely", async |namespace, before| {
        set(namespace, json!({"home": {"size": "1Gi", "storageClassName": "no-such-class"}})).await;
        let claim = namespace.eventually("the claim is there", SOON, async || {
            namespace.find("PersistentVolumeClaim", "a-home").await.ok_or_else(|| "it is not".to_owned())
        });
        let claim = claim.await;
        assert_eq!(claim.metadata.owner_references, None, "it outlives its Agent");
        let replaced = async || match namespace.find("Pod", POD).await {
            Some(pod) if uid(&pod) != uid(&before) => Ok(pod),
            other => Err(format!("{:?}", other.map(|pod| uid(&pod)))),
        };
        namespace.eventually("another Pod mounts it", SOON, replaced).await;
        set(namespace, json!({"home": null})).await;
        running(namespace, Some(&before)).await;
        let kept = namespace.get("PersistentVolumeClaim", "a-home").await;
        assert_eq!(uid(&kept), uid(&claim), "a home that is not used is kept");
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

/// Runs a test in a namespace where the gateway of the Agent `a` runs.
async fn with_gateway(name: &str, test: impl AsyncFnOnce(&TestNamespace, DynamicObject)) {
    with_fake_nodes(1, async |nodes: &FakeNodes| {
        in_namespace(name, async |namespace| {
            make(&namespace, &provider("p")).await;
            let template = json!({"spec": {"gateway": {"podTemplate": nodes.placement()}}});
            make(&namespace, &merged(agent("a"), template)).await;
            let pod = gateway_runs(&namespace, None).await;
            test(&namespace, pod).await;
        })
        .await;
    })
    .await;
}

/// Waits until another Pod of the gateway than `before` runs, alone.
async fn gateway_runs(namespace: &TestNamespace, before: Option<&DynamicObject>) -> DynamicObject {
    let before = before.map(uid);
    let selector = ListParams::default().labels("creel.dev/gateway=a,app.kubernetes.io/component=gateway");
    namespace
        .eventually(&format!("another gateway than {before:?} runs"), SOON, async || {
            let listed = namespace.api("Pod").list(&selector).await.map_err(|error| error.to_string())?;
            let seen: Vec<_> = listed.items.iter().map(|pod| (uid(pod), pod.data["status"]["phase"].clone())).collect();
            match <[DynamicObject; 1]>::try_from(listed.items) {
                Ok([pod]) if pod.data["status"]["phase"] == "Running" && Some(uid(&pod)) != before => Ok(pod),
                _ => Err(format!("{seen:?}")),
            }
        })
        .await
}

async fn set_gateway(namespace: &TestNamespace, gateway: Value) {
    edit(namespace, "Agent", "a", &json!({"spec": {"gateway": gateway}})).await.expect("an edit");
}

/// Waits until the Agent says that the API server rejects the next Pod of its gateway, and why.
async fn gateway_rejected(namespace: &TestNamespace, words: &str, changed: &str) {
    for (condition, status) in [("GatewayReady", "True"), ("Stalled", "True"), ("Ready", "False")] {
        let told = |found: &e2e::suite::Condition| {
            found.reason == "ReplacementRejected"
                && found.status == status
                && [words, changed].iter().all(|words| found.message.contains(words))
        };
        namespace.condition("Agent", "a", condition, SOON, told).await;
    }
}

#[tokio::test]
async fn a_gateway_that_runs_stays_while_the_api_server_rejects_its_replacement_and_what_needs_none_goes_on() {
    with_gateway("held", async |namespace, before| {
        set_gateway(namespace, json!({"podTemplate": {"priorityClassName": "hgih"}})).await;
        gateway_rejected(namespace, "hgih", "spec.gateway.podTemplate changed").await;
        let large = json!({"spec": {"model": {"primary": {"model": "large"}}}});
        edit(namespace, "Agent", "a", &large).await.expect("an edit");
        let config = config_name(namespace).await;
        namespace
            .eventually("the configuration follows", SOON, async || {
                let text = namespace.get("ConfigMap", &config).await.data["data"]["openclaw.json"].to_string();
                if text.contains("p-p/large") { Ok(()) } else { Err(text) }
            })
            .await;
        gateway_rejected(namespace, "hgih", "spec.gateway.podTemplate changed").await;
        assert_eq!(uid(&gateway_runs(namespace, None).await), uid(&before), "the Pod that ran stays");
        set_gateway(namespace, json!({"podTemplate": {"priorityClassName": null}})).await;
        reason(namespace, "a", "GatewayReady", "Ready").await;
        assert_eq!(uid(&gateway_runs(namespace, None).await), uid(&before), "nothing is to be replaced any more");
    })
    .await;
}

#[tokio::test]
async fn a_gateway_whose_replacement_a_limit_range_rejects_is_replaced_once_the_limit_is_gone() {
    with_gateway("limits", async |namespace, before| {
        let range = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"},
            "spec": {"limits": [{"type": "Container", "max": {"memory": "3Gi"}}]}});
        make(namespace, &range).await;
        let container = json!({"name": "c", "image": "none:1", "resources": {"limits": {"memory": "4Gi"}},
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}});
        let confined = json!({"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "large"},
            "spec": {"securityContext": confined, "containers": [container]}});
        let pod: DynamicObject = serde_json::from_value(pod).expect("a Pod");
        let params = PostParams { dry_run: true, ..PostParams::default() };
        // Admission knows it a moment after the API server has stored it.
        let known = async || match namespace.api("Pod").create(&params, &pod).await {
            Err(error) if said(&error).contains("maximum memory usage") => Ok(()),
            answered => Err(format!("{answered:?}")),
        };
        namespace.eventually("the limit is in force", SOON, known).await;
        set_gateway(namespace, json!({"resources": {"limits": {"memory": "4Gi"}}})).await;
        gateway_rejected(namespace, "maximum memory usage", "spec.gateway.resources changed").await;
        assert_eq!(uid(&gateway_runs(namespace, None).await), uid(&before), "the Pod that ran stays");
        namespace.delete("LimitRange", "small").await;
        let after = gateway_runs(namespace, Some(&before)).await;
        assert_eq!(after.data["spec"]["containers"][0]["resources"]["limits"]["memory"], "4Gi");
    })
    .await;
}

#[tokio::test]
async fn a_full_quota_does_not_keep_a_gateway_from_being_replaced() {
    with_gateway("quota-gateway", async |namespace, before| {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "one"},
            "spec": {"hard": {"pods": "1"}}});
        make(namespace, &quota).await;
        let full = async || {
            let status = namespace.get("ResourceQuota", "one").await.data["status"].clone();
            if status["used"]["pods"] == "1" { Ok(()) } else { Err(status.to_string()) }
        };
        namespace.eventually("the quota is full", SOON, full).await;
        set_gateway(namespace, json!({"env": [{"name": "TZ", "value": "Europe/Paris"}]})).await;
        gateway_runs(namespace, Some(&before)).await;
    })
    .await;
}
