//! What the `NetworkPolicies` of a namespace allow, as Kubernetes defines it and whatever the cluster enforces. Touches the network; runs
//! a program of this package.

use std::collections::BTreeMap;
use std::process::Stdio;

use kube::api::ListParams;
use serde::Serialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::namespace::TestNamespace;
use crate::cluster::network_policies;
use crate::progress::Progress;

/// One end of a connection.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    ip: String,
    namespace: String,
    labels: BTreeMap<String, String>,
    namespace_labels: BTreeMap<String, String>,
}

impl Peer {
    /// An address that is no Pod's.
    #[must_use]
    pub fn address(ip: &str) -> Self {
        Self { ip: ip.to_owned(), ..Self::default() }
    }

    /// A Pod with these labels.
    #[must_use]
    pub fn pod(namespace: &str, labels: &[(&str, &str)]) -> Self {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        Self {
            ip: "10.244.0.99".to_owned(),
            namespace: namespace.to_owned(),
            labels: map(labels),
            namespace_labels: map(&[("kubernetes.io/metadata.name", namespace)]),
        }
    }
}

impl TestNamespace {
    /// Whether the policies of the namespace allow each of these connections: from, to, TCP port.
    pub async fn allowed(&self, connections: &[(Peer, Peer, u16)]) -> Vec<bool> {
        let policies = self.api("NetworkPolicy").list(&ListParams::default()).await.expect("policies can be listed");
        let connections: Vec<_> = connections
            .iter()
            .map(|(from, to, port)| json!({"from": from, "to": to, "port": port, "protocol": "TCP"}))
            .collect();
        let question = json!({"policies": policies.items, "connections": connections});
        let program = network_policies(&Progress::new()).await.expect("the evaluator of NetworkPolicies");
        let mut evaluator = Command::new(program);
        evaluator.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut evaluator = evaluator.spawn().expect("the evaluator starts");
        let mut stdin = evaluator.stdin.take().expect("standard input");
        stdin.write_all(question.to_string().as_bytes()).await.expect("it reads");
        drop(stdin);
        let answered = evaluator.wait_with_output().await.expect("it ends");
        serde_json::from_slice(&answered.stdout).expect("it answers with JSON")
    }
}
