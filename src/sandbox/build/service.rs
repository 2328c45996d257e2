//! The sandbox's Service: the stable address that the gateway connects to, and what its configuration has to know of the Pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;

use crate::api::Agent;
use crate::api::sandbox::WorkspaceAccess;
use crate::naming::{self, SandboxNames, child_of};
use crate::openclaw::paths;
use crate::pods::network::one_port;

/// The name of the port, on the Service and on the container.
pub const PORT_NAME: &str = "ssh";

/// `access`: of the Pod that runs, so that the gateway never believes in a workspace that is not mounted yet.
#[must_use]
pub fn build(agent: &Agent, names: &SandboxNames, host_key: &str, access: WorkspaceAccess) -> Service {
    let mut metadata = child_of(agent, &names.sandbox, names.labels());
    metadata.annotations = Some(BTreeMap::from([
        (naming::HOST_KEY.to_owned(), host_key.to_owned()),
        (naming::WORKSPACE_ACCESS.to_owned(), access.as_str().to_owned()),
    ]));
    let spec = one_port(names.selector(), PORT_NAME, paths::SANDBOX_PORT);
    Service { metadata, spec: Some(spec), status: None }
}
