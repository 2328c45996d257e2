//! Nodes without a machine, for what only several nodes show: the real scheduler places Pods on them, and kwok says that they run.
//! Starts a process; touches the network, writes below `target/`.

use std::fs::File;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::process::Stdio;

use futures::FutureExt;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::connection;
use super::namespace::SOON;
use super::secrets::random;
use super::wait::eventually;
use crate::chart::workspace;
use crate::cluster::{Cluster, kwok};
use crate::progress::Progress;

/// Without stages kwok does nothing, and ends.
const STAGES: &str = include_str!("fixtures/kwok-stages.yaml");
/// Keeps every Pod away that does not ask for such a node.
const TAINT: &str = "example.com/no-machine";
/// Which test a node is for.
const GROUP: &str = "example.com/group";
/// The address that a Pod with this label is said to have.
const ADDRESS: &str = "example.com/address";
/// Of the Services' range, which leads nowhere: who calls such a Pod disturbs no stranger.
const POD_RANGE: &str = "10.96.255.0/24";
/// A node that is not heard of for so many seconds is lost.
const LEASE_SECONDS: &str = "40";

/// Some nodes for one test.
pub struct FakeNodes {
    group: String,
    names: Vec<String>,
    nodes: Api<Node>,
    pods: Api<Pod>,
    kwok: Child,
}

/// Runs a test beside so many nodes. They and the Pods on them are gone when it ends, well or not: the test's namespace belongs within.
pub async fn with_fake_nodes(count: usize, test: impl AsyncFnOnce(&FakeNodes)) {
    let fake = FakeNodes::start(count).await;
    let ended = AssertUnwindSafe(async {
        fake.are_ready().await;
        test(&fake).await;
    });
    let ended = ended.catch_unwind().await;
    let removed = AssertUnwindSafe(fake.remove()).catch_unwind().await;
    if let Err(panic) = ended.and(removed) {
        resume_unwind(panic);
    }
}

impl FakeNodes {
    /// Fields of a Pod template that bring a Pod to these nodes and no other.
    #[must_use]
    pub fn placement(&self) -> Value {
        json!({"nodeSelector": {GROUP: self.group}, "tolerations": [{"key": TAINT, "operator": "Exists"}]})
    }

    /// The same for Pods that are said to have this address: who calls one calls whoever listens there.
    #[must_use]
    pub fn placement_at(&self, address: &str) -> Value {
        let mut placement = self.placement();
        placement["metadata"] = json!({"labels": {ADDRESS: address}});
        placement
    }

    /// Whether new Pods may come to the node, as `kubectl cordon` and `uncordon` set it.
    pub async fn schedulable(&self, name: &str, schedulable: bool) {
        let change = json!({"spec": {"unschedulable": !schedulable}});
        self.nodes.patch(name, &PatchParams::default(), &Patch::Merge(&change)).await.expect("a node can be changed");
    }

    async fn start(count: usize) -> Self {
        let group = format!("fake-{}", random(6));
        let kwok = run_kwok(&group).await;
        let client = connection::client().await;
        let nodes: Api<Node> = Api::all(client.clone());
        let names: Vec<_> = (0..count).map(|number| format!("{group}-{number}")).collect();
        for name in &names {
            nodes.create(&PostParams::default(), &node(name, &group)).await.expect("a node can be made");
        }
        Self { group, names, nodes, pods: Api::all(client), kwok }
    }

    async fn are_ready(&self) {
        for name in &self.names {
            let ready = eventually(SOON, async || {
                let node = self.nodes.get(name).await.map_err(|error| error.to_string())?;
                let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
                // Kubernetes takes its own taint away once the node is ready.
                if taints.len() == 1 { Ok(()) } else { Err(format!("{taints:?}")) }
            });
            ready
                .await
                .unwrap_or_else(|seen| panic!("node {name}, see {}: {seen}", file(&self.group, "log").display()));
        }
    }

    /// Waits for the Pods, whose namespace is deleted, while somebody is there to say that they ended.
    async fn remove(mut self) {
        for name in &self.names {
            let here = ListParams::default().fields(&format!("spec.nodeName={name}"));
            let empty = eventually(SOON, async || {
                let pods = self.pods.list(&here).await.map_err(|error| error.to_string())?.items;
                let left: Vec<_> = pods.iter().map(ResourceExt::name_any).collect();
                if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
            });
            if let Err(seen) = empty.await {
                eprintln!("Pods on node {name} do not end: {seen}");
            }
            self.nodes.delete(name, &DeleteParams::default()).await.expect("a node can be deleted");
        }
        self.kwok.kill().await.expect("kwok can be ended");
    }
}

/// It ends when its `Child` is dropped, and with the thread that started it, should that be killed.
async fn run_kwok(group: &str) -> Child {
    let program = kwok(&Progress::new()).await.expect("kwok");
    let cluster = Cluster::open().await.expect("a cluster");
    let (log, stages) = (file(group, "log"), file(group, "yaml"));
    std::fs::write(&stages, STAGES).expect("target/ can be written");
    let mut kwok = Command::new("/usr/bin/setpriv");
    kwok.args(["--pdeathsig", "KILL"]).arg(program);
    kwok.arg("--kubeconfig").arg(cluster.kubeconfig()).arg("--config").arg(stages);
    kwok.arg(format!("--manage-nodes-with-label-selector={GROUP}={group}"));
    kwok.args(["--cidr", POD_RANGE, "--node-lease-duration-seconds", LEASE_SECONDS]);
    let log = File::create(log).expect("target/ can be written");
    kwok.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
    kwok.spawn().expect("kwok starts")
}

fn file(group: &str, extension: &str) -> PathBuf {
    let directory = workspace().join("target/suite");
    std::fs::create_dir_all(&directory).expect("target/ can be written");
    directory.join(format!("kwok-{group}.{extension}"))
}

fn node(name: &str, group: &str) -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", GROUP: group}},
        "spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]},
    }))
    .expect("a node")
}
