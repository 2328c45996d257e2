//! Who may talk to the gateway, and whom it may talk to.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::metadata;
use crate::api::Agent;
use crate::naming::GatewayNames;
use crate::openclaw::paths;
use crate::pods::network::{all_but_link_local, namespace, port};

/// In: the gateway's port, from its own namespace and from the operator's. Out: everything but link-local addresses, where
/// clouds keep the credentials of their machines.
#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames, operator_namespace: &str) -> NetworkPolicy {
    let own_namespace =
        NetworkPolicyPeer { pod_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() };
    let operator =
        NetworkPolicyPeer { namespace_selector: Some(namespace(operator_namespace)), ..NetworkPolicyPeer::default() };
    NetworkPolicy {
        metadata: metadata(owner, names, &names.gateway),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_labels: Some(names.selector()), ..LabelSelector::default() }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![own_namespace, operator]),
                ports: Some(vec![port("TCP", paths::PORT)]),
            }]),
            egress: Some(vec![NetworkPolicyEgressRule { to: Some(all_but_link_local()), ports: None }]),
        }),
    }
}
