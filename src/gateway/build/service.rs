//! The gateway's Service, inside the cluster: its port, and that of the relay.

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use super::{metadata, relay};
use crate::api::Agent;
use crate::naming::GatewayNames;
use crate::openclaw::paths;
use crate::pods::network::one_port;

/// The name of the port, on the Service and on the container.
pub const PORT_NAME: &str = "gateway";

#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames) -> Service {
    let mut spec = one_port(names.selector(), PORT_NAME, paths::PORT);
    if relay::is_wanted(owner) {
        spec.ports.get_or_insert_default().push(relay::service_port());
    }
    Service { metadata: metadata(owner, names, &names.gateway), spec: Some(spec), status: None }
}

/// The gateway's address inside the cluster.
#[must_use]
pub fn endpoint(owner: &Agent, names: &GatewayNames) -> String {
    format!("http://{}.{}.svc:{}", names.gateway, owner.namespace().unwrap_or_default(), paths::PORT)
}
