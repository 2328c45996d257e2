//! What the `NetworkPolicies` that Creel writes mean, by Kubernetes' own definition: asked of an evaluator, so that it holds whatever
//! this cluster enforces.

use e2e::cluster::RELEASE_NAMESPACE;
use e2e::suite::{Peer, TestNamespace, in_namespace};
use serde_json::{Value, json};

use crate::stage::{SOON, make, merged, provider, sandbox, unschedulable};

/// Public addresses, of both families.
const PUBLIC: [&str; 3] = ["1.1.1.1", "93.184.216.34", "2606:4700::1111"];
/// Private ranges, carriers' NAT, loopback, benchmarks, multicast, and what is reserved.
const PRIVATE: [&str; 14] = [
    "10.0.0.1",
    "10.96.0.1",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.1.1",
    "100.64.0.1",
    "127.0.0.1",
    "0.0.0.0",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "fd00::1",
    "::1",
    "::ffff:10.0.0.1",
];
/// Where clouds keep the credentials of their machines, and the rest of link-local.
const LINK_LOCAL: [&str; 4] = ["169.254.169.254", "169.254.170.2", "169.254.0.1", "fe80::1"];
const SHELL: u16 = 2222;
const GATEWAY: u16 = 18789;

/// An Agent `a` in a Sandbox with this network; both have their policies.
async fn with_network(namespace: &TestNamespace, network: Value) {
    make(namespace, &provider("p")).await;
    make(namespace, &merged(sandbox("box"), json!({"spec": {"network": network}}))).await;
    make(namespace, &unschedulable("a", "box")).await;
    for name in ["a-gateway", "a-sandbox"] {
        namespace
            .eventually(&format!("NetworkPolicy {name} is there"), SOON * 2, async || {
                namespace.find("NetworkPolicy", name).await.map(drop).ok_or("none".to_owned())
            })
            .await;
    }
}

fn pod_of(namespace: &TestNamespace, component: &str, agent: &str) -> Peer {
    let whose = if component == "gateway" { "creel.dev/gateway" } else { "creel.dev/agent" };
    let labels = [("app.kubernetes.io/name", "openclaw"), ("app.kubernetes.io/component", component), (whose, agent)];
    Peer::pod(&namespace.name, &labels)
}

/// Whether the Pod may connect to each of these addresses.
async fn reaches(namespace: &TestNamespace, from: &Peer, addresses: &[&str]) -> Vec<bool> {
    let connections: Vec<_> = addresses.iter().map(|ip| (from.clone(), Peer::address(ip), 443)).collect();
    namespace.allowed(&connections).await
}

#[tokio::test]
async fn a_sandbox_without_network_reaches_nothing_and_only_its_gateway_comes_in() {
    in_namespace("no-egress", async |namespace| {
        with_network(&namespace, json!({"egress": "None"})).await;
        let (own, own_gateway) = (pod_of(&namespace, "sandbox", "a"), pod_of(&namespace, "gateway", "a"));
        for addresses in [&PUBLIC[..], &PRIVATE, &LINK_LOCAL] {
            assert!(reaches(&namespace, &own, addresses).await.iter().all(|reached| !reached), "{addresses:?}");
        }
        let dns = Peer::pod("kube-system", &[("k8s-app", "kube-dns")]);
        let other_namespace =
            Peer::pod("elsewhere", &[("app.kubernetes.io/component", "gateway"), ("creel.dev/gateway", "a")]);
        let connections = [
            (own_gateway.clone(), own.clone(), SHELL, true),
            (own_gateway.clone(), own.clone(), 80, false),
            (own.clone(), own_gateway, GATEWAY, false),
            (own.clone(), dns, 53, false),
            (pod_of(&namespace, "gateway", "b"), own.clone(), SHELL, false),
            (pod_of(&namespace, "sandbox", "b"), own.clone(), SHELL, false),
            (Peer::pod(&namespace.name, &[]), own.clone(), SHELL, false),
            (other_namespace, own.clone(), SHELL, false),
            (Peer::pod(RELEASE_NAMESPACE, &[("app.kubernetes.io/name", "creel")]), own.clone(), SHELL, false),
            (Peer::address("1.1.1.1"), own, SHELL, false),
        ];
        are_as_wanted(&namespace, &connections).await;
    })
    .await;
}

async fn are_as_wanted(namespace: &TestNamespace, connections: &[(Peer, Peer, u16, bool)]) {
    let asked: Vec<_> = connections.iter().map(|(from, to, port, _)| (from.clone(), to.clone(), *port)).collect();
    for (allowed, (from, to, port, wanted)) in namespace.allowed(&asked).await.iter().zip(connections) {
        assert_eq!(allowed, wanted, "from {from:?} to port {port} of {to:?}");
    }
}

#[tokio::test]
async fn a_sandbox_on_the_internet_reaches_no_private_and_no_link_local_range() {
    in_namespace("internet", async |namespace| {
        with_network(&namespace, json!({"egress": "Internet"})).await;
        let own = pod_of(&namespace, "sandbox", "a");
        assert!(reaches(&namespace, &own, &PUBLIC).await.iter().all(|reached| *reached));
        for addresses in [&PRIVATE[..], &LINK_LOCAL] {
            let reached = reaches(&namespace, &own, addresses).await;
            let wrong: Vec<_> = addresses.iter().zip(reached).filter(|(_, reached)| *reached).collect();
            assert!(wrong.is_empty(), "{wrong:?}");
        }
        let dns = Peer::pod("kube-system", &[("k8s-app", "kube-dns")]);
        are_as_wanted(&namespace, &[(own.clone(), dns.clone(), 53, true), (own, dns, 443, false)]).await;
    })
    .await;
}

#[tokio::test]
async fn a_sandbox_without_limits_and_every_gateway_reach_all_but_link_local_addresses() {
    in_namespace("all-egress", async |namespace| {
        with_network(&namespace, json!({"egress": "All"})).await;
        for component in ["sandbox", "gateway"] {
            let own = pod_of(&namespace, component, "a");
            assert!(
                reaches(&namespace, &own, &["1.1.1.1", "10.0.0.1", "fd00::1"]).await.iter().all(|reached| *reached)
            );
            assert!(reaches(&namespace, &own, &LINK_LOCAL).await.iter().all(|reached| !reached), "{component}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_exception_opens_its_own_addresses_at_its_own_ports_and_nothing_else() {
    in_namespace("exceptions", async |namespace| {
        let pods = json!({"podSelector": {"matchLabels": {"app": "git"}}, "ports": [3000]});
        let allow = json!([{"cidr": "10.0.0.0/24", "ports": [443]}, pods]);
        with_network(&namespace, json!({"egress": "None", "allow": allow})).await;
        let own = pod_of(&namespace, "sandbox", "a");
        let git = Peer::pod(&namespace.name, &[("app", "git")]);
        let connections = [
            (own.clone(), Peer::address("10.0.0.7"), 443, true),
            (own.clone(), Peer::address("10.0.0.7"), 3000, false),
            (own.clone(), Peer::address("10.0.1.7"), 443, false),
            (own.clone(), git.clone(), 3000, true),
            (own.clone(), git, 443, false),
            (own.clone(), Peer::pod("elsewhere", &[("app", "git")]), 3000, false),
            (own, Peer::address("1.1.1.1"), 443, false),
        ];
        are_as_wanted(&namespace, &connections).await;
    })
    .await;
}
