//! Children edited or deleted by hand are put back; what is none of Creel's business stays.

use e2e::suite::{FENCE, SOON, TestNamespace, in_namespace};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::stage::{
    config_name, edit, make, patch_by_hand, provider, reason, resting, sandbox, uid, unschedulable, with_children,
};

/// What people may not change.
const CHILDREN: [(&str, &str); 5] = [
    ("ServiceAccount", "a-gateway"),
    ("NetworkPolicy", "a-gateway"),
    ("PersistentVolumeClaim", "a-claim"),
    ("Service", "a-gateway"),
    ("Deployment", "a-gateway"),
];

/// The parts of an object that somebody decided on.
fn decided(object: &DynamicObject) -> Value {
    let mut data = object.data.clone();
    if let Some(data) = data.as_object_mut() {
        data.remove("status");
    }
    json!({"labels": object.metadata.labels, "annotations": ours(object), "data": data})
}

/// Annotations without those that controllers of Kubernetes add.
fn ours(object: &DynamicObject) -> Value {
    let annotations = object.metadata.annotations.iter().flatten().filter(|(key, _)| key.starts_with("creel.dev/"));
    annotations.map(|(key, value)| (key.clone(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

/// Waits until the child is as it was.
async fn is_put_back(namespace: &TestNamespace, kind: &str, name: &str, before: &Value, what: &str) {
    namespace
        .eventually(&format!("{kind} {name} is as before: {what}"), SOON, async || {
            match namespace.find(kind, name).await {
                Some(object) if decided(&object) == *before => Ok(()),
                Some(object) => Err(format!("{}\ninstead of\n{before}", decided(&object))),
                None => Err("it is not there".to_owned()),
            }
        })
        .await;
}

/// Makes each edit by hand and waits until it is undone.
async fn edits_are_undone(namespace: &TestNamespace, kind: &str, name: &str, edits: &[(&str, Value)]) {
    let before = decided(&namespace.get(kind, name).await);
    for (what, change) in edits {
        patch_by_hand(namespace, kind, name, change).await;
        is_put_back(namespace, kind, name, &before, what).await;
    }
}

/// The same, each edit on the object of another Agent: the repair of one that is edited too often waits.
async fn edits_of_each_are_undone(namespace: &TestNamespace, kind: &str, edits: &[(&str, Value)]) {
    make(namespace, &provider("p")).await;
    let agents: Vec<String> = (0..edits.len()).map(|number| format!("a{number}")).collect();
    for agent in &agents {
        make(namespace, &resting(agent)).await;
    }
    for agent in &agents {
        namespace
            .eventually("the Deployment is there", SOON, async || {
                let deployment = namespace.find("Deployment", &format!("{agent}-gateway")).await;
                deployment.map(|_| ()).ok_or("no Deployment".to_owned())
            })
            .await;
    }
    for (agent, edit) in agents.iter().zip(edits) {
        edits_are_undone(namespace, kind, &format!("{agent}-gateway"), std::slice::from_ref(edit)).await;
    }
}

fn pod(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

fn gateway(container: Value) -> Value {
    let mut container = container;
    container["name"] = json!("gateway");
    pod(json!({"containers": [container]}))
}

#[tokio::test]
async fn values_of_a_deployment_changed_by_hand_are_put_back() {
    in_namespace("drift-values", async |namespace| {
        let edits = [
            ("the image", gateway(json!({"image": "evil.example/openclaw:1"}))),
            ("the command", gateway(json!({"command": ["sh"]}))),
            ("a variable", gateway(json!({"env": [{"name": "HOME", "value": "/root"}]}))),
            ("the user", pod(json!({"securityContext": {"runAsUser": 0, "runAsNonRoot": false}}))),
            ("privileged", gateway(json!({"securityContext": {"allowPrivilegeEscalation": true, "privileged": true}}))),
            ("the service account", pod(json!({"serviceAccountName": "default"}))),
            ("the API token", pod(json!({"automountServiceAccountToken": true}))),
            ("the strategy", json!({"spec": {"strategy": {"type": "RollingUpdate"}}})),
            ("a label", json!({"metadata": {"labels": {"app.kubernetes.io/component": "other"}}})),
            ("the label of its Agent", json!({"metadata": {"labels": {"creel.dev/gateway": "other"}}})),
            (
                "the label that the cache selects",
                json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}}),
            ),
            ("a note of Creel's", json!({"metadata": {"annotations": {"creel.dev/rendering": "0"}}})),
        ];
        edits_of_each_are_undone(&namespace, "Deployment", &edits).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_added_to_a_deployment_by_hand_is_taken_out() {
    in_namespace("drift-added", async |namespace| {
        let spy = json!({"name": "spy", "image": "evil.example/spy:1"});
        let claim = json!({"mountPath": "/spy", "name": "claim"});
        let edits = [
            ("a container", pod(json!({"containers": [spy]}))),
            ("an init container", pod(json!({"initContainers": [spy]}))),
            ("a variable", gateway(json!({"env": [{"name": "EVIL", "value": "1"}]}))),
            ("envFrom", gateway(json!({"envFrom": [{"secretRef": {"name": "a-secret"}}]}))),
            ("a volume", pod(json!({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}))),
            ("a mount", gateway(json!({"volumeMounts": [claim]}))),
            ("the host's network", pod(json!({"hostNetwork": true}))),
            ("the host's processes", pod(json!({"hostPID": true}))),
            ("a capability", gateway(json!({"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}))),
            ("a supplemental group", pod(json!({"securityContext": {"supplementalGroups": [0]}}))),
            ("a lifecycle hook", gateway(json!({"lifecycle": {"postStart": {"exec": {"command": ["sh"]}}}}))),
            ("a node", pod(json!({"nodeName": "creel-e2e"}))),
        ];
        edits_of_each_are_undone(&namespace, "Deployment", &edits).await;
    })
    .await;
}

#[tokio::test]
async fn a_network_policy_edited_by_hand_is_put_back() {
    in_namespace("drift-policy", async |namespace| {
        let edits = [
            ("an egress rule", json!({"spec": {"egress": [{}]}})),
            ("an ingress rule", json!({"spec": {"ingress": [{}]}})),
            ("no ingress rule", json!({"spec": {"ingress": null}})),
            ("the types", json!({"spec": {"policyTypes": ["Ingress"]}})),
            ("the Pods", json!({"spec": {"podSelector": {"matchLabels": {"other": "pods"}}}})),
        ];
        edits_of_each_are_undone(&namespace, "NetworkPolicy", &edits).await;
    })
    .await;
}

/// Applies the change with force as whom Creel's own field manager is called: managedFields tell nothing of it.
async fn apply_in_our_name(namespace: &TestNamespace, change: &Value) {
    let params = PatchParams::apply("creel/agent").force();
    let (kind, name) = (change["kind"].as_str().expect("a kind"), change["metadata"]["name"].as_str().expect("a name"));
    namespace.api(kind).patch(name, &params, &Patch::Apply(change)).await.expect(kind);
}

#[tokio::test]
async fn an_edit_in_the_name_of_creel_is_put_back() {
    in_namespace("drift-name", async |namespace| {
        with_children(&namespace, json!({})).await;
        for (kind, name, path) in [
            ("NetworkPolicy", "a-gateway", "/spec/egress"),
            ("Service", "a-gateway", "/spec/selector"),
            ("Deployment", "a-gateway", "/spec/template/spec/containers/0/image"),
        ] {
            let live = namespace.get(kind, name).await;
            let before = decided(&live);
            let metadata = json!({"name": name, "labels": live.metadata.labels, "annotations": ours(&live),
                "ownerReferences": live.metadata.owner_references});
            let mut change = live.data.clone();
            let types = live.types.expect("types");
            change["apiVersion"] = json!(types.api_version);
            change["kind"] = json!(kind);
            change["metadata"] = metadata;
            change.as_object_mut().expect("an object").remove("status");
            let edited = match path {
                "/spec/egress" => json!([{}]),
                "/spec/selector" => json!({"app": "mine"}),
                _ => json!("evil.example/openclaw:1"),
            };
            *change.pointer_mut(path).expect(path) = edited;
            apply_in_our_name(&namespace, &change).await;
            is_put_back(&namespace, kind, name, &before, "in our name").await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_fence_edited_or_deleted_by_hand_is_put_back() {
    let label = |name: &str, value: &str| json!({"metadata": {"labels": {name: value}}});
    let edits = [
        ("an egress rule", json!({"spec": {"egress": [{}]}})),
        ("an ingress rule", json!({"spec": {"ingress": [{}]}})),
        ("the types", json!({"spec": {"policyTypes": ["Ingress"]}})),
        ("fewer Pods", json!({"spec": {"podSelector": {"matchLabels": {"other": "pods"}}}})),
        ("other Pods", json!({"spec": {"podSelector": {"matchExpressions": null}}})),
        ("a label", label("app.kubernetes.io/component", "other")),
        ("the label that the cache selects", label("app.kubernetes.io/managed-by", "me")),
    ];
    // The repair of one that is edited too often waits.
    for edits in edits.chunks(3) {
        in_namespace("drift-fence", async |namespace| {
            with_children(&namespace, json!({})).await;
            edits_are_undone(&namespace, "NetworkPolicy", FENCE, edits).await;
        })
        .await;
    }
    in_namespace("drift-fence", async |namespace| {
        with_children(&namespace, json!({})).await;
        let before = decided(&namespace.get("NetworkPolicy", FENCE).await);
        namespace
            .api("NetworkPolicy")
            .delete(FENCE, &kube::api::DeleteParams::default())
            .await
            .expect("a fence can be deleted");
        is_put_back(&namespace, "NetworkPolicy", FENCE, &before, "deleted").await;
    })
    .await;
}

#[tokio::test]
async fn a_gateway_whose_policy_somebody_keeps_changing_is_stopped_until_that_ends_or_the_agent_is_edited() {
    in_namespace("drift-stopped", async |namespace| {
        make(&namespace, &provider("p")).await;
        make(&namespace, &sandbox("box")).await;
        make(&namespace, &unschedulable("a", "box")).await;
        reason(&namespace, "a", "GatewayReady", "Unschedulable").await;
        let before = decided(&namespace.get("NetworkPolicy", "a-gateway").await);
        let wants = async |replicas: u64| {
            let look = async || {
                let spec = namespace.get("Deployment", "a-gateway").await.data["spec"].clone();
                if spec["replicas"] == replicas { Ok(()) } else { Err(spec["replicas"].to_string()) }
            };
            namespace.eventually(&format!("{replicas} Pods are wanted"), SOON, look).await;
        };
        for _ in 0..4 {
            patch_by_hand(&namespace, "NetworkPolicy", "a-gateway", &json!({"spec": {"egress": [{}]}})).await;
            is_put_back(&namespace, "NetworkPolicy", "a-gateway", &before, "an egress rule").await;
        }
        wants(0).await;
        for condition in ["Stalled", "GatewayReady"] {
            let told = reason(&namespace, "a", condition, "Contested").await;
            let names = ["\"kubectl-edit\"", "NetworkPolicy \"a-gateway\""];
            assert!(names.iter().all(|name| told.message.contains(name)), "{}", told.message);
        }
        let large = json!({"spec": {"model": {"primary": {"model": "large"}}}});
        edit(&namespace, "Agent", "a", &large).await.expect("an edit");
        wants(1).await;
    })
    .await;
}

#[tokio::test]
async fn a_service_edited_by_hand_is_put_back() {
    in_namespace("drift-service", async |namespace| {
        let edits = [
            ("a port", json!({"spec": {"ports": [{"name": "more", "port": 22}]}})),
            ("a selector", json!({"spec": {"selector": {"more": "labels"}}})),
            ("another gateway", json!({"spec": {"selector": {"creel.dev/gateway": "b"}}})),
            ("an external address", json!({"spec": {"externalIPs": ["203.0.113.1"]}})),
            ("the type", json!({"spec": {"type": "NodePort"}})),
        ];
        edits_of_each_are_undone(&namespace, "Service", &edits).await;
    })
    .await;
}

#[tokio::test]
async fn a_deployment_that_somebody_keeps_changing_is_told_with_the_manager_and_repaired_ever_more_slowly() {
    in_namespace("drift-contested", async |namespace| {
        with_children(&namespace, json!({})).await;
        let before = decided(&namespace.get("Deployment", "a-gateway").await);
        let reloaded = |value: &str| gateway(json!({"env": [{"name": "RELOADED", "value": value}]}));
        for value in ["1", "2", "3"] {
            patch_by_hand(&namespace, "Deployment", "a-gateway", &reloaded(value)).await;
            is_put_back(&namespace, "Deployment", "a-gateway", &before, "a variable").await;
        }
        patch_by_hand(&namespace, "Deployment", "a-gateway", &reloaded("4")).await;
        let stalled = reason(&namespace, "a", "Stalled", "Contested").await;
        assert_eq!(stalled.status, "True");
        let names = ["\"kubectl-edit\"", "Deployment \"a-gateway\""];
        assert!(names.iter().all(|name| stalled.message.contains(name)), "{}", stalled.message);
        is_put_back(&namespace, "Deployment", "a-gateway", &before, "a variable, after a while").await;
    })
    .await;
}

#[tokio::test]
async fn a_configuration_edited_by_hand_is_put_back() {
    in_namespace("drift-config", async |namespace| {
        with_children(&namespace, json!({})).await;
        let name = config_name(&namespace).await;
        let edits = [
            ("its text", json!({"data": {"openclaw.json": "{}"}})),
            ("no text", json!({"data": {"openclaw.json": null}})),
            ("keys", json!({"data": {"more.json": "{}"}, "binaryData": {"more": "AAAA"}})),
        ];
        edits_are_undone(&namespace, "ConfigMap", &name, &edits).await;
    })
    .await;
}

#[tokio::test]
async fn an_account_and_the_labels_of_a_claim_edited_by_hand_are_put_back() {
    in_namespace("drift-labels", async |namespace| {
        with_children(&namespace, json!({})).await;
        let token = [("the API token", json!({"automountServiceAccountToken": true}))];
        edits_are_undone(&namespace, "ServiceAccount", "a-gateway", &token).await;
        let label = [("a label", json!({"metadata": {"labels": {"app.kubernetes.io/component": "other"}}}))];
        for (kind, name) in CHILDREN {
            edits_are_undone(&namespace, kind, name, &label).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_child_deleted_by_hand_is_made_again() {
    in_namespace("drift-deleted", async |namespace| {
        with_children(&namespace, json!({})).await;
        let config = config_name(&namespace).await;
        let children = CHILDREN.iter().filter(|(kind, _)| *kind != "Service").copied();
        for (kind, name) in children.chain([("ConfigMap", config.as_str())]) {
            let (before, old) = (decided(&namespace.get(kind, name).await), uid(&namespace, kind, name).await);
            namespace.api(kind).delete(name, &kube::api::DeleteParams::default()).await.expect(kind);
            namespace
                .eventually(&format!("another {kind} {name}"), SOON, async || match namespace.find(kind, name).await {
                    Some(object) if object.metadata.uid.as_deref() != Some(&old) => Ok(()),
                    other => Err(format!("{:?}", other.map(|object| object.metadata))),
                })
                .await;
            if kind != "PersistentVolumeClaim" {
                is_put_back(&namespace, kind, name, &before, "deleted").await;
            }
        }
        // A new Service has a new address: only what Creel decides is compared.
        let ports = namespace.get("Service", "a-gateway").await.data["spec"]["ports"].clone();
        namespace.api("Service").delete("a-gateway", &kube::api::DeleteParams::default()).await.expect("Service");
        namespace
            .eventually("another Service", SOON, async || {
                let service = namespace.find("Service", "a-gateway").await.ok_or("none")?;
                if service.data["spec"]["ports"] == ports { Ok(()) } else { Err(service.data.to_string()) }
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn foreign_labels_and_annotations_stay_and_a_rollout_restart_is_kept() {
    in_namespace("drift-foreign", async |namespace| {
        with_children(&namespace, json!({})).await;
        let foreign = json!({"metadata": {"labels": {"team": "blue"}, "annotations": {"example.org/note": "mine"}}});
        for (kind, name) in CHILDREN {
            patch_by_hand(&namespace, kind, name, &foreign).await;
        }
        let cluster = e2e::cluster::Cluster::open().await.expect("a cluster");
        let restart = ["--namespace", &namespace.name, "rollout", "restart", "deployment/a-gateway"];
        e2e::kubectl::run(cluster.kubectl(), &restart).await.expect("kubectl rollout restart");
        // Something of ours is put back beside them.
        patch_by_hand(
            &namespace,
            "Deployment",
            "a-gateway",
            &gateway(json!({"env": [{"name": "EVIL", "value": "1"}]})),
        )
        .await;
        namespace
            .eventually("the variable is taken out", SOON, async || {
                let text = namespace.get("Deployment", "a-gateway").await.data.to_string();
                if text.contains("EVIL") { Err(text) } else { Ok(()) }
            })
            .await;
        for (kind, name) in CHILDREN {
            let metadata = namespace.get(kind, name).await.metadata;
            assert_eq!(metadata.labels.expect("labels").get("team").map(String::as_str), Some("blue"), "{kind}");
            let annotations = metadata.annotations.expect("annotations");
            assert_eq!(annotations.get("example.org/note").map(String::as_str), Some("mine"), "{kind}");
        }
        let deployment = namespace.get("Deployment", "a-gateway").await;
        let restarted =
            &deployment.data["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"];
        assert!(restarted.is_string(), "{restarted}");
    })
    .await;
}
