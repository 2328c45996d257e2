//! The skills of the gateway's Agents, which creel-shell copies to their workspaces.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::document::{self, Mounted};
use crate::api::Agent;
use crate::naming::GatewayNames;
use crate::openclaw::paths;
use crate::openclaw::skill::Files;

pub const MOUNTED: Mounted = Mounted { volume: "skills", directory: paths::SKILLS_DIRECTORY, file: paths::SKILLS_FILE };

/// As creel-shell reads it: by the path of a workspace on the claim, the files of its skills by name.
pub type Document = BTreeMap<String, BTreeMap<String, Files>>;

/// The ConfigMap with these skills.
#[must_use]
pub fn config_map(owner: &Agent, names: &GatewayNames, skills: &Document) -> ConfigMap {
    document::config_map(owner, names, (&names.skills, MOUNTED.file), skills)
}
