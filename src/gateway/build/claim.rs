//! The gateway's claim. Retained, it has no owner: only a person deletes it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::metadata;
use crate::api::Agent;
use crate::api::agent::{AccessMode, Retention};
use crate::naming::GatewayNames;

/// How much a claim asks for by default.
const DEFAULT_SIZE: &str = "10Gi";

/// `None`: the user brought a claim.
#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames) -> Option<PersistentVolumeClaim> {
    let storage = owner.spec.gateway.as_ref().map(|gateway| gateway.storage.clone()).unwrap_or_default();
    if storage.existing_claim.is_some() {
        return None;
    }
    let mut metadata = metadata(owner, names, &names.claim);
    if storage.retention.unwrap_or(Retention::Retain) == Retention::Retain {
        metadata.owner_references = None;
    }
    let size = storage.size.as_ref().map_or_else(|| Quantity(DEFAULT_SIZE.to_owned()), Quantity::from);
    let access_mode = storage.access_mode.unwrap_or(AccessMode::ReadWriteOnce);
    Some(PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![access_mode.as_str().to_owned()]),
            storage_class_name: storage.storage_class_name,
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    })
}
