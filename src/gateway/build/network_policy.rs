//! Who may talk to the gateway, and whom it may talk to.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::metadata;
use crate::api::Agent;
use crate::naming::{GatewayNames, LABEL_COMPONENT, LABEL_MANAGED_BY, MANAGED_BY, SANDBOX};
use crate::openclaw::paths;
use crate::pods::network::{everywhere, namespace, port};

/// In: the gateway's port, from its own namespace except from sandboxes, and from the operator's. Out: everything but the metadata servers
/// of clouds.
#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames, operator_namespace: &str, dns_servers: &[IpAddr]) -> NetworkPolicy {
    // A sandbox of ours has both labels; what has one of them is somebody else's.
    let others = [(LABEL_COMPONENT, SANDBOX), (LABEL_MANAGED_BY, MANAGED_BY)].into_iter().flat_map(without);
    let operator =
        NetworkPolicyPeer { namespace_selector: Some(namespace(operator_namespace)), ..NetworkPolicyPeer::default() };
    NetworkPolicy {
        metadata: metadata(owner, names, &names.gateway),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_labels: Some(names.selector()), ..LabelSelector::default() }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(others.chain([operator]).collect()),
                ports: Some(vec![port("TCP", paths::PORT)]),
            }]),
            egress: Some(everywhere(dns_servers)),
        }),
    }
}

/// The Pods of the namespace that do not have this label with this value.
fn without((key, value): (&str, &str)) -> [NetworkPolicyPeer; 2] {
    let peer = |operator: &str, values| {
        let requirement = LabelSelectorRequirement { key: key.to_owned(), operator: operator.to_owned(), values };
        let selector = LabelSelector { match_expressions: Some(vec![requirement]), ..LabelSelector::default() };
        NetworkPolicyPeer { pod_selector: Some(selector), ..NetworkPolicyPeer::default() }
    };
    // Without the label a Pod is not in the list either, but not everybody who enforces policies reads it so.
    [peer("NotIn", Some(vec![value.to_owned()])), peer("DoesNotExist", None)]
}
