//! What a usable cluster has inside its API server: roles, the default storage class, DNS. Talks to the API server.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use serde::Deserialize as _;

use super::error::Error;

const MANIFEST: &str = include_str!("add-ons.yaml");

/// Applies every add-on. They are of kinds that are always served, so nothing is discovered.
pub async fn apply(client: &kube::Client) -> Result<(), Error> {
    let parameters = PatchParams::apply("creel-e2e").force();
    for object in objects()? {
        let kind = kind(&object);
        let name = object.metadata.name.clone().unwrap_or_default();
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        api.patch(&name, &parameters, &Patch::Apply(&object)).await?;
    }
    Ok(())
}

fn objects() -> Result<Vec<DynamicObject>, serde_yaml::Error> {
    serde_yaml::Deserializer::from_str(MANIFEST).map(DynamicObject::deserialize).collect()
}

fn kind(object: &DynamicObject) -> GroupVersionKind {
    object
        .types
        .as_ref()
        .and_then(|types| GroupVersionKind::try_from(types).ok())
        .unwrap_or_else(|| GroupVersionKind::gvk("", "", ""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::network::{DNS_SERVICE, NODE_ADDRESS};
    use super::super::plan::PROVISIONER;
    use super::*;

    fn find(kind_name: &str) -> DynamicObject {
        objects().unwrap().into_iter().find(|object| kind(object).kind == kind_name).unwrap()
    }

    #[test]
    fn the_manifest_uses_the_addresses_and_the_provisioner_of_the_plan() {
        assert_eq!(find("Service").data["spec"]["clusterIP"], DNS_SERVICE);
        assert_eq!(find("EndpointSlice").data["endpoints"][0]["addresses"][0], NODE_ADDRESS);
        assert_eq!(find("StorageClass").data["provisioner"], PROVISIONER);
    }

    #[test]
    fn every_object_has_a_kind_and_a_name() {
        for object in objects().unwrap() {
            assert!(!kind(&object).kind.is_empty());
            assert!(object.metadata.name.is_some());
        }
    }
}
