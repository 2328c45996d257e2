//! The sandbox's Service: the stable address that the gateway connects to, and what its configuration has to know of the Pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::api::Agent;
use crate::api::sandbox::WorkspaceAccess;
use crate::cluster::names::{self, SandboxNames, child_of};
use crate::openclaw::paths;

/// The name of the port, on the Service and on the container.
pub const PORT_NAME: &str = "ssh";

/// `access`: of the Pod that runs, so that the gateway never believes in a workspace that is not mounted yet.
#[must_use]
pub fn build(agent: &Agent, names: &SandboxNames, host_key: &str, access: WorkspaceAccess) -> Service {
    let mut metadata = child_of(agent, &names.sandbox, names.labels());
    metadata.annotations = Some(BTreeMap::from([
        (names::HOST_KEY.to_owned(), host_key.to_owned()),
        (names::WORKSPACE_ACCESS.to_owned(), access.as_str().to_owned()),
    ]));
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(names.selector()),
            ports: Some(vec![ServicePort {
                name: Some(PORT_NAME.to_owned()),
                port: i32::from(paths::SANDBOX_PORT),
                target_port: Some(IntOrString::String(PORT_NAME.to_owned())),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            publish_not_ready_addresses: Some(false),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
