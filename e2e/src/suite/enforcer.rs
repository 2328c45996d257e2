//! Enforces `NetworkPolicies` on the machine that the cluster runs on, and gives it addresses beyond the cluster that answer there.
//! kube-router's firewall does it, as in k3s. Starts a process, changes the machine's packet filter and its addresses, and puts both
//! back; writes below `target/`.

use std::fs::File;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;
use std::process::Stdio;

use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::namespace::START;
use super::wait::eventually;
use crate::chart::workspace;
use crate::cluster::{Cluster, NODE_BRIDGE, NODE_NAME, SERVICE_RANGE, clear_firewall, kube_router};
use crate::command::{CommandError, run};
use crate::progress::Progress;

const IPTABLES: &str = "/usr/sbin/iptables";
/// The chain that each packet passes which the machine forwards, once the firewall has looked at all policies.
const FORWARD: &str = "KUBE-ROUTER-FORWARD";

/// Runs a test while policies are enforced and these addresses, each with a port, answer on the machine. Afterwards, well or not, nothing
/// of it is left.
pub async fn while_enforced(addresses: &[&str], test: impl AsyncFnOnce()) {
    let cluster = Cluster::open().await.expect("a cluster");
    assert!(cluster.logs().is_some(), "this test writes to the packet filter of the machine that the cluster runs on");
    let program = kube_router(&Progress::new()).await.expect("kube-router");
    let mut firewall = start(&program, cluster.kubeconfig());
    let ended = AssertUnwindSafe(async {
        let _answering = answer(addresses).await;
        enforces().await;
        test().await;
    });
    let ended = ended.catch_unwind().await;
    firewall.kill().await.expect("kube-router can be ended");
    let cleared = clear_firewall().await;
    for host in hosts(addresses) {
        ip("delete", host).await.ok();
    }
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
    cleared.expect("the packet filter is as it was");
}

/// It ends when its `Child` is dropped, and with the thread that started it, should that be killed.
fn start(program: &Path, kubeconfig: &Path) -> Child {
    let directory = workspace().join("target/suite");
    std::fs::create_dir_all(&directory).expect("target/ can be written");
    let log = File::create(directory.join("kube-router.log")).expect("target/ can be written");
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program).arg("--kubeconfig").arg(kubeconfig);
    command.args(["--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--health-port=0"]);
    command.arg(format!("--service-cluster-ip-range={SERVICE_RANGE}"));
    command.arg(format!("--hostname-override={NODE_NAME}"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
    command.spawn().expect("kube-router starts")
}

/// Waits until its rules are there. Which Pods they speak of is for the test to see.
async fn enforces() {
    let rules = eventually(START, async || {
        let listed = run(Command::new(IPTABLES).args(["--wait", "10", "--list-rules", FORWARD])).await;
        let listed = listed.map_err(|error| error.to_string())?;
        if listed.contains("KUBE-POD-FW") { Ok(()) } else { Err(listed) }
    });
    rules.await.expect("policies are enforced");
}

/// Takes connections at these addresses until it is dropped.
async fn answer(addresses: &[&str]) -> JoinSet<()> {
    for host in hosts(addresses) {
        ip("add", host).await.expect("the machine takes the address");
    }
    let mut answering = JoinSet::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await.expect("the address can be listened at");
        answering.spawn(async move { while listener.accept().await.is_ok() {} });
    }
    answering
}

/// The addresses without their ports, each once.
fn hosts<'a>(addresses: &[&'a str]) -> Vec<&'a str> {
    let mut hosts: Vec<_> = addresses.iter().filter_map(|address| Some(address.rsplit_once(':')?.0)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// The bridge goes with the cluster, and its addresses with it.
async fn ip(action: &str, host: &str) -> Result<(), CommandError> {
    let address = format!("{host}/32");
    run(Command::new("/usr/sbin/ip").args(["address", action, &address, "dev", NODE_BRIDGE])).await.map(drop)
}
