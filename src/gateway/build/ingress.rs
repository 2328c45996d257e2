//! The gateway's Ingress: one host, one backend.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::metadata;
use super::service::PORT_NAME;
use crate::api::Agent;
use crate::api::exposure::Exposure;
use crate::naming::GatewayNames;

/// `None`: the gateway is not exposed by an Ingress.
#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames, exposure: &Exposure) -> Option<Ingress> {
    let route = exposure.ingress.as_ref()?;
    let backend = IngressServiceBackend {
        name: names.gateway.clone(),
        port: Some(ServiceBackendPort { name: Some(PORT_NAME.to_owned()), number: None }),
    };
    let path = HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend { service: Some(backend), resource: None },
    };
    let tls =
        |secret: &String| IngressTLS { hosts: Some(vec![exposure.host.clone()]), secret_name: Some(secret.clone()) };
    Some(Ingress {
        metadata: ObjectMeta { annotations: Some(route.annotations.clone()), ..metadata(owner, names, &names.gateway) },
        spec: Some(IngressSpec {
            ingress_class_name: route.class_name.clone(),
            rules: Some(vec![IngressRule {
                host: Some(exposure.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            tls: route.tls_secret_name.as_ref().map(|secret| vec![tls(secret)]),
            default_backend: None,
        }),
        status: None,
    })
}
