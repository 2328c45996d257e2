//! What the idle operator holds in memory. Touches the network, and reads `/proc` where the operator runs on this machine.

use std::fs;
use std::path::Path;

use hyper::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::Value;

use super::error::{Asking, Error};
use super::table::{Row, Unit};
use crate::cluster::RELEASE_NAMESPACE;

/// Goal in MiB.
const GOAL: f64 = 20.0;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// MiB of the operator.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// What the kernel counts, with the pages of the binary that are in memory. `None`: the operator runs on another machine.
    pub resident: Option<f64>,
    /// What the kubelet counts, without them.
    pub working_set: Option<f64>,
}

/// What the idle operator holds.
pub async fn measure(client: &kube::Client) -> Result<Vec<Row>, Error> {
    let Held { resident, working_set } = held(client).await?;
    let row = |measure: &str, value| Row::new(measure, Unit::Mebibytes, value).goal(GOAL);
    Ok(vec![row("idle operator: resident (VmRSS)", resident), row("idle operator: working set (kubelet)", working_set)])
}

/// What the operator holds now.
pub async fn held(client: &kube::Client) -> Result<Held, Error> {
    let pod = operator(client).await?;
    let (name, uid) = (pod.name_any(), pod.uid().unwrap_or_default());
    let missing = || Error::Missing(format!("the node of Pod {name}"));
    let node = pod.spec.and_then(|spec| spec.node_name).ok_or_else(missing)?;
    let uri = format!("/api/v1/nodes/{node}/proxy/stats/summary?only_cpu_and_memory=true");
    let request = Request::get(uri).body(Vec::new()).map_err(|_| missing())?;
    let summary: Value = client.request(request).await.asking(format!("read the statistics of node {node}"))?;
    let resident = resident(&uid).map(|kibibytes| kibibytes * 1024.0 / MEBIBYTE);
    Ok(Held { resident, working_set: working_set(&summary, &uid).map(|bytes| bytes / MEBIBYTE) })
}

/// The operator's Pod.
pub async fn operator(client: &kube::Client) -> Result<Pod, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), RELEASE_NAMESPACE);
    let selector = ListParams::default().labels("app.kubernetes.io/name=creel").fields("status.phase=Running");
    let found = pods.list(&selector).await.asking("list the operator's Pods")?;
    found.items.into_iter().next().ok_or_else(|| Error::Missing(format!("a running operator in {RELEASE_NAMESPACE}")))
}

/// Bytes of the Pod's one container in the kubelet's summary.
fn working_set(summary: &Value, uid: &str) -> Option<f64> {
    let pod = summary["pods"].as_array()?.iter().find(|pod| pod["podRef"]["uid"] == uid)?;
    pod["containers"].as_array()?.first()?["memory"]["workingSetBytes"].as_f64()
}

/// KiB of the operator's process, if it is one of this machine: the one in the Pod's control group that is called `creel`.
fn resident(uid: &str) -> Option<f64> {
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.map(|process| process.path()).find_map(|process| {
        let group = read(&process, "cgroup")?;
        let is_operator = group.contains(uid) && read(&process, "comm")?.trim() == "creel";
        if is_operator { vm_rss(&read(&process, "status")?) } else { None }
    })
}

/// `None` also for a process that ended meanwhile.
fn read(process: &Path, file: &str) -> Option<String> {
    fs::read_to_string(process.join(file)).ok()
}

fn vm_rss(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resident_memory_is_read_from_the_kernels_text() {
        assert_eq!(vm_rss("Name:\tcreel\nVmHWM:\t   14960 kB\nVmRSS:\t   14760 kB\n"), Some(14760.0));
        assert_eq!(vm_rss("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn the_working_set_is_that_of_the_operators_pod() {
        let container = |bytes: u64| json!([{"name": "operator", "memory": {"workingSetBytes": bytes}}]);
        let pod = |uid: &str, bytes| json!({"podRef": {"uid": uid}, "containers": container(bytes)});
        let summary = json!({"pods": [pod("other", 1), pod("ours", 2)]});
        assert_eq!(working_set(&summary, "ours"), Some(2.0));
        assert_eq!(working_set(&summary, "none"), None);
    }
}
