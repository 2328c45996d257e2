//! Who may talk to a sandbox, and whom its commands may reach.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::api::Agent;
use crate::api::sandbox::{Allow, Egress, Network};
use crate::naming::{GatewayNames, SandboxNames, child_of};
use crate::openclaw::paths;
use crate::pods::containers::some;
use crate::pods::network::{block, dns, everywhere, labelled, namespace, port};

/// Of the public IPv4 space: this host, private ranges, carriers' NAT, loopback, the metadata server of Azure, link-local, protocol
/// assignments, benchmarks, multicast and the reserved rest.
const NOT_INTERNET: [&str; 12] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// All public IPv6 addresses that there are: what is private, link-local, multicast, loopback, mapped or translated (NAT64) lies outside.
const INTERNET_V6: &str = "2000::/3";
/// Tunnels that carry an IPv4 address, maybe a private one: Teredo and 6to4.
const NOT_INTERNET_V6: [&str; 2] = ["2001::/32", "2002::/16"];

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
    let mut egress = match network.egress {
        Egress::None => Vec::new(),
        Egress::Internet => internet(dns_servers),
        Egress::All => everywhere(dns_servers),
    };
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

/// Public addresses, and the cluster's DNS for their names.
fn internet(dns_servers: &[IpAddr]) -> Vec<NetworkPolicyEgressRule> {
    let public = vec![block("0.0.0.0/0", &NOT_INTERNET), block(INTERNET_V6, &NOT_INTERNET_V6)];
    let public = NetworkPolicyEgressRule { to: Some(public), ports: None };
    // The port of the Pods, not of their Service: on OpenShift it is another.
    let kubernetes = dns_pods("kube-system", ("k8s-app", "kube-dns"), 53);
    let openshift = dns_pods("openshift-dns", ("dns.operator.openshift.io/daemonset-dns", "default"), 5353);
    [public, kubernetes, openshift].into_iter().chain(dns(dns_servers)).collect()
}

fn dns_pods(of: &str, (key, value): (&str, &str), number: u16) -> NetworkPolicyEgressRule {
    let pods = NetworkPolicyPeer {
        namespace_selector: Some(namespace(of)),
        ..pods_labelled(BTreeMap::from([(key.to_owned(), value.to_owned())]))
    };
    NetworkPolicyEgressRule { to: Some(vec![pods]), ports: Some(vec![port("UDP", number), port("TCP", number)]) }
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
