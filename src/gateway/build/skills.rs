//! The skills of the gateway's Agents: one ConfigMap, which creel-shell copies to their workspaces.
//!
//! Each Pod can mount it, whether or not there are skills: the first one then needs no other Pod.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, ConfigMapVolumeSource, Volume};

use super::metadata;
use crate::api::Agent;
use crate::naming::GatewayNames;
use crate::openclaw::paths;
use crate::openclaw::skill::Files;

/// The volume of the Pod.
pub const VOLUME: &str = "skills";

/// As creel-shell reads it: by the path of a workspace on the claim, the files of its skills by name.
pub type Document = BTreeMap<String, BTreeMap<String, Files>>;

/// The ConfigMap with these skills.
#[must_use]
pub fn config_map(owner: &Agent, names: &GatewayNames, skills: &Document) -> ConfigMap {
    let text = serde_json::to_string(skills).unwrap_or_default();
    ConfigMap {
        metadata: metadata(owner, names, &names.skills),
        data: Some(BTreeMap::from([(paths::SKILLS_FILE.to_owned(), text)])),
        immutable: Some(false),
        ..ConfigMap::default()
    }
}

/// The skills in it.
#[must_use]
pub fn read_back(map: &ConfigMap) -> Option<Document> {
    serde_json::from_str(map.data.as_ref()?.get(paths::SKILLS_FILE)?).ok()
}

/// What the Pod mounts of it.
#[must_use]
pub fn volume(names: &GatewayNames) -> Volume {
    let source =
        ConfigMapVolumeSource { name: names.skills.clone(), optional: Some(true), ..ConfigMapVolumeSource::default() };
    Volume { name: VOLUME.to_owned(), config_map: Some(source), ..Volume::default() }
}

/// Whether the Pod of this Deployment mounts it: earlier versions of Creel rendered none that does.
#[must_use]
pub fn is_mounted(deployment: &Deployment) -> bool {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    pod.and_then(|pod| pod.volumes.as_ref()).is_some_and(|volumes| volumes.iter().any(|volume| volume.name == VOLUME))
}
