//! How the files of workspaces reach the sidecar that keeps them, and where it tells how they are.

use k8s_openapi::api::core::v1::ConfigMap;

use super::document::{self, Mounted};
use crate::api::Agent;
use crate::gateway::files::document::Document;
use crate::naming::GatewayNames;

/// The port on which the sidecar reports, to the operator alone. OpenClaw itself uses some that follow its own.
pub const PORT: u16 = 18780;

pub const MOUNTED: Mounted = Mounted { volume: "files", directory: "/etc/creel-files", file: "files.json" };

/// What the sidecar is started with.
#[must_use]
pub fn arguments() -> [String; 4] {
    let document = format!("{}/{}", MOUNTED.directory, MOUNTED.file);
    ["--files".to_owned(), document, "--report".to_owned(), format!("0.0.0.0:{PORT}")]
}

/// The ConfigMap with the files.
#[must_use]
pub fn config_map(owner: &Agent, names: &GatewayNames, document: &Document) -> ConfigMap {
    document::config_map(owner, names, (&names.files, MOUNTED.file), document)
}
