//! What all Services and policies of ours have in common: one port, ranges of addresses, selectors. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort};
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

/// Where clouds hand out the credentials of their machines: all link-local addresses, and those of Alibaba Cloud and Azure.
const METADATA: [&str; 3] = ["100.100.100.200/32", "168.63.129.16/32", "169.254.0.0/16"];
/// The same: all link-local addresses, those of AWS (Pod identities, machines) and of Google Cloud.
const METADATA_V6: [&str; 4] = ["fd00:ec2::23/128", "fd00:ec2::254/128", "fd20:ce::254/128", "fe80::/10"];

/// Everything but the metadata servers of clouds, and DNS.
#[must_use]
pub fn everywhere(dns_servers: &[IpAddr]) -> Vec<NetworkPolicyEgressRule> {
    // Some network plugins never match Pods by address: they are named by selector too.
    let pods = NetworkPolicyPeer { namespace_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() };
    let open = vec![pods, block("0.0.0.0/0", &METADATA), block("::/0", &METADATA_V6)];
    let open = NetworkPolicyEgressRule { to: Some(open), ports: None };
    std::iter::once(open).chain(dns(dns_servers)).collect()
}

/// The servers that Pods ask, by address, because no selector matches what runs on the node itself: a cache of the node
/// (169.254.20.10), or a resolver of the cloud, which may share its address with the metadata server (169.254.169.254). So only their port.
#[must_use]
pub fn dns(servers: &[IpAddr]) -> Option<NetworkPolicyEgressRule> {
    let address = |address: &IpAddr| {
        // The API server accepts no IPv4 address in the form of IPv6.
        let address = address.to_canonical();
        block(&format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }), &[])
    };
    let servers: Vec<_> = servers.iter().map(address).collect();
    let ports = Some(vec![port("UDP", 53), port("TCP", 53)]);
    (!servers.is_empty()).then_some(NetworkPolicyEgressRule { to: Some(servers), ports })
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use ipnet::IpNet;

    use super::*;

    /// Metadata servers, by cloud: most; AWS ECS; EKS; Azure; Alibaba Cloud; AWS; EKS; Google Cloud; `OpenStack`.
    pub const METADATA_SERVERS: [&str; 9] = [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "168.63.129.16",
        "100.100.100.200",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
    ];

    /// Whether the rules open this port at an address outside of the cluster.
    pub fn opens(rules: &[NetworkPolicyEgressRule], address: &str, protocol: &str, number: i32) -> bool {
        let address: IpAddr = address.parse().unwrap();
        let contains = |cidr: &String| cidr.parse::<IpNet>().unwrap().contains(&address);
        let is_in = |block: &IPBlock| contains(&block.cidr) && !block.except.iter().flatten().any(contains);
        let is_port = |port: &NetworkPolicyPort| {
            port.port == Some(IntOrString::Int(number)) && port.protocol.as_deref() == Some(protocol)
        };
        rules.iter().any(|rule| {
            let peers = rule.to.as_deref().unwrap_or_default();
            let at_address = peers.iter().filter_map(|peer| peer.ip_block.as_ref()).any(is_in);
            at_address && rule.ports.as_ref().is_none_or(|ports| ports.iter().any(is_port))
        })
    }

    #[test]
    fn metadata_servers_are_closed_and_their_neighbours_are_open() {
        let rules = everywhere(&[]);
        for server in METADATA_SERVERS {
            assert!(!opens(&rules, server, "TCP", 80) && !opens(&rules, server, "UDP", 53), "{server}");
        }
        for neighbour in ["168.63.129.17", "100.100.100.201", "fd00:ec2::253", "fd20:ce::1", "10.0.0.1", "fd00::1"] {
            assert!(opens(&rules, neighbour, "TCP", 80), "{neighbour}");
        }
    }

    #[test]
    fn the_servers_that_pods_ask_are_open_for_dns_alone() {
        for server in ["169.254.20.10", "169.254.169.254", "168.63.129.16", "fe80::53"] {
            let rules = everywhere(&[server.parse().unwrap()]);
            for protocol in ["TCP", "UDP"] {
                assert!(opens(&rules, server, protocol, 53), "{server}");
                assert!(!opens(&rules, server, protocol, 80) && !opens(&rules, server, protocol, 443), "{server}");
            }
            assert!(!opens(&rules, "169.254.20.11", "UDP", 53), "a neighbour");
        }
    }

    #[test]
    fn an_address_is_written_as_the_api_server_accepts_it() {
        let rule = dns(&["::ffff:10.96.0.10".parse().unwrap()]).unwrap();
        let cidrs: Vec<_> =
            rule.to.iter().flatten().map(|peer| peer.ip_block.as_ref().unwrap().cidr.as_str()).collect();
        assert_eq!(cidrs, ["10.96.0.10/32"]);
    }
}
