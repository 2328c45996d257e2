//! Whom gateways and sandboxes reach, and who reaches them: Creel's network policies, judged by Kubernetes' own rules. The Agents rest,
//! so no Pod is there; the judge is given Pods with the labels that Creel writes.

use std::net::IpAddr;

use e2e::cluster::RELEASE_NAMESPACE;
use e2e::suite::policy::{Peer, Protocol, Rules, Traffic, outside, pod, tcp};
use e2e::suite::{FENCE, SOON, TestNamespace, in_namespace};
use serde_json::{Value, json};

use super::stage::{agent, make, merged, provider, resting, sandbox};

const SSH: u16 = 2222;
const GATEWAY: u16 = 18789;
/// Ports that mean something: DNS (two, by the cluster), the web, the API server, the kubelet, the metrics of DNS, the two of Creel, and any other.
const PORTS: [u16; 13] = [1, 22, 53, 80, 443, 5353, 6443, 9153, 10250, SSH, GATEWAY, 30000, 65535];

/// Ranges that are not the internet: private, carriers' NAT, link-local, loopback, this host, protocols, benchmarks, multicast,
/// reserved.
const NOT_INTERNET: [&str; 15] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "0.0.0.0/8",
    "192.0.0.0/24",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
    "::1/128",
];
/// Addresses that mean private ones, or become such in a translator or tunnel: mapped, NAT64, 6to4, Teredo.
const TRANSLATED: [&str; 4] = ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "2001:0:a00:1::1"];
/// Public addresses, the neighbours of those ranges among them.
const INTERNET: [&str; 16] = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
];
const LINK_LOCAL: [&str; 2] = ["169.254.0.0/16", "fe80::/10"];
/// Where clouds answer with the credentials of the machine.
const METADATA: [&str; 7] = [
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
];
/// What Pods of this cluster ask for names.
const DNS_SERVER: &str = "10.96.0.10";
/// On the Pod of the operator.
const OPERATOR: [(&str, &str); 2] = [("app.kubernetes.io/name", "creel"), ("app.kubernetes.io/component", "operator")];
/// On each Pod of Creel's.
const OURS: (&str, &str) = ("app.kubernetes.io/managed-by", "creel");

/// The first address of a range, one within, and the last.
fn samples(range: &str) -> [Peer; 3] {
    let (address, length) = range.split_once('/').expect("<address>/<length>");
    let (address, length): (IpAddr, u32) = (address.parse().expect("an address"), length.parse().expect("a length"));
    let (first, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let last = first | 1_u128.checked_shl(width - length).map_or(u128::MAX, |size| size - 1);
    [first, first.midpoint(last), last].map(|bits| {
        let address = match address {
            IpAddr::V4(_) => IpAddr::V4(u32::try_from(bits).expect("32 bits").into()),
            IpAddr::V6(_) => IpAddr::V6(bits.into()),
        };
        outside(&address.to_string())
    })
}

/// All samples of these ranges.
fn sampled(ranges: &[&str]) -> Vec<Peer> {
    ranges.iter().copied().flat_map(samples).collect()
}

fn addresses(addresses: &[&str]) -> Vec<Peer> {
    addresses.iter().copied().map(outside).collect()
}

/// Every port and protocol from each of these to each of those.
fn all_traffic(from: &[Peer], to: &[Peer]) -> Vec<Traffic> {
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (from, to)));
    let ported = pairs.flat_map(|(from, to)| PORTS.map(|port| tcp(from, to, port)));
    ported.flat_map(|traffic| Protocol::ALL.map(|protocol| Traffic { protocol, ..traffic.clone() })).collect()
}

/// The Pods that are there besides those of the test's gateway `a` and its Agents: everybody who might knock or be knocked at.
struct Neighbours {
    namespace: String,
}

impl Neighbours {
    fn gateway(&self, owner: &str, ip: &str) -> Peer {
        let component = ("app.kubernetes.io/component", "gateway");
        self.pod(ip, &[("app.kubernetes.io/name", "openclaw"), component, ("creel.dev/gateway", owner), OURS])
    }

    fn sandbox(&self, agent: &str, gateway: &str, ip: &str) -> Peer {
        let component = ("app.kubernetes.io/component", "sandbox");
        let labels = [("creel.dev/agent", agent), ("creel.dev/sandbox-gateway", gateway)];
        self.pod(ip, &[("app.kubernetes.io/name", "openclaw"), component, labels[0], labels[1], OURS])
    }

    fn pod(&self, ip: &str, labels: &[(&str, &str)]) -> Peer {
        pod(ip, (&self.namespace, &[]), labels)
    }

