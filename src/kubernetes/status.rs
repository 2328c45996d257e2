//! Writes the status of an object of ours. Touches the network.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::received::Received;

/// Applies the whole status; returns `false` if the object is gone. Only to this very object: one that was deleted and created again is
/// another.
pub async fn write_status<K, S>(client: &Client, manager: &str, object: &K, status: &S) -> Result<bool, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
    S: Serialize,
{
    Ok(apply_status(client, manager, object, None, status).await?.is_some())
}

/// The same, if nobody has written the object since it was read: otherwise the API server answers with a conflict. Returns the version of
/// the object with this status; `None`: the object is gone.
pub async fn write_status_if_unchanged<K, S>(
    client: &Client,
    manager: &str,
    object: &K,
    status: &S,
) -> Result<Option<String>, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
    S: Serialize,
{
    let written = apply_status(client, manager, object, object.resource_version(), status).await?;
    Ok(written.map(|written| written.resource_version().unwrap_or_default()))
}

async fn apply_status<K, S>(
    client: &Client,
    manager: &str,
    object: &K,
    version: Option<String>,
    status: &S,
) -> Result<Option<Received<K>>, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
    S: Serialize,
{
    let api: Api<Received<K>> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let name = object.name_any();
    let mut patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": name, "uid": object.uid()},
        "status": status,
    });
    if let Some(version) = version {
        patch["metadata"]["resourceVersion"] = json!(version);
    }
    match api.patch_status(&name, &PatchParams::apply(manager).force(), &Patch::Apply(&patch)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        patched => patched.map(Some),
    }
}
