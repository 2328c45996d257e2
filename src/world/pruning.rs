//! What the stores keep of watched objects: anybody may put our label onto an object of a mebibyte, and what users keep in their Secrets
//! and ConfigMaps does not belong in our memory. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::ObjectMeta;

use super::proxies::ProxyPod;
use crate::kubernetes::apply::Child;
use crate::kubernetes::managed_fields;
use crate::kubernetes::observed::Observed;
use crate::naming::{
    AGENT_MANAGER, FENCE_NAME, LABEL_AGENT, LABEL_COMPONENT, LABEL_GATEWAY, LABEL_MANAGED_BY, SANDBOX, SANDBOX_MANAGER,
};

/// The group of the Agents, as owner references write it.
const GROUP: &str = "creel.dev/";

/// A child without managedFields. Of one that has our label and is none of ours only its identity is kept: that it has the name.
#[must_use]
pub fn child<K: Child>(child: K) -> Observed<K> {
    let manager = if is_sandbox(child.meta()) { SANDBOX_MANAGER } else { AGENT_MANAGER };
    let observed = Observed::new(child, manager);
    if may_be_ours::<K>(observed.object.meta()) {
        return observed;
    }
    let mut object = K::default();
    *object.meta_mut() = identity(observed.object.meta());
    Observed { object, ..observed }
}

/// A Pod; of its managedFields only who set the images of a sandbox. Of one that neither an Agent nor a `ReplicaSet` controls only its
/// identity is kept: that it runs.
#[must_use]
pub fn pod(mut pod: Pod) -> Pod {
    let entries = pod.metadata.managed_fields.take().filter(|_| is_sandbox(&pod.metadata));
    pod.metadata.managed_fields = entries.map(|entries| managed_fields::of_images(entries, SANDBOX_MANAGER));
    let is_replica = |owner: &OwnerReference| owner.kind == "ReplicaSet" && owner.api_version == "apps/v1";
    if controller(&pod.metadata).is_some_and(|owner| is_agent(owner) || is_replica(owner)) {
        return pod;
    }
    Pod { metadata: identity(&pod.metadata), ..Pod::default() }
}

/// A Pod in a namespace of proxies: its labels, and the addresses that it has.
#[must_use]
pub fn proxy(pod: Pod) -> ProxyPod {
    let labels = pod.metadata.labels.clone();
    let host_network = pod.spec.and_then(|spec| spec.host_network);
    let status = pod.status.unwrap_or_default();
    ProxyPod(Pod {
        metadata: ObjectMeta { labels, ..metadata(&pod.metadata) },
        spec: Some(PodSpec { host_network, ..PodSpec::default() }),
        status: Some(PodStatus { phase: status.phase, pod_ips: status.pod_ips, ..PodStatus::default() }),
    })
}

/// What is read of the metadata of a Secret or ConfigMap. Of labels alone each may have a mebibyte.
#[must_use]
pub fn metadata(metadata: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
        labels: labels(metadata, &[LABEL_AGENT, LABEL_GATEWAY]),
        ..ObjectMeta::default()
    }
}

/// The same, and whose it is and whether it is being deleted.
#[must_use]
pub fn identity(of: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        labels: labels(of, &[LABEL_AGENT, LABEL_COMPONENT, LABEL_GATEWAY, LABEL_MANAGED_BY]),
        owner_references: controller(of).map(|owner| vec![owner.clone()]),
        deletion_timestamp: of.deletion_timestamp.clone(),
        ..metadata(of)
    }
}

fn labels(metadata: &ObjectMeta, kept: &[&str]) -> Option<BTreeMap<String, String>> {
    let labels = metadata.labels.iter().flatten().filter(|(label, _)| kept.contains(&label.as_str()));
    let labels = labels.map(|(label, value)| (label.clone(), value.clone())).collect::<BTreeMap<_, _>>();
    (!labels.is_empty()).then_some(labels)
}