    /// None of them is a gateway or a sandbox of this namespace; some wear their labels elsewhere.
    fn strangers(&self) -> Vec<Peer> {
        let gateway = [("app.kubernetes.io/component", "gateway"), ("creel.dev/gateway", "a")];
        vec![
            self.pod("10.244.0.20", &[]),
            self.pod("10.244.0.21", &[("app", "db")]),
            // Half of a gateway's labels.
            self.pod("10.244.0.22", &gateway),
            // What others call so.
            self.pod("10.244.0.25", &[("app.kubernetes.io/component", "sandbox")]),
            pod("10.244.0.23", ("other", &[]), &[("app", "db")]),
            pod("10.244.0.24", ("other", &[]), &[("app.kubernetes.io/name", "openclaw"), gateway[0], gateway[1]]),
            // Beside the operator, and as the operator elsewhere.
            pod("10.244.0.26", (RELEASE_NAMESPACE, &[]), &[("app.kubernetes.io/name", "creel")]),
            pod("10.244.0.27", ("other", &[]), &OPERATOR),
        ]
    }

    fn operator() -> Peer {
        pod("10.244.0.30", (RELEASE_NAMESPACE, &[]), &OPERATOR)
    }

    fn dns() -> Peer {
        pod("10.244.0.31", ("kube-system", &[]), &[("k8s-app", "kube-dns")])
    }

    fn openshift_dns() -> Peer {
        pod("10.244.0.35", ("openshift-dns", &[]), &[("dns.operator.openshift.io/daemonset-dns", "default")])
    }

    /// Pods that pass themselves off as DNS, or live beside it.
    fn false_dns(&self) -> Vec<Peer> {
        vec![
            self.pod("10.244.0.32", &[("k8s-app", "kube-dns")]),
            pod("10.244.0.33", ("other", &[]), &[("k8s-app", "kube-dns")]),
            pod("10.244.0.34", ("kube-system", &[]), &[("k8s-app", "metrics-server")]),
        ]
    }

    /// All Pods that there are.
    fn everybody(&self) -> Vec<Peer> {
        let mut all = vec![
            self.gateway("a", "10.244.0.10"),
            self.gateway("other", "10.244.0.11"),
            self.sandbox("a", "a", "10.244.0.12"),
            self.sandbox("b", "a", "10.244.0.13"),
            Self::operator(),
            Self::dns(),
            Self::openshift_dns(),
        ];
        all.extend(self.strangers());
        all.extend(self.false_dns());
        all
    }
}

/// A gateway `a`, an Agent `b` that joined it, both with a sandbox of this network, and a gateway `other`.
async fn policies(namespace: &TestNamespace, network: &Value) -> (Rules, Neighbours) {
    let in_box = json!({"spec": {"sandbox": {"ref": {"name": "box"}}}});
    make(namespace, &provider("p")).await;
    make(namespace, &merged(sandbox("box"), json!({"spec": {"network": network}}))).await;
    make(namespace, &merged(resting("a"), in_box.clone())).await;
    make(namespace, &resting("other")).await;
    let joined = merged(agent("b"), json!({"spec": {"gatewayRef": {"name": "a"}}}));
    make(namespace, &merged(joined, in_box)).await;
    for policy in ["a-gateway", "other-gateway", "a-sandbox", "b-sandbox"] {
        present(namespace, policy).await;
    }
    (Rules::of(namespace).await, Neighbours { namespace: namespace.name.clone() })
}

async fn present(namespace: &TestNamespace, policy: &str) {
    let look = async || namespace.find("NetworkPolicy", policy).await.map(|_| ()).ok_or("none".to_owned());
    namespace.eventually(&format!("NetworkPolicy {policy} is there"), SOON, look).await;
}

/// Two gateways without sandboxes.
async fn gateways(namespace: &TestNamespace) -> (Rules, Neighbours) {
    make(namespace, &provider("p")).await;
    for name in ["a", "other"] {
        make(namespace, &resting(name)).await;
        present(namespace, &format!("{name}-gateway")).await;
    }
    (Rules::of(namespace).await, Neighbours { namespace: namespace.name.clone() })
}

#[tokio::test]
async fn the_gateways_policy_and_the_fence_select_the_pod_that_its_deployment_makes() {
    in_namespace("selected", async |namespace| {
        let (rules, _) = gateways(&namespace).await;
        let look = async || namespace.find("Deployment", "a-gateway").await.ok_or("none".to_owned());
        let deployment = namespace.eventually("the Deployment is there", SOON, look).await;
        let labels = deployment.data["spec"]["template"]["metadata"]["labels"].as_object().expect("labels").clone();
        let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or(""))).collect();
        let peer = pod("10.244.0.10", (&namespace.name, &[]), &labels);
        let policies = ["a-gateway", FENCE].map(|policy| format!("{}/{policy}", namespace.name));
        assert_eq!(rules.selecting(&peer).await, policies);
    })
    .await;
}

