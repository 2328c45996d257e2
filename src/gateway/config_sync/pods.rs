//! The gateway's Pod and its kubelet. Touches the network.

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::kubernetes::received::Received;
use crate::naming::{AGENT_MANAGER, SKILLS_SYNC};
use crate::pods::fingerprint::hash;

/// Brings the ConfigMap with skills to the Pod, once for each state of it.
pub async fn bring_skills(client: &Client, pod: &Pod, map: &ConfigMap) -> Result<(), kube::Error> {
    let state = hash(&map.data);
    if pod.annotations().get(SKILLS_SYNC) == Some(&state) {
        return Ok(());
    }
    trigger_sync(client, pod, SKILLS_SYNC, &state).await
}

/// Annotates the Pod: the kubelet brings a changed ConfigMap to a Pod within a minute or so, and at once if the Pod itself changes. Only
/// this Pod, never its successor.
pub async fn trigger_sync(client: &Client, pod: &Pod, annotation: &str, value: &str) -> Result<(), kube::Error> {
    let patch = json!({"metadata": {"uid": pod.uid(), "annotations": {annotation: value}}});
    let api: Api<Received<PartialObjectMeta<Pod>>> =
        Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let params = PatchParams { field_manager: Some(AGENT_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(&pod.name_any(), &params, &Patch::Merge(&patch)).await {
        // The Pod is gone: its successor starts with the new configuration.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => Ok(()),
        patched => patched.map(|_| ()),
    }
}

/// Deletes this Pod and no other.
pub async fn delete(client: &Client, pod: &Pod) -> Result<(), kube::Error> {
    let api: Api<Received<PartialObjectMeta<Pod>>> =
        Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let only_this = Preconditions { uid: pod.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
    match api.delete(&pod.name_any(), &params).await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        deleted => deleted.map(|_| ()),
    }
}
