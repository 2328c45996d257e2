//! How the files of workspaces reach the sidecar that keeps them, and where it tells how they are.
//!
//! Each gateway's Pod is ready for files, also where no Agent has any: so an Agent with files joins without a restart.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, ConfigMapVolumeSource, PodSpec, Volume, VolumeMount};

use super::metadata;
use crate::api::Agent;
use crate::gateway::files::document::Document;
use crate::naming::GatewayNames;
use crate::pods::containers::mount_read_only;

/// The port on which the sidecar reports, to the operator alone. OpenClaw itself uses some that follow its own.
pub const PORT: u16 = 18780;

/// As creel-shell calls it: the operator sends the token.
pub const TOKEN_VARIABLE: &str = "CREEL_GATEWAY_TOKEN";

const VOLUME: &str = "files";
const DIRECTORY: &str = "/etc/creel-files";
const FILE: &str = "files.json";

/// What the sidecar is started with.
#[must_use]
pub fn arguments() -> [String; 4] {
    ["--files".to_owned(), format!("{DIRECTORY}/{FILE}"), "--report".to_owned(), format!("0.0.0.0:{PORT}")]
}

#[must_use]
pub fn mount() -> VolumeMount {
    mount_read_only(VOLUME, DIRECTORY)
}

#[must_use]
pub fn volume(names: &GatewayNames) -> Volume {
    let source =
        ConfigMapVolumeSource { name: names.files.clone(), optional: Some(true), ..ConfigMapVolumeSource::default() };
    Volume { name: VOLUME.to_owned(), config_map: Some(source), ..Volume::default() }
}

/// Whether the sidecar of this Pod keeps files: that of an earlier version of Creel does not.
#[must_use]
pub fn are_kept(pod: &PodSpec) -> bool {
    pod.volumes.iter().flatten().any(|volume| volume.name == VOLUME)
}

/// The ConfigMap with the files.
#[must_use]
pub fn config_map(owner: &Agent, names: &GatewayNames, document: &Document) -> ConfigMap {
    let text = serde_json::to_string(document).unwrap_or_default();
    ConfigMap {
        metadata: metadata(owner, names, &names.files),
        data: Some(BTreeMap::from([(FILE.to_owned(), text)])),
        immutable: Some(false),
        ..ConfigMap::default()
    }
}

/// The files in it.
#[must_use]
pub fn read_back(map: &ConfigMap) -> Option<Document> {
    serde_json::from_str(map.data.as_ref()?.get(FILE)?).ok()
}