#[tokio::test]
async fn the_gateway_reaches_no_metadata_server_and_everything_else() {
    in_namespace("outwards", async |namespace| {
        let (rules, neighbours) = gateways(&namespace).await;
        let gateway = neighbours.gateway("a", "10.244.0.10");
        let closed = [sampled(&LINK_LOCAL), addresses(&METADATA)].concat();
        assert_eq!(rules.passing(&all_traffic(std::slice::from_ref(&gateway), &closed)).await, []);
        let open = [addresses(&INTERNET), sampled(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"])];
        let open = [open.concat(), neighbours.strangers(), vec![Neighbours::dns(), Neighbours::operator()]].concat();
        let open = all_traffic(&[gateway], &open);
        assert_eq!(rules.passing(&open).await, open);
    })
    .await;
}

#[tokio::test]
async fn the_gateway_is_reached_on_its_port_alone_from_the_operator_and_all_but_the_sandboxes_of_its_namespace() {
    in_namespace("inwards", async |namespace| {
        let (rules, neighbours) = gateways(&namespace).await;
        let gateway = neighbours.gateway("a", "10.244.0.10");
        let outsiders = addresses(&["1.1.1.1", "10.0.0.1", "192.168.0.1", "2606:4700:4700::1111"]);
        let everybody = [neighbours.everybody(), outsiders].concat();
        let passing = rules.passing(&all_traffic(&everybody, std::slice::from_ref(&gateway))).await;
        let may = |peer: &&Peer| {
            peer.pod.as_ref().is_some_and(|pod| {
                let is_sandbox = pod.labels.contains_key("creel.dev/sandbox-gateway");
                peer.pod == Neighbours::operator().pod || (pod.namespace == namespace.name && !is_sandbox)
            })
        };
        let expected: Vec<_> = everybody.iter().filter(may).map(|peer| tcp(peer, &gateway, GATEWAY)).collect();
        assert_eq!(passing, expected);
    })
    .await;
}

#[tokio::test]
async fn a_sandbox_is_reached_by_its_own_gateway_alone_and_on_its_port_alone() {
    in_namespace("shell", async |namespace| {
        // The most open way out opens no way in.
        let (rules, neighbours) = policies(&namespace, &json!({"egress": "All"})).await;
        let own = neighbours.gateway("a", "10.244.0.10");
        let outsiders = addresses(&["1.1.1.1", "10.0.0.1", "198.51.100.1", "fd00::1"]);
        let everybody = [neighbours.everybody(), outsiders].concat();
        for whose in ["a", "b"] {
            let shell = neighbours.sandbox(whose, "a", "10.244.0.14");
            let passing = rules.passing(&all_traffic(&everybody, std::slice::from_ref(&shell))).await;
            assert_eq!(passing, [tcp(&own, &shell, SSH)]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_sandbox_without_a_network_reaches_nobody() {
    in_namespace("sealed", async |namespace| {
        // The default, which is also what `egress: None` means.
        let (rules, neighbours) = policies(&namespace, &json!({})).await;
        let shell = neighbours.sandbox("b", "a", "10.244.0.13");
        let ranges = [sampled(&NOT_INTERNET), addresses(&INTERNET), addresses(&TRANSLATED), addresses(&METADATA)];
        let everywhere = [ranges.concat(), neighbours.everybody()].concat();
        assert_eq!(rules.passing(&all_traffic(&[shell], &everywhere)).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_sandbox_with_the_internet_reaches_public_addresses_and_dns_and_nothing_private() {
    in_namespace("internet", async |namespace| {
        let (rules, neighbours) = policies(&namespace, &json!({"egress": "Internet"})).await;
        let shell = neighbours.sandbox("a", "a", "10.244.0.12");
        let public = all_traffic(std::slice::from_ref(&shell), &addresses(&INTERNET));
        assert_eq!(rules.passing(&public).await, public);
        let answering = [(Neighbours::dns(), 53), (Neighbours::openshift_dns(), 5353), (outside(DNS_SERVER), 53)];
        let asked = all_traffic(std::slice::from_ref(&shell), &answering.clone().map(|(dns, _)| dns));
        let query = |(dns, port): &(Peer, u16)| {
            let query = tcp(&shell, dns, *port);
            [query.clone(), Traffic { protocol: Protocol::Udp, ..query }]
        };
        let expected: Vec<_> = answering.iter().flat_map(query).collect();
        assert_eq!(rules.passing(&asked).await, expected);
        let mut closed = [sampled(&NOT_INTERNET), addresses(&TRANSLATED), addresses(&METADATA)].concat();
        closed.extend(neighbours.everybody().into_iter().filter(|peer| !answering.iter().any(|(dns, _)| dns == peer)));
        assert_eq!(rules.passing(&all_traffic(&[shell], &closed)).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_sandbox_with_the_whole_network_reaches_everything_but_metadata_servers_and_other_pods_of_creel() {
    in_namespace("open", async |namespace| {
        let (rules, neighbours) = policies(&namespace, &json!({"egress": "All"})).await;
        let shell = neighbours.sandbox("a", "a", "10.244.0.12");
        let ranges: Vec<_> = NOT_INTERNET.into_iter().filter(|range| !LINK_LOCAL.contains(range)).collect();
        let open = [sampled(&ranges), addresses(&INTERNET), neighbours.strangers(), neighbours.false_dns()];
        let open = all_traffic(std::slice::from_ref(&shell), &open.concat());
        assert_eq!(rules.passing(&open).await, open);
        let link_local = [sampled(&LINK_LOCAL), addresses(&METADATA)].concat();
        assert_eq!(rules.passing(&all_traffic(std::slice::from_ref(&shell), &link_local)).await, []);
        // The other side has its say too.
        let guarded = [neighbours.sandbox("b", "a", "10.244.0.13"), neighbours.gateway("other", "10.244.0.11")];
        let passing = rules.passing(&all_traffic(std::slice::from_ref(&shell), &guarded)).await;
        assert_eq!(passing, []);
    })
    .await;
}

#[tokio::test]
async fn an_exception_opens_exactly_itself() {
    in_namespace("exceptions", async |namespace| {
        let allow = json!([
            {"cidr": "10.9.0.0/24", "ports": [443, 8443]},
            {"cidr": "fd00:9::/64"},
            {"podSelector": {"matchLabels": {"app": "forge"}},
             "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "forges"}}, "ports": [3000]},
            {"podSelector": {"matchLabels": {"app": "db"}}, "ports": [5432]},
            {"namespaceSelector": {"matchLabels": {"team": "tools"}}, "ports": [80]},
        ]);
        let (rules, neighbours) = policies(&namespace, &json!({"egress": "None", "allow": allow})).await;
        let shell = neighbours.sandbox("a", "a", "10.244.0.12");
        let forge = pod("10.244.0.40", ("forges", &[]), &[("app", "forge")]);
        let database = neighbours.pod("10.244.0.41", &[("app", "db")]);
        let tool = pod("10.244.0.42", ("tools", &[("team", "tools")]), &[("app", "anything")]);
        let elsewhere = [
            pod("10.244.0.43", ("forges", &[]), &[("app", "ci")]),
            pod("10.244.0.44", ("other", &[]), &[("app", "forge")]),
            pod("10.244.0.45", ("other", &[("team", "other")]), &[("app", "db")]),
        ];
        let ranges = sampled(&["10.9.0.0/24", "fd00:9::/64"]);
        let beside = addresses(&["10.8.255.255", "10.9.1.0", "fd00:9:0:1::", "fd00:8:ffff:ffff:ffff:ffff:ffff:ffff"]);
        let everywhere = [ranges.clone(), beside, sampled(&NOT_INTERNET), addresses(&INTERNET), elsewhere.to_vec()];
        let everywhere = [everywhere.concat(), neighbours.everybody(), vec![forge.clone(), tool.clone()]].concat();
        let ports = [PORTS.as_slice(), &[3000, 5432, 8443]].concat();
        let mut asked: Vec<_> =
            everywhere.iter().flat_map(|to| ports.iter().map(|port| tcp(&shell, to, *port))).collect();
        asked.extend(everywhere.iter().map(|to| Traffic { protocol: Protocol::Udp, ..tcp(&shell, to, 443) }));
        asked.push(tcp(&shell, &database, 5432));
        let expected = |traffic: &&Traffic| opened(traffic, &[&forge, &database, &tool], &ranges, &neighbours);
        let expected: Vec<_> = asked.iter().filter(expected).cloned().collect();
        assert_eq!(rules.passing(&asked).await, expected);
        assert!(expected.len() > 10, "all five exceptions were asked for");
    })
    .await;
}

/// Whether the exceptions of that test say so.
fn opened(traffic: &Traffic, [forge, database, tool]: &[&Peer; 3], ranges: &[Peer], neighbours: &Neighbours) -> bool {
    let (to, port, is_tcp) = (&traffic.to, traffic.port, traffic.protocol == Protocol::Tcp);
    let is_database = to == *database || *to == neighbours.pod("10.244.0.21", &[("app", "db")]);
    let first = ranges[..3].contains(to) && is_tcp && [443, 8443].contains(&port);
    let second = ranges[3..].contains(to);
    first
        || second
        || (to == *forge && is_tcp && port == 3000)
        || (is_database && is_tcp && port == 5432)
        || (to == *tool && is_tcp && port == 80)
}
