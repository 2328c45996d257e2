//! The sandbox's Service: the stable address that the gateway connects to.

use k8s_openapi::api::core::v1::Service;

use crate::api::Agent;
use crate::naming::{SandboxNames, child_of};
use crate::openclaw::paths;
use crate::pods::network::one_port;

/// The name of the port, on the Service and on the container.
pub const PORT_NAME: &str = "ssh";

#[must_use]
pub fn build(agent: &Agent, names: &SandboxNames) -> Service {
    let metadata = child_of(agent, &names.sandbox, names.labels());
    let spec = one_port(names.selector(), PORT_NAME, paths::SANDBOX_PORT);
    Service { metadata, spec: Some(spec), status: None }
}
