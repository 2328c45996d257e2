//! The gateway's Ingress: one host, which leads to the gateway, and the paths of clients to their relay.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::service::PORT_NAME;
use super::{metadata, relay};
use crate::api::Agent;
use crate::api::exposure::Exposure;
use crate::naming::GatewayNames;

/// `None`: the gateway is not exposed by an Ingress.
#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames, exposure: &Exposure) -> Option<Ingress> {
    let route = exposure.ingress.as_ref()?;
    let path = |path: &str, port: &str| {
        let port = ServiceBackendPort { name: Some(port.to_owned()), number: None };
        let backend = IngressServiceBackend { name: names.gateway.clone(), port: Some(port) };
        HTTPIngressPath {
            path: Some(path.to_owned()),
            path_type: "Prefix".to_owned(),
            backend: IngressBackend { service: Some(backend), resource: None },
        }
    };
    let clients = relay::is_wanted(owner).then(|| path(relay::PATH, relay::PORT_NAME));
    let paths = clients.into_iter().chain([path("/", PORT_NAME)]).collect();
    let tls =
        |secret: &String| IngressTLS { hosts: Some(vec![exposure.host.clone()]), secret_name: Some(secret.clone()) };
    Some(Ingress {
        metadata: ObjectMeta { annotations: Some(route.annotations.clone()), ..metadata(owner, names, &names.gateway) },
        spec: Some(IngressSpec {
            ingress_class_name: route.class_name.clone(),
            rules: Some(vec![IngressRule {
                host: Some(exposure.host.clone()),
                http: Some(HTTPIngressRuleValue { paths }),
            }]),
            tls: route.tls_secret_name.as_ref().map(|secret| vec![tls(secret)]),
            default_backend: None,
        }),
        status: None,
    })
}
