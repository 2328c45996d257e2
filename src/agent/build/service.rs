//! The gateway's Service: one port, inside the cluster.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use super::metadata;
use crate::api::Agent;
use crate::cluster::names::GatewayNames;
use crate::openclaw::paths;

/// The name of the port, on the Service and on the container.
pub const PORT_NAME: &str = "gateway";

#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames) -> Service {
    Service {
        metadata: metadata(owner, names, &names.gateway),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(names.selector()),
            ports: Some(vec![ServicePort {
                name: Some(PORT_NAME.to_owned()),
                port: i32::from(paths::PORT),
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

/// The gateway's address inside the cluster.
#[must_use]
pub fn endpoint(owner: &Agent, names: &GatewayNames) -> String {
    format!("http://{}.{}.svc:{}", names.gateway, owner.namespace().unwrap_or_default(), paths::PORT)
}
