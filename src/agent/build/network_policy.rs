//! Who may talk to the gateway, and whom it may talk to.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata;
use crate::api::Agent;
use crate::cluster::names::GatewayNames;
use crate::openclaw::paths;

/// In: the gateway's port, from its own namespace and from the operator's. Out: everything but link-local addresses, where
/// clouds keep the credentials of their machines.
#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames, operator_namespace: &str) -> NetworkPolicy {
    let everything = LabelSelector::default();
    let own_namespace = NetworkPolicyPeer { pod_selector: Some(everything.clone()), ..NetworkPolicyPeer::default() };
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector {
            match_labels: Some(BTreeMap::from([(
                "kubernetes.io/metadata.name".to_owned(),
                operator_namespace.to_owned(),
            )])),
            ..LabelSelector::default()
        }),
        ..NetworkPolicyPeer::default()
    };
    let port = NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(paths::PORT))),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    };
    // Some network plugins never match Pods by address: they are named by selector too.
    let pods = NetworkPolicyPeer { namespace_selector: Some(everything), ..NetworkPolicyPeer::default() };
    let to = vec![pods, block("0.0.0.0/0", "169.254.0.0/16"), block("::/0", "fe80::/10")];
    NetworkPolicy {
        metadata: metadata(owner, names, &names.gateway),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_labels: Some(names.selector()), ..LabelSelector::default() }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![own_namespace, operator]),
                ports: Some(vec![port]),
            }]),
            egress: Some(vec![NetworkPolicyEgressRule { to: Some(to), ports: None }]),
        }),
    }
}

fn block(cidr: &str, except: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr: cidr.to_owned(), except: Some(vec![except.to_owned()]) }),
        ..NetworkPolicyPeer::default()
    }
}
