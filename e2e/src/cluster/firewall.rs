//! Removes what kube-router leaves in the machine's packet filter; its own `--cleanup-config` leaves everything. Touches the machine's
//! network.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::error::{At as _, Error};
use crate::command::run;

const SAVE: &str = "/usr/sbin/iptables-save";
const RESTORE: &str = "/usr/sbin/iptables-restore";
const IPSET: &str = "/usr/sbin/ipset";
/// What its chains begin with: those that all packets pass, those of a Pod, those of a policy.
const CHAINS: [&str; 3] = ["KUBE-ROUTER-", "KUBE-POD-FW-", "KUBE-NWPLCY-"];
/// The same for its sets of addresses.
const SETS: [&str; 3] = ["KUBE-SRC-", "KUBE-DST-", "kube-router-"];

/// Removes the rules, the chains and the sets. Nothing is there to remove where no firewall ran.
pub async fn clear() -> Result<(), Error> {
    if !Path::new(IPSET).exists() {
        return Ok(());
    }
    if let Some(changes) = removal(&run(Command::new(SAVE).args(["--table", "filter"])).await?) {
        restore(&changes).await?;
    }
    for set in run(Command::new(IPSET).args(["list", "-name"])).await?.lines() {
        if SETS.iter().any(|beginning| set.starts_with(beginning)) {
            run(Command::new(IPSET).args(["destroy", set])).await?;
        }
    }
    Ok(())
}

/// What `iptables-restore` is told, from what `iptables-save` said. `None`: nothing is to be removed.
fn removal(saved: &str) -> Option<String> {
    let is_its = |chain: &str| CHAINS.iter().any(|beginning| chain.starts_with(beginning));
    let chains =
        || saved.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next()).filter(|name| is_its(name));
    let mut text = "*filter\n".to_owned();
    for rule in saved.lines().filter_map(|line| line.strip_prefix("-A ")) {
        let (chain, target) = (rule.split(' ').next(), rule.rsplit(' ').next());
        if !chain.is_some_and(is_its) && target.is_some_and(is_its) {
            let _ = writeln!(text, "-D {rule}");
        }
    }
    // A chain can go when nothing jumps to it.
    for action in ["-F", "-X"] {
        for chain in chains() {
            let _ = writeln!(text, "{action} {chain}");
        }
    }
    text += "COMMIT\n";
    chains().next().map(|_| text)
}

async fn restore(changes: &str) -> Result<(), Error> {
    let restore = Path::new(RESTORE);
    let mut command = Command::new(restore);
    // Others, kube-proxy for one, change the same table: wait for their lock.
    command.args(["--noflush", "--wait"]).stdin(Stdio::piped());
    let mut child = command.spawn().at("start", restore)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(changes.as_bytes()).await.at("write to", restore)?;
    }
    let status = child.wait().await.at("wait for", restore)?;
    if status.success() {
        Ok(())
    } else {
        Err(std::io::Error::other(status.to_string())).at("change the packet filter by", restore)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn its_chains_go_with_the_jumps_to_them_and_nothing_else_does() {
        let saved = "*filter\n:INPUT ACCEPT [1:2]\n:KUBE-PROXY-FIREWALL - [0:0]\n:KUBE-ROUTER-INPUT - [0:0]\n:KUBE-POD-FW-A - [0:0]\n\
                     -A INPUT -m comment --comment \"kube-router netpol - 4I\" -j KUBE-ROUTER-INPUT\n\
                     -A INPUT -j KUBE-PROXY-FIREWALL\n-A KUBE-ROUTER-INPUT -s 10.0.0.1/32 -j KUBE-POD-FW-A\nCOMMIT\n";
        let expected = "*filter\n-D INPUT -m comment --comment \"kube-router netpol - 4I\" -j KUBE-ROUTER-INPUT\n\
                        -F KUBE-ROUTER-INPUT\n-F KUBE-POD-FW-A\n-X KUBE-ROUTER-INPUT\n-X KUBE-POD-FW-A\nCOMMIT\n";
        assert_eq!(removal(saved).unwrap(), expected);
        assert_eq!(removal("*filter\n:INPUT ACCEPT [1:2]\n-A INPUT -j ACCEPT\nCOMMIT\n"), None);
    }
}
