//! The chart's limit of egress, in a namespace whose administrator closes everything: no Agent and no Sandbox opens it again.

use e2e::suite::operator::while_replaced;
use e2e::suite::policy::{Peer, Rules, Traffic, outside, pod, tcp};
use e2e::suite::{Condition, SOON, TestNamespace, in_namespace};
use serde_json::json;

use crate::api_server::stage::{make, merged, provider, resting, sandbox};

/// On each Pod of Creel's.
const OURS: [(&str, &str); 2] = [("app.kubernetes.io/name", "openclaw"), ("app.kubernetes.io/managed-by", "creel")];

/// A gateway `a` and its sandbox.
fn pods(namespace: &TestNamespace) -> [Peer; 2] {
    let gateway = [("app.kubernetes.io/component", "gateway"), ("creel.dev/gateway", "a")];
    let sandbox =
        [("app.kubernetes.io/component", "sandbox"), ("creel.dev/agent", "a"), ("creel.dev/sandbox-gateway", "a")];
    let of = |ip: &str, labels: &[(&str, &str)]| pod(ip, (&namespace.name, &[]), &[&OURS, labels].concat());
    [of("10.244.0.10", &gateway), of("10.244.0.11", &sandbox)]
}

/// What goes out of the two: to the internet, the API server, a node, a Pod elsewhere and DNS.
async fn passing(namespace: &TestNamespace) -> Vec<Traffic> {
    let elsewhere = pod("10.244.0.20", ("other", &[]), &[("app", "db")]);
    let to = [outside("1.1.1.1"), outside("10.96.0.1"), outside("192.168.0.1"), outside("10.96.0.10"), elsewhere];
    let ports = [53, 443, 10250, 2222];
    let pairs = pods(namespace).into_iter().flat_map(|from| to.clone().map(|to| (from.clone(), to)));
    let traffic: Vec<_> = pairs.flat_map(|(from, to)| ports.map(|port| tcp(&from, &to, port))).collect();
    Rules::of(namespace).await.passing(&traffic).await
}

#[tokio::test]
async fn with_the_limit_none_nothing_passes_that_the_administrators_policy_closes_and_the_sandbox_says_so() {
    in_namespace("max-egress", async |namespace| {
        let deny = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "default-deny"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}});
        make(&namespace, &deny).await;
        make(&namespace, &provider("p")).await;
        let wide = json!({"spec": {"network": {"egress": "All", "allow": [{"cidr": "0.0.0.0/0"}]}}});
        make(&namespace, &merged(sandbox("box"), wide)).await;
        make(&namespace, &merged(resting("a"), json!({"spec": {"sandbox": {"ref": {"name": "box"}}}}))).await;
        let told = async |reason: &str| {
            let fits = |condition: &Condition| condition.reason == reason;
            namespace.condition("Sandbox", "box", "Ready", SOON, fits).await
        };
        let opened = async || {
            let open = async || {
                let from: Vec<_> = passing(&namespace).await.into_iter().map(|traffic| traffic.from).collect();
                let both = pods(&namespace).iter().all(|pod| from.contains(pod));
                if both { Ok(()) } else { Err(format!("{from:?}")) }
            };
            namespace.eventually("without a limit both reach others", SOON, open).await;
            told("Suspended").await;
        };
        opened().await;
        let limited = async || {
            let closed = async || {
                let passing = passing(&namespace).await;
                if passing.is_empty() { Ok(()) } else { Err(format!("{passing:?}")) }
            };
            namespace.eventually("nothing goes out", SOON, closed).await;
            let [gateway, shell] = pods(&namespace);
            let ssh = [tcp(&gateway, &shell, 2222)];
            assert_eq!(Rules::of(&namespace).await.passing(&ssh).await, ssh, "the gateway and its own sandbox");
            let ready = told("EgressLimited").await;
            assert_eq!(ready.status, "True");
            assert!(ready.message.contains("spec.network.egress, spec.network.allow[0]"), "{}", ready.message);
        };
        while_replaced(&namespace.client, &[("network.maxEgress", "None")], limited, opened).await;
    })
    .await;
}
