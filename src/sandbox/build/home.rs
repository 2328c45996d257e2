//! The claim with the home directory of a sandbox. It has no owner: only a person deletes it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};

use crate::api::Agent;
use crate::api::agent::AccessMode;
use crate::api::sandbox_mounts::Home;
use crate::naming::{SandboxNames, child_of};

/// Of the Agent whose commands use it.
#[must_use]
pub fn build(agent: &Agent, names: &SandboxNames, home: &Home) -> PersistentVolumeClaim {
    let mut metadata = child_of(agent, &names.home, names.labels());
    metadata.owner_references = None;
    PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![AccessMode::ReadWriteOnce.as_str().to_owned()]),
            storage_class_name: home.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), (&home.size).into())])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
