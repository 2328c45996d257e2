//! What all Services and policies of ours have in common: one port, ranges of addresses, selectors. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A Service inside the cluster, for one TCP port that the container calls by the same name.
#[must_use]
pub fn one_port(selector: BTreeMap<String, String>, name: &str, number: u16) -> ServiceSpec {
    ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        selector: Some(selector),
        ports: Some(vec![ServicePort {
            name: Some(name.to_owned()),
            port: i32::from(number),
            target_port: Some(IntOrString::String(name.to_owned())),
            protocol: Some("TCP".to_owned()),
            ..ServicePort::default()
        }]),
        publish_not_ready_addresses: Some(false),
        ..ServiceSpec::default()
    }
}

/// Everything but link-local addresses, where clouds keep the credentials of their machines.
#[must_use]
pub fn all_but_link_local() -> Vec<NetworkPolicyPeer> {
    // Some network plugins never match Pods by address: they are named by selector too.
    let pods = NetworkPolicyPeer { namespace_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() };
    vec![pods, block("0.0.0.0/0", &["169.254.0.0/16"]), block("::/0", &["fe80::/10"])]
}

/// A range of addresses without these.
#[must_use]
pub fn block(cidr: &str, except: &[&str]) -> NetworkPolicyPeer {
    let except = except.iter().map(|cidr| (*cidr).to_owned()).collect();
    NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr: cidr.to_owned(), except: crate::pods::containers::some(except) }),
        ..NetworkPolicyPeer::default()
    }
}

/// Selects what carries these labels.
#[must_use]
pub fn labelled(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }
}

/// Selects the namespace of this name.
#[must_use]
pub fn namespace(name: &str) -> LabelSelector {
    labelled(BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), name.to_owned())]))
}

/// One port of one protocol.
#[must_use]
pub fn port(protocol: &str, number: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(number))),
        protocol: Some(protocol.to_owned()),
        ..NetworkPolicyPort::default()
    }
}
