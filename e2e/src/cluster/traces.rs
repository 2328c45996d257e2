//! What the components leave outside of the state directory, at paths that are fixed in their code: sockets, records of
//! containers, directories. Removes only what is of a container or a link of ours, and directories that are empty then.
//! Touches the disk.

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::images::CONTAINERD_NAMESPACE;
use super::layout::Layout;

const SHIM_SOCKETS: &str = "/run/containerd/s";
const RUNC_STATES: &str = "/run/containerd/runc";
const CNI_RESULTS: &str = "/var/lib/cni/results";
const DEVICE_PLUGINS: &str = "/var/lib/kubelet/device-plugins";
const FLEX_VOLUMES: &str = "/usr/libexec/kubernetes/kubelet-plugins/volume/exec";
const CONTAINER_LOGS: &str = "/var/log/containers";

/// Where containerd keeps what it knows of each running container, by the container's id.
pub fn containers(layout: &Layout) -> PathBuf {
    layout.data("containerd").join("io.containerd.runtime.v2.task").join(CONTAINERD_NAMESPACE)
}

/// Removes what a run that was stopped left; must come before the run's own directory is removed. What can't be removed
/// stays: nothing of it is in the way of a later run.
pub fn remove(layout: &Layout) {
    let runc_states = Path::new(RUNC_STATES).join(CONTAINERD_NAMESPACE);
    for container in std::fs::read_dir(containers(layout)).into_iter().flatten().flatten() {
        let address = std::fs::read_to_string(container.path().join("address")).unwrap_or_default();
        if let Some(socket) = address.trim().strip_prefix("unix://").filter(|path| path.starts_with(SHIM_SOCKETS)) {
            std::fs::remove_file(socket).ok();
        }
        std::fs::remove_dir_all(runc_states.join(container.file_name())).ok();
    }
    for result in results_of_ours(&names(Path::new(CNI_RESULTS))) {
        std::fs::remove_file(Path::new(CNI_RESULTS).join(result)).ok();
    }
    remove_log_links(layout);
    let socket = Path::new(DEVICE_PLUGINS).join("kubelet.sock");
    if UnixStream::connect(&socket).is_err() {
        std::fs::remove_file(socket).ok();
    }
    remove_while_empty(&runc_states, "/run");
    for (directory, end) in [
        (SHIM_SOCKETS, "/run"),
        (CNI_RESULTS, "/var/lib"),
        (DEVICE_PLUGINS, "/var/lib"),
        (FLEX_VOLUMES, "/usr/libexec"),
        (CONTAINER_LOGS, "/var/log"),
    ] {
        remove_while_empty(Path::new(directory), end);
    }
}

/// The kubelet links container logs there, wherever its own log directory is.
fn remove_log_links(layout: &Layout) {
    for link in std::fs::read_dir(CONTAINER_LOGS).into_iter().flatten().flatten() {
        if std::fs::read_link(link.path()).is_ok_and(|target| target.starts_with(layout.root())) {
            std::fs::remove_file(link.path()).ok();
        }
    }
}

/// Of the names of CNI's results, `<network>-<container>-<interface>`, those of the containers in our network; their
/// loopback interfaces belong to a network that other runtimes have as well.
fn results_of_ours(names: &[String]) -> Vec<&String> {
    let container = |name: &str, network: &str, interface: &str| {
        name.strip_prefix(network)?.strip_prefix('-')?.strip_suffix(interface)?.strip_suffix('-').map(str::to_owned)
    };
    let in_network = |name: &str| container(name, "creel-e2e", "eth0");
    let ours: BTreeSet<String> = names.iter().filter_map(|name| in_network(name)).collect();
    let is_ours = |name: &&String| {
        in_network(name).or_else(|| container(name, "cni-loopback", "lo")).is_some_and(|id| ours.contains(&id))
    };
    names.iter().filter(is_ours).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Removes `directory` and those that hold it, up to `end`, as long as they are empty.
fn remove_while_empty(directory: &Path, end: &str) {
    for directory in directory.ancestors().take_while(|ancestor| *ancestor != Path::new(end)) {
        // What does not exist may have been removed by hand, with the directory above it still there.
        if directory.exists() && std::fs::remove_dir(directory).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn results_of_other_networks_stay() {
        let names = ["cni-loopback-aa-lo", "cni-loopback-bb-lo", "creel-e2e-aa-eth0", "bridge-bb-eth0"];
        let names = names.map(str::to_owned);
        assert_eq!(results_of_ours(&names), ["cni-loopback-aa-lo", "creel-e2e-aa-eth0"]);
    }

    #[test]
    fn a_directory_in_use_stays_with_all_above_it() {
        let end = std::env::temp_dir().join(format!("creel-traces-{}", std::process::id()));
        std::fs::create_dir_all(end.join("a/b/c")).unwrap();
        std::fs::write(end.join("a/used"), "").unwrap();
        remove_while_empty(&end.join("a/b/c"), end.to_str().unwrap());
        assert_eq!(names(&end.join("a")), ["used"]);
        std::fs::remove_dir_all(end).unwrap();
    }
}
