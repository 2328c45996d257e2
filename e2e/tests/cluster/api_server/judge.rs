//! The judge of network policies that other tests ask: what it says of policies whose meaning is known.

use e2e::suite::policy::{Peer, Protocol, Rules, Traffic, outside, pod, tcp};
use serde_json::{Value, json};

fn rules(specs: &[Value]) -> Rules {
    let policy = |spec: &Value| {
        let metadata = json!({"name": "p", "namespace": "mine"});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    };
    Rules::new(specs.iter().map(policy).collect())
}

fn shell() -> Peer {
    pod("10.0.0.9", ("mine", &[]), &[("app", "shell")])
}

#[tokio::test]
async fn without_a_policy_everything_passes_and_an_empty_one_lets_nothing_through() {
    let traffic = [tcp(&shell(), &outside("9.9.9.9"), 443), tcp(&outside("9.9.9.9"), &shell(), 22)];
    assert_eq!(rules(&[]).passing(&traffic).await, traffic);
    let closed = rules(&[json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})]);
    assert_eq!(closed.passing(&traffic).await, []);
    assert_eq!(closed.selecting(&shell()).await, ["mine/p"]);
    let elsewhere = pod("10.0.0.8", ("other", &[]), &[("app", "shell")]);
    assert_eq!(closed.selecting(&elsewhere).await, [""; 0]);
}

#[tokio::test]
async fn ranges_are_open_without_what_they_except_in_both_families() {
    let to = json!([{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}},
        {"ipBlock": {"cidr": "2000::/3", "except": ["2002::/16"]}}]);
    let rules = rules(&[json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": to}]})]);
    let to = |ip: &str| tcp(&shell(), &outside(ip), 443);
    let all = ["9.255.255.255", "10.0.0.0", "10.255.255.255", "2600::1", "2002::1", "fd00::1"].map(to);
    assert_eq!(rules.passing(&all).await, [to("9.255.255.255"), to("2600::1")]);
}

#[tokio::test]
async fn pods_are_told_apart_by_their_own_labels_and_those_of_their_namespace_and_both_sides_decide() {
    let from = json!([{"podSelector": {"matchLabels": {"app": "client"}}}]);
    let server = json!({"podSelector": {"matchLabels": {"app": "shell"}}, "policyTypes": ["Ingress"],
        "ingress": [{"from": from, "ports": [{"port": 2222, "protocol": "TCP"}]}]});
    let client = pod("10.0.0.1", ("mine", &[]), &[("app", "client")]);
    let stranger = pod("10.0.0.2", ("other", &[]), &[("app", "client")]);
    let udp = Traffic { protocol: Protocol::Udp, ..tcp(&client, &shell(), 2222) };
    let wanted = tcp(&client, &shell(), 2222);
    let all = [wanted.clone(), udp, tcp(&client, &shell(), 2223), tcp(&stranger, &shell(), 2222)];
    assert_eq!(rules(std::slice::from_ref(&server)).passing(&all).await, [wanted]);
    let mute = json!({"podSelector": {"matchLabels": {"app": "client"}}, "policyTypes": ["Egress"]});
    assert_eq!(rules(&[server, mute]).passing(&all).await, []);
}
