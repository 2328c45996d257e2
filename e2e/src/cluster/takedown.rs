//! Takes a run of the cluster down, a healthy one or what an interrupted or rebooted one left: containers first, then
//! the components, then mounts, network and files. Touches processes, mounts, the network and the disk.

use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use tokio::process::Command;

use super::error::{At as _, Error};
use super::layout::Layout;
use super::plan::CONTAINERD;
use super::programs::Programs;
use super::{firewall, network, processes, traces};
use crate::command::run;

/// The components that would start something anew while the rest is being stopped.
const STARTERS: [&str; 2] = ["kubelet", "kube-controller-manager"];

/// Stops everything of the run and removes it, except for the image store.
pub async fn take_down(layout: &Layout) -> Result<(), Error> {
    if !layout.run().exists() {
        return Ok(());
    }
    let starters: Vec<_> = STARTERS.iter().filter_map(|name| processes::recorded(layout, name)).collect();
    processes::kill(&starters).await?;
    stop_containers(layout).await?;
    // Only containerd has something to keep, its images; waiting for the others to end in order would take seconds.
    processes::stop(processes::recorded(layout, CONTAINERD).as_slice()).await?;
    processes::kill(&processes::all_recorded(layout)).await?;
    unmount_below(layout.root())?;
    // A test that was ended in its midst leaves its rules, and the next cluster has the same addresses.
    firewall::clear().await?;
    network::take_down().await?;
    remove_cgroups();
    traces::remove(layout);
    std::fs::remove_dir_all(layout.run()).at("remove", layout.run())
}

/// Removes the state directory of a cluster that was taken down, with the image store and the lock.
pub async fn remove_state(layout: &Layout) -> Result<(), Error> {
    unmount_below(layout.root())?;
    tokio::fs::remove_dir_all(layout.root()).await.at("remove", layout.root())
}

/// Removes the packet filter rules of kube-proxy. Needs its program, so it is no part of `take_down`, which must
/// work even when nothing is built.
pub async fn remove_packet_filter_rules(programs: &Programs) -> Result<(), Error> {
    run(Command::new(programs.kubernetes("kube-proxy")).arg("--cleanup")).await?;
    Ok(())
}

/// Kills the first process of each container, which ends the container, and containerd's shims.
async fn stop_containers(layout: &Layout) -> Result<(), Error> {
    let tasks = traces::containers(layout);
    let containers: Vec<_> = std::fs::read_dir(&tasks)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|bundle| {
            let pid = std::fs::read_to_string(bundle.path().join("init.pid")).ok()?.trim().parse().ok()?;
            // The id may belong to another process by now: only one in this container's own control group is ours.
            let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
            let container = bundle.file_name();
            groups.contains(&*container.to_string_lossy()).then(|| processes::with_pid(pid))?
        })
        .collect();
    processes::kill(&containers).await?;
    processes::kill(&processes::working_below(&tasks)).await
}

/// Unmounts everything below `directory`, the innermost first. What a dying shim unmounts at the same time is gone too.
fn unmount_below(directory: &Path) -> Result<(), Error> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").at("read", "/proc/self/mountinfo")?;
    for mount in mounts_below(&table, directory) {
        match unmount(&mount, UnmountFlags::DETACH) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(error) => return Err(std::io::Error::from(error)).at("unmount", mount),
        }
    }
    Ok(())
}

/// The mount points below `directory`, from a table in the form of `/proc/self/mountinfo`; later mounts come first,
/// because they may lie on earlier ones.
fn mounts_below(table: &str, directory: &Path) -> Vec<PathBuf> {
    let mut mounts: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        // Only these are escaped in our paths: volume names may hold a tilde but neither tabs nor backslashes.
        .map(|path| PathBuf::from(path.replace("\\040", " ")))
        .filter(|path| path.starts_with(directory))
        .collect();
    mounts.reverse();
    mounts
}

/// The kubelet's control groups, empty by now. One that is not was not ours to remove.
fn remove_cgroups() {
    let Ok(hierarchies) = std::fs::read_dir("/sys/fs/cgroup") else { return };
    for hierarchy in hierarchies.flatten() {
        remove_cgroup(&hierarchy.path().join("kubepods"));
    }
    remove_cgroup(Path::new("/sys/fs/cgroup/kubepods"));
}

fn remove_cgroup(group: &Path) {
    let Ok(children) = std::fs::read_dir(group) else { return };
    for child in children.flatten().filter(|child| child.path().is_dir()) {
        remove_cgroup(&child.path());
    }
    std::fs::remove_dir(group).ok();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn only_mounts_below_are_found_and_the_innermost_comes_first() {
        let table = "1 0 254:0 / / rw - ext4 /dev/vda rw\n\
                     2 1 0:1 / /var/lib/creel-e2e/run/a rw - tmpfs tmpfs rw\n\
                     3 2 0:2 / /var/lib/creel-e2e/run/a/b rw - tmpfs tmpfs rw\n\
                     4 1 0:3 / /var/lib/creel-e2e-other rw - tmpfs tmpfs rw\n";
        let mounts = mounts_below(table, Path::new("/var/lib/creel-e2e"));
        assert_eq!(mounts, [Path::new("/var/lib/creel-e2e/run/a/b"), Path::new("/var/lib/creel-e2e/run/a")]);
    }
}
