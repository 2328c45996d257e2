//! The addresses of the cluster, and the machine's part of its network: a bridge that carries the node's address, two
//! kernel settings and, for Pods that reach the internet, two packet filter rules. Touches the machine's network.

use std::net::TcpListener;
use std::path::Path;

use tokio::process::Command;

use super::error::{At as _, Error};
use crate::command::{CommandError, run};

/// The node's own address, from a range reserved for documentation (RFC 5737), so that it meets no real network.
/// Not 192.0.2.0/24 of the same kind: virtual machines are found there.
pub const NODE_ADDRESS: &str = "198.51.100.1";
/// Where clients on this machine reach the API server.
pub const API_SERVER: &str = "127.0.0.1:6443";
pub const ETCD: &str = "127.0.0.1:2379";
pub const ETCD_PEER: &str = "127.0.0.1:2380";
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The first address of the range is the Service `kubernetes`.
pub const KUBERNETES_SERVICE: &str = "10.96.0.1";
pub const DNS_SERVICE: &str = "10.96.0.10";
pub const POD_RANGE: &str = "10.244.0.0/24";
pub const POD_BRIDGE: &str = "creel-pods";
/// A bridge without ports, because not every kernel has the `dummy` link type.
pub const NODE_BRIDGE: &str = "creel-node";

/// What listens where; each must be free before a start, so that nothing of a former run answers in its place.
const LISTENERS: [(&str, &str); 5] = [
    (API_SERVER, "kube-apiserver"),
    (ETCD, "etcd"),
    (ETCD_PEER, "etcd"),
    ("127.0.0.1:10248", "kubelet"),
    ("127.0.0.1:10256", "kube-proxy"),
];

/// Kernel settings that Services and Pods need.
const SETTINGS: [&str; 2] = ["net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"];

/// What Pods reach beyond the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    /// Nothing: foreign names do not exist and foreign addresses do not answer, so that no test depends on them.
    Sealed,
    /// What this machine reaches, under its address.
    Internet,
}

/// The packet filter rules of `Egress::Internet`: the table, then chain and rule. Services and Pods are reached by the
/// Pod's own address, as in a sealed cluster. The second matters where forwarding is refused by default, as Docker does.
const EGRESS_RULES: [(&str, &[&str]); 2] = [
    ("nat", &["POSTROUTING", "--source", POD_RANGE, "!", "--out-interface", POD_BRIDGE, "--jump", "MASQUERADE"]),
    ("filter", &["FORWARD", "--in-interface", POD_BRIDGE, "!", "--out-interface", POD_BRIDGE, "--jump", "ACCEPT"]),
];

/// Fails when a foreign process listens where the cluster is about to.
pub fn check_free() -> Result<(), Error> {
    for (address, component) in LISTENERS {
        if TcpListener::bind(address).is_err() {
            return Err(Error::AddressInUse { address: address.to_owned(), component });
        }
    }
    Ok(())
}

/// Gives the machine the node's address, the kernel settings and what `egress` needs.
pub async fn set_up(egress: Egress) -> Result<(), Error> {
    if !Path::new("/proc/sys/net/bridge").exists() {
        // Where the module is built into the kernel there is nothing to load, and the write below tells when it is missing.
        run(Command::new("modprobe").arg("br_netfilter")).await.ok();
    }
    for setting in SETTINGS {
        let path = Path::new("/proc/sys").join(setting);
        std::fs::write(&path, "1").at("set the kernel setting", &path)?;
    }
    ip(&["link", "add", NODE_BRIDGE, "type", "bridge"]).await?;
    ip(&["address", "add", &format!("{NODE_ADDRESS}/32"), "dev", NODE_BRIDGE]).await?;
    ip(&["link", "set", NODE_BRIDGE, "up"]).await?;
    // Until kube-proxy knows a Service, its address would lead out by the default route, where some networks answer for
    // every address; a client that keeps its connection would then never meet the Service. Nobody is at this bridge.
    ip(&["route", "add", SERVICE_RANGE, "dev", NODE_BRIDGE]).await?;
    if egress == Egress::Internet {
        for (table, rule) in EGRESS_RULES {
            packet_filter(table, "--append", rule).await?;
        }
    }
    Ok(())
}

/// Removes rules and bridges; those that are not there count as removed.
pub async fn take_down() -> Result<(), Error> {
    for (table, rule) in EGRESS_RULES {
        if packet_filter(table, "--check", rule).await.is_ok() {
            packet_filter(table, "--delete", rule).await?;
        }
    }
    for bridge in [NODE_BRIDGE, POD_BRIDGE] {
        if Path::new("/sys/class/net").join(bridge).exists() {
            ip(&["link", "delete", bridge]).await?;
        }
    }
    Ok(())
}

async fn packet_filter(table: &str, action: &str, rule: &[&str]) -> Result<(), CommandError> {
    // Others, kube-proxy for one, change the same tables: wait for their lock.
    run(Command::new("/usr/sbin/iptables").args(["--wait", "--table", table, action]).args(rule)).await.map(drop)
}

async fn ip(arguments: &[&str]) -> Result<(), CommandError> {
    run(Command::new("/usr/sbin/ip").args(arguments)).await.map(drop)
}