/// Whether an Agent controls it, or nobody does and it may be ours all the same: a retained claim, a fence.
fn may_be_ours<K: Child>(metadata: &ObjectMeta) -> bool {
    match controller(metadata) {
        Some(owner) => is_agent(owner),
        None => K::ADOPTABLE || metadata.name.as_deref() == Some(FENCE_NAME),
    }
}

fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

fn is_agent(owner: &OwnerReference) -> bool {
    owner.kind == "Agent" && owner.api_version.starts_with(GROUP)
}

/// Whether the object is part of a sandbox, by its label.
fn is_sandbox(metadata: &ObjectMeta) -> bool {
    metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(LABEL_COMPONENT))
        .is_some_and(|component| component == SANDBOX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
    use k8s_openapi::api::networking::v1::NetworkPolicy;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    fn object<K: DeserializeOwned>(name: &str, owner: Option<(&str, &str)>, rest: &Value) -> K {
        let owner = owner
            .map(|(api, kind)| json!([{"apiVersion": api, "kind": kind, "name": "a", "uid": "1", "controller": true}]));
        let labels = json!({"app.kubernetes.io/managed-by": "creel", "creel.dev/gateway": "a", "other": "x"});
        let metadata = json!({"name": name, "namespace": "assistants", "uid": "2", "labels": labels,
            "annotations": {"long": "x"}, "finalizers": ["a/b"], "ownerReferences": owner});
        let mut object = rest.clone();
        object["metadata"] = metadata;
        serde_json::from_value(object).unwrap()
    }

    const AGENT: Option<(&str, &str)> = Some(("creel.dev/v1alpha1", "Agent"));

    #[test]
    fn of_an_object_with_our_label_that_no_agent_controls_only_its_identity_is_kept() {
        let data = json!({"data": {"a": "much"}});
        for owner in [None, Some(("v1", "Node")), Some(("example.com/v1", "Agent"))] {
            let kept = child(object::<ConfigMap>("a-config-1", owner, &data)).object;
            assert_eq!((kept.data, kept.metadata.annotations, kept.metadata.finalizers), (None, None, None));
            assert_eq!(kept.metadata.labels.unwrap().len(), 2);
            assert_eq!(kept.metadata.name.as_deref(), Some("a-config-1"));
            assert_eq!(kept.metadata.owner_references.is_some(), owner.is_some());
        }
        let ours = child(object::<ConfigMap>("a-config-1", AGENT, &data)).object;
        assert!(ours.data.is_some() && ours.metadata.annotations.is_some());
    }

    #[test]
    fn a_claim_that_was_retained_and_a_fence_have_no_controller_and_are_kept() {
        let claim =
            object::<PersistentVolumeClaim>("a-workspace", None, &json!({"spec": {"accessModes": ["ReadWriteOnce"]}}));
        assert!(child(claim).object.spec.is_some());
        let policy = |name| child(object::<NetworkPolicy>(name, None, &json!({"spec": {"podSelector": {}}}))).object;
        assert!(policy(FENCE_NAME).spec.is_some());
        assert!(policy("another").spec.is_none());
    }

    #[test]
    fn of_a_proxy_only_labels_and_addresses_are_kept() {
        let containers = json!([{"name": "nginx", "env": [{"name": "A", "value": "long"}]}]);
        let status = json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.7"}], "message": "long"});
        let kept = proxy(object("nginx-1", None, &json!({"spec": {"containers": containers}, "status": status}))).0;
        assert_eq!((kept.metadata.labels.unwrap().len(), kept.metadata.annotations), (3, None));
        assert_eq!(json!(kept.spec), json!({"containers": []}));
        assert_eq!(json!(kept.status), json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.7"}]}));
    }

    #[test]
    fn of_a_pod_that_nothing_of_ours_controls_only_its_identity_is_kept() {
        let kept = |owner| pod(object("a-gateway-1", owner, &json!({"spec": {"containers": []}}))).spec.is_some();
        assert!(kept(AGENT) && kept(Some(("apps/v1", "ReplicaSet"))));
        assert!(!kept(None) && !kept(Some(("batch/v1", "Job"))));
    }
}
