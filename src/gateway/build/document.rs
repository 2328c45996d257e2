//! A JSON document that creel-shell reads in the gateway's Pod, from a ConfigMap of its own.
//!
//! Each Pod mounts it, also while there is none: the first one then needs no other Pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, ConfigMapVolumeSource, PodSpec, Volume, VolumeMount};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::metadata;
use crate::api::Agent;
use crate::naming::GatewayNames;
use crate::pods::containers::mount_read_only;

/// Where the document is in the Pod.
#[derive(Clone, Copy, Debug)]
pub struct Mounted {
    pub volume: &'static str,
    pub directory: &'static str,
    /// The file, and the key of the ConfigMap.
    pub file: &'static str,
}

impl Mounted {
    /// The volume, from the ConfigMap of this name.
    #[must_use]
    pub fn volume(self, map: &str) -> Volume {
        let source =
            ConfigMapVolumeSource { name: map.to_owned(), optional: Some(true), ..ConfigMapVolumeSource::default() };
        Volume { name: self.volume.to_owned(), config_map: Some(source), ..Volume::default() }
    }

    #[must_use]
    pub fn mount(self) -> VolumeMount {
        mount_read_only(self.volume, self.directory)
    }

    /// Whether the Pod has the volume: earlier versions of Creel rendered none that does.
    #[must_use]
    pub fn is_in(self, pod: &PodSpec) -> bool {
        pod.volumes.iter().flatten().any(|volume| volume.name == self.volume)
    }

    /// What the ConfigMap holds.
    #[must_use]
    pub fn read_back<D: DeserializeOwned>(self, map: &ConfigMap) -> Option<D> {
        serde_json::from_str(map.data.as_ref()?.get(self.file)?).ok()
    }
}

/// The ConfigMap of this name with the document as this file.
#[must_use]
pub fn config_map(
    owner: &Agent,
    names: &GatewayNames,
    (map, file): (&str, &str),
    document: &impl Serialize,
) -> ConfigMap {
    let text = serde_json::to_string(document).unwrap_or_default();
    ConfigMap {
        metadata: metadata(owner, names, map),
        data: Some(BTreeMap::from([(file.to_owned(), text)])),
        immutable: Some(false),
        ..ConfigMap::default()
    }
}
