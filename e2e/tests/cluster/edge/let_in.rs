//! Who comes from the edge of the cluster to a gateway: by its NetworkPolicy, and as a proxy that it trusts.

use std::collections::{BTreeMap, BTreeSet};

use e2e::suite::policy::{Labelled, Peer, Rules, pod, tcp};
use e2e::suite::{EDGE_NAMESPACE, Edge, Part, START, TestNamespace};
use kube::ResourceExt as _;
use serde_json::json;

const ALL: [Part; 5] = [Part::Nginx, Part::Caddy, Part::Ingress, Part::Gateway, Part::Browser];
/// The gateway's port.
const PORT: u16 = 18_789;

/// Of the Pods of the edge, which all run, these are let in and trusted by the gateway of `owner`, and no other one.
pub async fn are_let_in_alone(namespace: &TestNamespace, owner: &str, edge: &Edge, parts: &[Part]) {
    are_trusted_alone(namespace, owner, edge, parts).await;
    let gateway = peer_of(namespace, owner).await;
    let from =
        |part: Part| pod("10.244.0.11", (EDGE_NAMESPACE, &[]), &[("edge", &namespace.scope), ("part", part.name())]);
    let all = ALL.map(|part| tcp(&from(part), &gateway, PORT));
    let wanted: Vec<_> =
        ALL.iter().zip(&all).filter(|(part, _)| parts.contains(part)).map(|(_, traffic)| traffic.clone()).collect();
    assert_eq!(Rules::of(namespace).await.passing(&all).await, wanted);
}

/// Waits until the gateway of `owner` trusts these proxies, which run, and nobody else. With each change of them, OpenClaw closes every
/// WebSocket.
pub async fn are_trusted_alone(namespace: &TestNamespace, owner: &str, edge: &Edge, parts: &[Part]) {
    let mut addresses = BTreeSet::new();
    for part in parts {
        addresses.insert(edge.address(*part).await.to_string());
    }
    namespace
        .eventually("the gateway trusts these proxies and nobody else", START, async || {
            let told = namespace.try_rpc(owner, "config.get", json!({})).await?;
            let trusted = &told["parsed"]["gateway"]["trustedProxies"];
            let found: BTreeSet<String> =
                trusted.as_array().into_iter().flatten().filter_map(|ip| Some(ip.as_str()?.to_owned())).collect();
            if found == addresses { Ok(()) } else { Err(format!("{trusted}, not {addresses:?}")) }
        })
        .await;
}

/// The Pod of the gateway, as policies see it.
async fn peer_of(namespace: &TestNamespace, owner: &str) -> Peer {
    let pods = namespace.pods(owner).await;
    let running = pods.iter().find(|pod| pod.metadata.deletion_timestamp.is_none()).expect("a gateway");
    let ip = running.status.as_ref().and_then(|status| status.pod_ip.clone()).expect("an address");
    let name = ("kubernetes.io/metadata.name".to_owned(), namespace.name.clone());
    let labels = running.labels().clone();
    Peer {
        ip,
        pod: Some(Labelled { namespace: namespace.name.clone(), namespace_labels: BTreeMap::from([name]), labels }),
    }
}
