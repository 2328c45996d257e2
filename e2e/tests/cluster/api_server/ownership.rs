//! Whose children are whose: strangers are never taken over, a retained claim is taken up again, the rest goes with its Agent.

use std::collections::BTreeMap;

use e2e::suite::{FENCE, SOON, TestNamespace, in_namespace};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use super::stage::{
    config_name, edit, make, merged, provider, reason, resting, sandbox, try_make, uid, unschedulable, with_children,
};

/// An object of somebody else under the name that Creel needs.
fn stranger(kind: &str, name: &str) -> Value {
    let metadata = json!({"name": name, "labels": {"whose": "mine"}});
    let pod =
        json!({"metadata": {"labels": {"app": "mine"}}, "spec": {"containers": [{"name": "c", "image": "none:1"}]}});
    let rest = match kind {
        "Deployment" => json!({"apiVersion": "apps/v1", "spec": {"replicas": 0,
            "selector": {"matchLabels": {"app": "mine"}}, "template": pod}}),
        "NetworkPolicy" => json!({"apiVersion": "networking.k8s.io/v1", "spec": {"podSelector": {}}}),
        "Ingress" => json!({"apiVersion": "networking.k8s.io/v1",
            "spec": {"defaultBackend": {"service": {"name": "mine", "port": {"number": 80}}}}}),
        "Service" => json!({"apiVersion": "v1", "spec": {"ports": [{"port": 80}]}}),
        "PersistentVolumeClaim" => json!({"apiVersion": "v1", "spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}}),
        _ => json!({"apiVersion": "v1"}),
    };
    merged(json!({"kind": kind, "metadata": metadata}), rest)
}

/// The Agent says whose name is taken, and goes on once it is free.
async fn is_never_taken_over(kind: &str, name: &str) {
    let test = format!("taken-{}", kind.to_lowercase());
    in_namespace(&test, async |namespace| {
        let before = make(&namespace, &stranger(kind, name)).await;
        make(&namespace, &provider("p")).await;
        make(&namespace, &resting("a")).await;
        let taken = reason(&namespace, "a", "Stalled", "NameConflict").await;
        assert!(taken.message.contains(&format!("{kind} \"{name}\"")), "{}", taken.message);
        assert_eq!(taken.status, "True");
        let ready = reason(&namespace, "a", "Ready", "NameConflict").await;
        assert_eq!(ready.status, "False");
        let now = namespace.get(kind, name).await;
        let managers = now.metadata.managed_fields.iter().flatten().filter_map(|entry| entry.manager.as_deref());
        assert!(
            managers.into_iter().all(|manager| !manager.starts_with("creel")),
            "it was written to: {:?}",
            now.metadata
        );
        assert_eq!((&now.metadata.labels, &now.data["spec"]), (&before.metadata.labels, &before.data["spec"]));
        namespace.delete(kind, name).await;
        // What is not ours is not watched, so that memory stays flat; an edit makes the operator look at once.
        namespace.annotate("Agent", "a", "example.org/look", Some("again")).await;
        reason(&namespace, "a", "Ready", "Suspended").await;
        assert!(namespace.find(kind, name).await.is_some(), "Creel's own is made");
    })
    .await;
}

#[tokio::test]
async fn a_deployment_of_somebody_else_is_never_taken_over() {
    is_never_taken_over("Deployment", "a-gateway").await;
}

#[tokio::test]
async fn a_service_of_somebody_else_is_never_taken_over() {
    is_never_taken_over("Service", "a-gateway").await;
}

#[tokio::test]
async fn a_service_account_of_somebody_else_is_never_taken_over() {
    is_never_taken_over("ServiceAccount", "a-gateway").await;
}

#[tokio::test]
async fn a_network_policy_of_somebody_else_is_never_taken_over() {
    is_never_taken_over("NetworkPolicy", "a-gateway").await;
}

#[tokio::test]
async fn a_fence_of_somebody_else_is_never_taken_over() {
    is_never_taken_over("NetworkPolicy", FENCE).await;
}

#[tokio::test]
async fn a_claim_of_somebody_else_is_never_taken_over() {
    is_never_taken_over("PersistentVolumeClaim", "a-claim").await;
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_never_taken_over() {
    is_never_taken_over("Secret", "a-secret").await;
}

#[tokio::test]
async fn an_ingress_of_somebody_else_is_never_taken_over() {
    in_namespace("taken-ingress", async |namespace| {
        let before = make(&namespace, &stranger("Ingress", "a-gateway")).await;
        let exposure = json!({"host": "claw.example.com", "ingress": {}});
        with_children(&namespace, json!({"gateway": {"exposure": exposure}})).await;
        let taken = reason(&namespace, "a", "Exposed", "NameConflict").await;
        assert!(taken.message.contains("Ingress \"a-gateway\""), "{}", taken.message);
        let now = namespace.get("Ingress", "a-gateway").await;
        assert_eq!(now.metadata.resource_version, before.metadata.resource_version, "it was written to");
        edit(&namespace, "Agent", "a", &json!({"spec": {"gateway": {"exposure": null}}}))
            .await
            .expect("it is accepted");
        reason(&namespace, "a", "Ready", "Suspended").await;
        let now = namespace.get("Ingress", "a-gateway").await;
        assert_eq!(now.metadata.resource_version, before.metadata.resource_version, "it was written to");
    })
    .await;
}

#[tokio::test]
async fn a_config_map_of_somebody_else_is_neither_taken_over_nor_deleted() {
    in_namespace("taken-configmap", async |namespace| {
        with_children(&namespace, json!({})).await;
        let name = config_name(&namespace).await;
        namespace.annotate("Agent", "a", "creel.dev/paused", Some("true")).await;
        reason(&namespace, "a", "GatewayReady", "Paused").await;
        let labels = namespace.get("ConfigMap", &name).await.metadata.labels;
        namespace.delete("ConfigMap", &name).await;
        let strangers = [
            make(&namespace, &stranger("ConfigMap", &name)).await,
            // Labels alone make nothing ours: this one was copied.
            make(&namespace, &merged(stranger("ConfigMap", "copy"), json!({"metadata": {"labels": labels}}))).await,
        ];
        namespace.annotate("Agent", "a", "creel.dev/paused", None).await;
        let taken = reason(&namespace, "a", "Stalled", "NameConflict").await;
        assert!(taken.message.contains(&format!("ConfigMap \"{name}\"")), "{}", taken.message);
        namespace.delete("ConfigMap", &name).await;
        namespace.annotate("Agent", "a", "example.org/look", Some("again")).await;
        reason(&namespace, "a", "Stalled", "AsExpected").await;
        let copy = namespace.get("ConfigMap", "copy").await;
        assert_eq!(copy.metadata.resource_version, strangers[1].metadata.resource_version, "the copy was written to");
    })
    .await;
}

/// Waits until the gateway's Deployment wants so many Pods.
async fn wants(namespace: &TestNamespace, replicas: u64) {
    namespace
        .eventually(&format!("{replicas} Pods are wanted"), SOON, async || {
            let spec = namespace.find("Deployment", "a-gateway").await.ok_or("no Deployment")?.data["spec"].clone();
            if spec["replicas"] == replicas { Ok(()) } else { Err(spec["replicas"].to_string()) }
        })
        .await;
}

/// What has the name of a child on which the Pods rest, and is somebody else's, stops them until it is gone.
async fn stops_the_pods(kind: &str, name: &str) {
    let test = format!("stops-{}", kind.to_lowercase());
    in_namespace(&test, async |namespace| {
        make(&namespace, &provider("p")).await;
        make(&namespace, &sandbox("box")).await;
        make(&namespace, &unschedulable("a", "box")).await;
        wants(&namespace, 1).await;
        namespace.annotate("Agent", "a", "creel.dev/paused", Some("true")).await;
        reason(&namespace, "a", "GatewayReady", "Paused").await;
        let name = if kind == "ConfigMap" { config_name(&namespace).await } else { name.to_owned() };
        // A Secret that is read while it is away is generated anew, paused or not.
        let take = async || {
            namespace.delete(kind, &name).await;
            try_make(&namespace, &stranger(kind, &name)).await
        };
        namespace.eventually(&format!("{kind} {name} is somebody else's"), SOON, take).await;
        namespace.annotate("Agent", "a", "creel.dev/paused", None).await;
        let taken = reason(&namespace, "a", "Stalled", "NameConflict").await;
        assert!(taken.message.contains(&format!("{kind} \"{name}\"")), "{}", taken.message);
        wants(&namespace, 0).await;
        namespace.delete(kind, &name).await;
        namespace.annotate("Agent", "a", "example.org/look", Some("again")).await;
        wants(&namespace, 1).await;
    })
    .await;
}

#[tokio::test]
async fn a_gateway_whose_policy_is_somebody_elses_is_stopped() {
    stops_the_pods("NetworkPolicy", "a-gateway").await;
}

#[tokio::test]
async fn a_gateway_whose_configuration_is_somebody_elses_is_stopped() {
    stops_the_pods("ConfigMap", "").await;
}

#[tokio::test]
async fn a_gateway_whose_secret_is_somebody_elses_is_stopped() {
    stops_the_pods("Secret", "a-secret").await;
}

const GOES: [(&str, &str); 5] = [
    ("Deployment", "a-gateway"),
    ("Service", "a-gateway"),
    ("ServiceAccount", "a-gateway"),
    ("NetworkPolicy", "a-gateway"),
    ("Secret", "a-secret"),
];

/// Deletes the Agent and waits until the cluster has collected what it owned.
async fn delete_agent(namespace: &TestNamespace) {
    let config = config_name(namespace).await;
    namespace.delete("Agent", "a").await;
    for (kind, name) in GOES.into_iter().chain([("ConfigMap", config.as_str())]) {
        namespace
            .eventually(&format!("{kind} {name} is collected"), SOON, async || {
                if namespace.find(kind, name).await.is_none() { Ok(()) } else { Err("it is there".to_owned()) }
            })
            .await;
    }
}

#[tokio::test]
async fn a_pod_with_the_labels_and_annotations_of_the_gateway_is_not_taken_for_it() {
    in_namespace("look-alike", async |namespace| {
        make(&namespace, &provider("p")).await;
        make(&namespace, &sandbox("box")).await;
        make(&namespace, &unschedulable("a", "box")).await;
        reason(&namespace, "a", "GatewayReady", "Unschedulable").await;
        let all = namespace.api("Pod").list(&ListParams::default().labels("creel.dev/gateway=a")).await.expect("Pods");
        let real = all.items.into_iter().next().expect("the gateway's Pod");
        // With this one the ReplicaSet would take the Pod over, and then be its controller.
        let labels: BTreeMap<_, _> =
            real.metadata.labels.into_iter().flatten().filter(|(name, _)| name != "pod-template-hash").collect();
        let metadata = json!({"name": "look-alike", "labels": labels, "annotations": real.metadata.annotations});
        let nowhere = json!({"example.com/no-such-node": "true"});
        let confined = json!({"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}});
        let container = json!({"name": "gateway", "image": "none:1",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}});
        make(
            &namespace,
            &json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"nodeSelector": nowhere, "securityContext": confined, "containers": [container]}}),
        )
        .await;
        namespace
            .eventually("the scheduler has looked at it", SOON, async || {
                let status = namespace.get("Pod", "look-alike").await.data["status"].clone();
                if status["conditions"][0]["reason"] == "Unschedulable" { Ok(()) } else { Err(status.to_string()) }
            })
            .await;
        let large = json!({"spec": {"model": {"primary": {"model": "large"}}}});
        edit(&namespace, "Agent", "a", &large).await.expect("an edit");
        let after = reason(&namespace, "a", "GatewayReady", "Unschedulable").await;
        let real = real.metadata.name.expect("a name");
        assert!(after.message.contains(&real), "{} does not name {real}", after.message);
    })
    .await;
}

#[tokio::test]
async fn a_retained_claim_survives_its_agent_and_is_taken_up_by_the_next_of_that_name() {
    in_namespace("retained", async |namespace| {
        with_children(&namespace, json!({})).await;
        let claim = uid(&namespace, "PersistentVolumeClaim", "a-claim").await;
        delete_agent(&namespace).await;
        let kept = namespace.get("PersistentVolumeClaim", "a-claim").await;
        assert_eq!((kept.metadata.uid.as_ref(), kept.metadata.deletion_timestamp), (Some(&claim), None));

        make(&namespace, &merged(resting("a"), json!({"spec": {"gateway": {"storage": {"retention": "Delete"}}}})))
            .await;
        reason(&namespace, "a", "Ready", "Suspended").await;
        let owner = uid(&namespace, "Agent", "a").await;
        namespace
            .eventually("the claim is to go with the Agent now", SOON, async || {
                let taken_up = namespace.get("PersistentVolumeClaim", "a-claim").await.metadata;
                assert_eq!(taken_up.uid.as_ref(), Some(&claim));
                let owners = taken_up.owner_references.unwrap_or_default();
                if owners.iter().any(|one| one.uid == owner) { Ok(()) } else { Err(format!("{owners:?}")) }
            })
            .await;

        // Changed back in time, it stays again.
        let retain = json!({"spec": {"gateway": {"storage": {"retention": "Retain"}}}});
        edit(&namespace, "Agent", "a", &retain).await.expect("retention is free");
        namespace
            .eventually("the claim has no owner", SOON, async || {
                let owners = namespace.get("PersistentVolumeClaim", "a-claim").await.metadata.owner_references;
                if owners.is_none() { Ok(()) } else { Err(format!("{owners:?}")) }
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_claim_with_retention_delete_goes_with_its_agent() {
    in_namespace("retention", async |namespace| {
        with_children(&namespace, json!({"gateway": {"storage": {"retention": "Delete"}}})).await;
        delete_agent(&namespace).await;
        namespace
            .eventually("the claim is collected", SOON, async || {
                let claim = namespace.find("PersistentVolumeClaim", "a-claim").await;
                claim.map_or(Ok(()), |claim| Err(format!("{:?}", claim.metadata)))
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn no_child_and_no_agent_carries_a_finalizer_of_creel() {
    in_namespace("finalizers", async |namespace| {
        with_children(&namespace, json!({})).await;
        for (kind, name) in
            GOES.into_iter().chain([("Agent", "a"), ("Provider", "p"), ("PersistentVolumeClaim", "a-claim")])
        {
            let finalizers = namespace.get(kind, name).await.metadata.finalizers.unwrap_or_default();
            let foreign = finalizers.iter().all(|finalizer| finalizer.starts_with("kubernetes.io/"));
            assert!(foreign, "{kind} {name}: {finalizers:?}");
        }
        namespace.api("Agent").delete("a", &DeleteParams::default()).await.expect("an Agent can be deleted");
        assert!(namespace.find("Agent", "a").await.is_none(), "nothing holds a deleted Agent");
    })
    .await;
}
