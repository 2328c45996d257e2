//! The ConfigMaps of a gateway: the configuration that its Pod mounts, and beside it the last one that the gateway accepted.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata;
use crate::api::Agent;
use crate::naming::{GatewayNames, REFUSED_HASH, REFUSED_MESSAGE};
use crate::openclaw::paths;

/// A configuration that the gateway refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the refusal is about: text and image, hashed.
    pub hash: String,
    /// The gateway's own words.
    pub message: String,
}

/// The ConfigMap `name` with this text; with a refusal, the text stands in for the refused one.
#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames, name: &str, text: &str, refusal: Option<&Refusal>) -> ConfigMap {
    let mut metadata = metadata(owner, names, name);
    metadata.annotations = refusal.map(|refusal| {
        BTreeMap::from([
            (REFUSED_HASH.to_owned(), refusal.hash.clone()),
            (REFUSED_MESSAGE.to_owned(), refusal.message.clone()),
        ])
    });
    ConfigMap {
        metadata,
        data: Some(BTreeMap::from([(paths::CONFIG_FILE.to_owned(), text.to_owned())])),
        immutable: Some(false),
        ..ConfigMap::default()
    }
}
