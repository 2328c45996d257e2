//! The ConfigMaps of a gateway: the configuration that its Pod mounts, and beside it the last one that the gateway accepted.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata;
use crate::api::Agent;
use crate::gateway::revision::ConfigRevision;
use crate::naming::GatewayNames;
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::paths;

/// The ConfigMap that the Pod mounts.
#[must_use]
pub fn mounted(owner: &Agent, names: &GatewayNames, revision: &ConfigRevision) -> ConfigMap {
    let mut map = with_document(owner, names, &revision.name, &revision.current);
    map.metadata.annotations = revision.annotations();
    map
}

/// The ConfigMap with the configuration that the gateway accepted last.
#[must_use]
pub fn last_good(owner: &Agent, names: &GatewayNames, document: &ConfigDocument) -> ConfigMap {
    with_document(owner, names, &names.accepted, document)
}

fn with_document(owner: &Agent, names: &GatewayNames, name: &str, document: &ConfigDocument) -> ConfigMap {
    ConfigMap {
        metadata: metadata(owner, names, name),
        data: Some(BTreeMap::from([(paths::CONFIG_FILE.to_owned(), document.text().to_owned())])),
        immutable: Some(false),
        ..ConfigMap::default()
    }
}
