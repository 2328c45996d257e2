//! Who may talk to a sandbox, and whom its commands may reach.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::api::Agent;
use crate::api::sandbox::{Allow, Network};
use crate::naming::{GatewayNames, SandboxNames, child_of};
use crate::openclaw::paths;
use crate::pods::containers::some;
use crate::pods::egress::opened;
use crate::pods::network::{block, labelled, port};

/// In: the shell's port, from its own gateway. Out: what the network says and nothing else.
#[must_use]
pub fn build(
    agent: &Agent,
    names: &SandboxNames,
    gateway: &str,
    network: &Network,
    dns_servers: &[IpAddr],
) -> NetworkPolicy {
    let from = pods_labelled(GatewayNames::of(gateway).selector());
    let mut egress = opened(network.egress, dns_servers);
    // Each exception is a rule of its own, so that no port opens another's addresses.
    egress.extend(network.allow.iter().map(exception));
    NetworkPolicy {
        metadata: child_of(agent, &names.sandbox, names.labels()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labelled(names.selector())),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![from]),
                ports: Some(vec![port("TCP", paths::SANDBOX_PORT)]),
            }]),
            egress: Some(egress),
        }),
    }
}

fn exception(allow: &Allow) -> NetworkPolicyEgressRule {
    let peer = match &allow.cidr {
        Some(cidr) => block(cidr, &[]),
        None => NetworkPolicyPeer {
            pod_selector: allow.pod_selector.clone(),
            namespace_selector: allow.namespace_selector.clone(),
            ip_block: None,
        },
    };
    let tcp = |number: &i32| NetworkPolicyPort {
        port: Some(IntOrString::Int(*number)),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    };
    NetworkPolicyEgressRule { to: Some(vec![peer]), ports: some(allow.ports.iter().map(tcp).collect()) }
}

fn pods_labelled(labels: BTreeMap<String, String>) -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(labelled(labels)), ..NetworkPolicyPeer::default() }
}
