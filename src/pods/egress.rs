//! Whom Pods of ours may connect to, and how far the administrator lets them. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};

use super::network::{block, dns, everywhere, labelled, namespace, port};
use crate::api::sandbox::{Allow, Egress, Network};

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

/// All IPv4 addresses.
const INTERNET_V4: &str = "0.0.0.0/0";
/// All public IPv6 addresses that there are: what is private, link-local, multicast, loopback, mapped or translated (NAT64) lies outside.
const INTERNET_V6: &str = "2000::/3";
/// Tunnels that carry an IPv4 address, maybe a private one: Teredo and 6to4.
const NOT_INTERNET_V6: [&str; 2] = ["2001::/32", "2002::/16"];

/// The rules of a policy that opens this.
#[must_use]
pub fn opened(egress: Egress, dns_servers: &[IpAddr]) -> Vec<NetworkPolicyEgressRule> {
    match egress {
        Egress::None => Vec::new(),
        Egress::Internet => internet(dns_servers),
        Egress::All => everywhere(dns_servers),
    }
}

/// Public addresses, and the cluster's DNS for their names.
fn internet(dns_servers: &[IpAddr]) -> Vec<NetworkPolicyEgressRule> {
    let public = vec![block(INTERNET_V4, &NOT_INTERNET), block(INTERNET_V6, &NOT_INTERNET_V6)];
    let public = NetworkPolicyEgressRule { to: Some(public), ports: None };
    // The port of the Pods, not of their Service: on OpenShift it is another.
    let kubernetes = dns_pods("kube-system", ("k8s-app", "kube-dns"), 53);
    let openshift = dns_pods("openshift-dns", ("dns.operator.openshift.io/daemonset-dns", "default"), 5353);
    [public, kubernetes, openshift].into_iter().chain(dns(dns_servers)).collect()
}

fn dns_pods(of: &str, (key, value): (&str, &str), number: u16) -> NetworkPolicyEgressRule {
    let pods = NetworkPolicyPeer {
        namespace_selector: Some(namespace(of)),
        pod_selector: Some(labelled(BTreeMap::from([(key.to_owned(), value.to_owned())]))),
        ip_block: None,
    };
    NetworkPolicyEgressRule { to: Some(vec![pods]), ports: Some(vec![port("UDP", number), port("TCP", number)]) }
}

/// What is left of a network under the administrator's limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Limited {
    pub network: Network,
    /// The fields of a Sandbox that ask for more.
    pub exceeding: Vec<String>,
}

/// The network, no wider than `most`. An entry of `allow` holds as a whole or not at all.
#[must_use]
pub fn limited(network: &Network, most: Egress) -> Limited {
    let mut exceeding = Vec::new();
    if network.egress > most {
        exceeding.push("spec.network.egress".to_owned());
    }
    let mut allow = Vec::new();
    for (at, entry) in network.allow.iter().enumerate() {
        if lies_within(entry, most) {
            allow.push(entry.clone());
        } else {
            exceeding.push(format!("spec.network.allow[{at}]"));
        }
    }
    Limited { network: Network { egress: network.egress.min(most), allow }, exceeding }
}

fn lies_within(entry: &Allow, most: Egress) -> bool {
    match most {
        Egress::None => false,
        Egress::Internet => entry.cidr.as_deref().is_some_and(is_public),
        Egress::All => true,
    }
}

/// Whether every address of the range is one that `Internet` opens.
fn is_public(range: &str) -> bool {
    let Ok(range) = range.parse::<IpNet>() else { return false };
    let parsed = |ranges: &[&str]| ranges.iter().filter_map(|range| range.parse().ok()).collect::<Vec<IpNet>>();
    let (public, except) = match range {
        IpNet::V4(_) => (parsed(&[INTERNET_V4]), parsed(&NOT_INTERNET)),
        IpNet::V6(_) => (parsed(&[INTERNET_V6]), parsed(&NOT_INTERNET_V6)),
    };
    let overlaps = |other: &IpNet| other.contains(&range) || range.contains(other);
    public.iter().any(|public| public.contains(&range)) && !except.iter().any(overlaps)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pods::network::tests::{METADATA_SERVERS, opens};

    fn network(value: Value) -> Network {
        serde_json::from_value(value).unwrap()
    }

    fn under(most: Egress, value: Value) -> (Network, Vec<String>) {
        let Limited { network, exceeding } = limited(&network(value), most);
        (network, exceeding)
    }

    #[test]
    fn without_a_limit_a_network_stays_as_it_is() {
        let all = json!({"egress": "All", "allow": [{"cidr": "0.0.0.0/0"}, {"podSelector": {}}]});
        assert_eq!(under(Egress::All, all.clone()), (network(all), Vec::new()));
    }

    #[test]
    fn what_exceeds_the_limit_is_narrowed_and_named() {
        let wide = json!({"egress": "All", "allow": [{"cidr": "1.1.1.1/32", "ports": [443]}, {"cidr": "10.0.0.0/8"}, {"podSelector": {}}]});
        let named = |fields: &[&str]| fields.iter().map(|field| format!("spec.network.{field}")).collect::<Vec<_>>();
        let public = json!({"egress": "Internet", "allow": [{"cidr": "1.1.1.1/32", "ports": [443]}]});
        assert_eq!(
            under(Egress::Internet, wide.clone()),
            (network(public), named(&["egress", "allow[1]", "allow[2]"]))
        );
        let nothing = (Network::default(), named(&["egress", "allow[0]", "allow[1]", "allow[2]"]));
        assert_eq!(under(Egress::None, wide), nothing);
        assert_eq!(under(Egress::Internet, json!({"egress": "Internet"})).1, named(&[]));
    }

    #[test]
    fn a_range_is_public_only_as_a_whole() {
        for public in ["1.1.1.0/24", "9.0.0.0/8", "2606:4700::/32"] {
            assert!(is_public(public), "{public}");
        }
        for other in [
            "0.0.0.0/0",
            "8.0.0.0/6",
            "10.1.0.0/16",
            "168.63.129.16/32",
            "::/0",
            "2000::/3",
            "fd00::/8",
            "2002::1/128",
            "x",
        ] {
            assert!(!is_public(other), "{other}");
        }
    }

    #[test]
    fn a_limited_network_opens_nothing_private_whatever_it_allows() {
        let wide = json!({"egress": "All", "allow": [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}, {"cidr": "10.0.0.0/8"}]});
        let private = ["10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fd00::1"];
        for (most, internet) in [(Egress::None, false), (Egress::Internet, true)] {
            let network = limited(&network(wide.clone()), most).network;
            assert_eq!(network.allow, []);
            let rules = opened(network.egress, &[]);
            for address in private.iter().chain(&METADATA_SERVERS) {
                assert!(!opens(&rules, address, "TCP", 443), "{most:?}: {address}");
            }
            assert_eq!(opens(&rules, "1.1.1.1", "TCP", 443), internet);
        }
    }
}
