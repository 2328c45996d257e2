//! Keeps every openclaw.json that Creel rendered in a test, so that OpenClaw's own validation can be run over all of them at the
//! end. Writes below `target/`.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use sha2::{Digest as _, Sha256};

use super::namespace::TestNamespace;
use crate::chart::workspace;

/// Where they are: `<namespace>--<ConfigMap>--<digest>.json`; one ConfigMap of a shared gateway holds many in a run.
#[must_use]
pub fn directory() -> PathBuf {
    workspace().join("target/suite/rendered")
}

/// Keeps those that the namespace holds now.
pub async fn keep(namespace: &TestNamespace) {
    let maps: Api<ConfigMap> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let selector = ListParams::default().labels("app.kubernetes.io/managed-by=creel");
    std::fs::create_dir_all(directory()).expect("target/ can be written");
    for map in maps.list(&selector).await.expect("ConfigMaps can be listed") {
        if namespace.host.is_some_and(|host| !map.name_any().starts_with(host)) {
            continue;
        }
        // What only looks like one is a test's own.
        if map.owner_references().iter().all(|owner| owner.kind != "Agent") {
            continue;
        }
        let Some(text) = map.data.as_ref().and_then(|data| data.get("openclaw.json")) else { continue };
        let digest = hex::encode(&Sha256::digest(text)[..4]);
        let path = directory().join(format!("{}--{}--{digest}.json", namespace.name, map.name_any()));
        std::fs::write(path, text).expect("target/ can be written");
    }
}
