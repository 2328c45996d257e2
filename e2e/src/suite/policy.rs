//! Which traffic goes through by Kubernetes' own rules for network policies, whatever the cluster's network plugin makes of them.
//! Runs a program that is built once; `Rules::of` touches the network.
//!
//! ```text
//! let rules = Rules::of(&namespace).await;                     its NetworkPolicies, as the API server has them
//! let shell = pod("10.0.0.9", ("mine", &[]), &[("app", "shell")]);
//! rules.passing(&[tcp(&shell, &outside("9.9.9.9"), 443)]).await
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, ListParams};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::namespace::TestNamespace;
use crate::cluster::network_policies;
use crate::progress::Progress;

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peer {
    pub ip: String,
    /// Absent outside of the cluster.
    pub pod: Option<Labelled>,
}

/// What policies know of a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Labelled {
    pub namespace: String,
    pub namespace_labels: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// Something outside of the cluster.
#[must_use]
pub fn outside(ip: &str) -> Peer {
    Peer { ip: ip.to_owned(), pod: None }
}

/// A Pod in a namespace that has, beside these labels, the one with its name that Kubernetes gives to each.
#[must_use]
pub fn pod(ip: &str, (namespace, namespace_labels): (&str, &[(&str, &str)]), labels: &[(&str, &str)]) -> Peer {
    let owned = |labels: &[(&str, &str)]| -> BTreeMap<String, String> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let mut namespace_labels = owned(namespace_labels);
    namespace_labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
    Peer {
        ip: ip.to_owned(),
        pod: Some(Labelled { namespace: namespace.to_owned(), namespace_labels, labels: owned(labels) }),
    }
}

/// A protocol that policies know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];
}

/// What somebody sends to somebody.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Traffic {
    pub from: Peer,
    pub to: Peer,
    pub port: u16,
    pub protocol: Protocol,
}

/// One line each, for a failed test that lists what goes through.
impl fmt::Debug for Traffic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |peer: &Peer| match &peer.pod {
            Some(pod) => format!("{} {}{:?}", peer.ip, pod.namespace, pod.labels),
            None => peer.ip.clone(),
        };
        write!(formatter, "{} → {} {:?} {}", told(&self.from), told(&self.to), self.protocol, self.port)
    }
}

/// A TCP connection.
#[must_use]
pub fn tcp(from: &Peer, to: &Peer, port: u16) -> Traffic {
    Traffic { from: from.clone(), to: to.clone(), port, protocol: Protocol::Tcp }
}

/// Policies that hold together.
#[derive(Clone, Debug)]
pub struct Rules(Vec<NetworkPolicy>);

/// What the program says of one side.
#[derive(Debug, Deserialize)]
struct Side {
    allowed: bool,
    policies: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    egress: Side,
    ingress: Side,
}

impl Rules {
    /// These policies, whole: with the namespace and the types that the API server fills in.
    #[must_use]
    pub fn new(policies: Vec<NetworkPolicy>) -> Self {
        Self(policies)
    }

    /// All policies of the namespace.
    pub async fn of(namespace: &TestNamespace) -> Self {
        let policies: Api<NetworkPolicy> = Api::namespaced(namespace.client.clone(), &namespace.name);
        Self(policies.list(&ListParams::default()).await.expect("NetworkPolicies can be listed").items)
    }

    /// Of this traffic what both sides let through, in the same order.
    pub async fn passing(&self, traffic: &[Traffic]) -> Vec<Traffic> {
        let verdicts = self.judge(traffic).await;
        let both =
            traffic.iter().zip(verdicts).filter(|(_, verdict)| verdict.egress.allowed && verdict.ingress.allowed);
        both.map(|(traffic, _)| traffic.clone()).collect()
    }

    /// The policies that select this Pod, for either direction: `<namespace>/<name>`, sorted.
    pub async fn selecting(&self, peer: &Peer) -> Vec<String> {
        let both_ways = [tcp(peer, peer, 1)];
        let verdict = self.judge(&both_ways).await.remove(0);
        let mut names = [verdict.egress.policies, verdict.ingress.policies].concat();
        names.sort();
        names.dedup();
        names
    }

    async fn judge(&self, traffic: &[Traffic]) -> Vec<Verdict> {
        let asked = json!({"policies": self.0, "traffic": traffic}).to_string();
        let mut command = Command::new(program().await);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut input = child.stdin.take().expect("its standard input");
        // It reads all before it answers.
        input.write_all(asked.as_bytes()).await.expect("the program reads");
        drop(input);
        let output = child.wait_with_output().await.expect("the program ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let verdicts: Vec<Verdict> = serde_json::from_slice(&output.stdout).expect("the program answers in JSON");
        assert_eq!(verdicts.len(), traffic.len(), "one verdict for each");
        verdicts
    }
}

/// Built once, also where several tests ask at once.
async fn program() -> &'static PathBuf {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let build = async || network_policies(&Progress::new()).await.expect("components/network-policies can be built");
    PROGRAM.get_or_init(build).await
}
