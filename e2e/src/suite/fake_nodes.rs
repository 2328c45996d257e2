//! Nodes without a machine, for what only several nodes show: the real scheduler places Pods on them, and kwok says that they run.
//! Starts a process; touches the network.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::connection;
use super::namespace::{SOON, TestNamespace};
use super::wait::eventually;
use crate::chart::workspace;
use crate::cluster::{Cluster, kwok};
use crate::progress::Progress;

/// Keeps every Pod away that does not ask for such a node.
const TAINT: &str = "example.com/no-machine";
/// Which test a node is for.
const GROUP: &str = "example.com/group";

/// Some nodes for one test. kwok ends when this is dropped; `remove` takes the nodes away.
pub struct FakeNodes {
    pub names: Vec<String>,
    group: String,
    nodes: Api<Node>,
    _kwok: Child,
}

impl FakeNodes {
    /// Makes so many nodes and waits until they are ready.
    pub async fn start(namespace: &TestNamespace, count: usize) -> Self {
        let group = namespace.name.clone();
        let program = kwok(&Progress::new()).await.expect("kwok");
        let cluster = Cluster::open().await.expect("a cluster");
        let log = File::create(log_path(&group)).expect("target/ can be written");
        let mut kwok = Command::new(program);
        kwok.arg("--kubeconfig").arg(cluster.kubeconfig());
        kwok.args(["--manage-all-nodes=false", &format!("--manage-nodes-with-label-selector={GROUP}={group}")]);
        // Addresses of benchmarks, where nothing answers; leases as a kubelet keeps them.
        kwok.args(["--cidr=198.18.0.1/24", "--node-lease-duration-seconds=40"]);
        kwok.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let kwok = kwok.spawn().expect("kwok starts");
        let nodes: Api<Node> = Api::all(connection::client().await);
        let names: Vec<_> = (0..count).map(|number| format!("{group}-{number}")).collect();
        for name in &names {
            nodes.create(&PostParams::default(), &node(name, &group)).await.expect("a node can be made");
        }
        let fake = Self { names, group, nodes, _kwok: kwok };
        for name in &fake.names {
            let ready = eventually(SOON, async || fake.ready(name).await);
            ready.await.unwrap_or_else(|seen| panic!("node {name}, see {}: {seen}", log_path(&fake.group).display()));
        }
        fake
    }

    /// Fields of a Pod template that bring a Pod to these nodes and no other.
    #[must_use]
    pub fn placement(&self) -> Value {
        json!({"nodeSelector": {GROUP: self.group}, "tolerations": [{"key": TAINT, "operator": "Exists"}]})
    }

    /// Whether new Pods may come to the node, as `kubectl cordon` and `uncordon` set it.
    pub async fn schedulable(&self, name: &str, schedulable: bool) {
        let change = json!({"spec": {"unschedulable": !schedulable}});
        self.nodes.patch(name, &PatchParams::default(), &Patch::Merge(&change)).await.expect("a node can be changed");
    }

    /// Takes the nodes away.
    pub async fn remove(self) {
        for name in &self.names {
            self.nodes.delete(name, &DeleteParams::default()).await.expect("a node can be deleted");
        }
    }

    async fn ready(&self, name: &str) -> Result<(), String> {
        let node = self.nodes.get(name).await.map_err(|error| error.to_string())?;
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        if ready { Ok(()) } else { Err(format!("{conditions:?}")) }
    }
}

fn log_path(group: &str) -> PathBuf {
    let directory = workspace().join("target/suite");
    std::fs::create_dir_all(&directory).expect("target/ can be written");
    directory.join(format!("kwok-{group}.log"))
}

fn node(name: &str, group: &str) -> Node {
    let room = json!({"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"});
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", GROUP: group}},
        "spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]},
        "status": {"allocatable": room, "capacity": room},
    }))
    .expect("a node")
}
