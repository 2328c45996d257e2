//! The operator as the chart installed it: its user, its writes in the audit log, its log, and how it is stopped and started.
//! Touches the network; reads the audit log, writes logs below `target/`.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;

use futures::FutureExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, LogParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::process::Command;

use super::namespace::SOON;
use super::wait::eventually;
use crate::chart::workspace;
use crate::cluster::{Cluster, RELEASE_NAME, RELEASE_NAMESPACE};
use crate::command::run;

/// The operator's user, as the API server knows it.
pub const OPERATOR_USER: &str = "system:serviceaccount:creel-system:creel-operator";
/// Its Deployment, and its Lease.
pub const OPERATOR: &str = "creel-operator";

/// Where the logs of operators lie that a test ended: `<Pod>.log`.
#[must_use]
pub fn logs_directory() -> PathBuf {
    workspace().join("target/suite/operator-logs")
}

/// A place in the audit log; what comes behind it is new. `None` for a cluster whose audit log is out of reach.
pub struct AuditLog {
    path: PathBuf,
    from: u64,
}

impl AuditLog {
    /// The audit log from its beginning.
    pub async fn whole() -> Option<Self> {
        let path = Cluster::open().await.expect("a cluster").audit_log()?;
        Some(Self { path, from: 0 })
    }

    /// The audit log from now on.
    pub async fn from_now() -> Option<Self> {
        let Self { path, .. } = Self::whole().await?;
        let from = std::fs::metadata(&path).expect("the audit log can be read").len();
        Some(Self { path, from })
    }

    /// What the operator wrote or tried to write, oldest first: `audit.k8s.io/v1` Events. Its Lease is left out.
    #[must_use]
    pub fn of_operator(&self) -> Vec<Value> {
        let mut file = File::open(&self.path).expect("the audit log can be read");
        file.seek(SeekFrom::Start(self.from)).expect("the audit log can be read");
        let lines = BufReader::new(file).lines().map(|line| line.expect("the audit log is text"));
        lines
            .filter(|line| line.contains(OPERATOR_USER))
            // The last line may still be on its way.
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .filter(|event| event["user"]["username"] == OPERATOR_USER && event["objectRef"]["resource"] != "leases")
            .collect()
    }
}

/// The operator's Pods.
pub async fn pods(client: &Client) -> Vec<Pod> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), RELEASE_NAMESPACE);
    let selector = ListParams::default().labels("app.kubernetes.io/name=creel,app.kubernetes.io/component=operator");
    pods.list(&selector).await.expect("Pods can be listed").items
}

/// Which process of the operator leads: equal to another one while it is still the same, without a pause.
#[derive(Debug, PartialEq, Eq)]
pub struct Leader {
    holder: Option<String>,
    transitions: Option<i32>,
    /// Of the containers of the operator's Pods, by UID.
    restarts: Vec<(Option<String>, i32)>,
}

impl Leader {
    /// Waits until one of the operator's Pods leads.
    pub async fn of(client: &Client) -> Self {
        let leases: Api<Lease> = Api::namespaced(client.clone(), RELEASE_NAMESPACE);
        let lease = eventually(SOON, async || {
            let names: Vec<_> = pods(client).await.iter().map(ResourceExt::name_any).collect();
            let lease = leases.get(OPERATOR).await.map_err(|error| error.to_string())?.spec.unwrap_or_default();
            let leads = lease.holder_identity.as_ref().is_some_and(|holder| names.contains(holder));
            if leads { Ok(lease) } else { Err(format!("{:?} leads, and not {names:?}", lease.holder_identity)) }
        });
        let lease = lease.await.expect("the operator leads");
        let restarts = pods(client).await.into_iter().map(|pod| {
            let containers = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
            (pod.metadata.uid, containers.iter().map(|container| container.restart_count).sum())
        });
        Self { holder: lease.holder_identity, transitions: lease.lease_transitions, restarts: restarts.collect() }
    }
}

/// Keeps the logs of the operators that run, for those who read the log of the whole run.
pub async fn keep_logs(client: &Client) {
    let api: Api<Pod> = Api::namespaced(client.clone(), RELEASE_NAMESPACE);
    std::fs::create_dir_all(logs_directory()).expect("target/ can be written");
    for pod in pods(client).await {
        if let Ok(log) = api.logs(&pod.name_any(), &LogParams::default()).await {
            let path = logs_directory().join(format!("{}.log", pod.name_any()));
            std::fs::write(path, log).expect("target/ can be written");
        }
    }
}

/// Deletes the operator's Pods and waits until others have taken over.
pub async fn restart(client: &Client) {
    keep_logs(client).await;
    let api: Api<Pod> = Api::namespaced(client.clone(), RELEASE_NAMESPACE);
    let before = pods(client).await;
    for pod in &before {
        api.delete(&pod.name_any(), &DeleteParams::default()).await.expect("a Pod can be deleted");
    }
    let replaced = eventually(SOON, async || {
        let now = pods(client).await;
        let new = now.iter().all(|pod| before.iter().all(|old| old.uid() != pod.uid()));
        if new && !now.is_empty() && now.iter().all(is_ready) { Ok(()) } else { Err(format!("{} Pods", now.len())) }
    });
    replaced.await.expect("another operator is ready");
}

/// Runs this while no operator runs; afterwards, well or not, it runs again.
pub async fn while_stopped(client: &Client, test: impl AsyncFnOnce()) {
    keep_logs(client).await;
    let ended = AssertUnwindSafe(async {
        scale(client, 0).await;
        test().await;
    });
    let ended = ended.catch_unwind().await;
    scale(client, 1).await;
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// Runs this while Creel is another release, which differs in these values of the chart; afterwards, well or not, it is what it was.
/// Each of the two begins when its operator is ready and is the only one.
pub async fn while_replaced(
    client: &Client,
    values: &[(&str, &str)],
    test: impl AsyncFnOnce(),
    after: impl AsyncFnOnce(),
) {
    keep_logs(client).await;
    let chart = workspace().join("charts/creel");
    let mut upgrade = helm("upgrade").await;
    upgrade.arg(chart).arg("--reuse-values");
    for (name, value) in values {
        upgrade.arg("--set-string").arg(format!("{name}={value}"));
    }
    let ended = AssertUnwindSafe(async {
        run(&mut upgrade).await.expect("helm upgrade");
        one_is_ready(client).await;
        test().await;
    });
    let ended = ended.catch_unwind().await;
    keep_logs(client).await;
    run(&mut helm("rollback").await).await.expect("helm rollback");
    one_is_ready(client).await;
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
    after().await;
}

/// Helm, about to do this with Creel's release and to wait for it.
async fn helm(what: &str) -> Command {
    let mut helm = Cluster::open().await.expect("a cluster").helm();
    helm.args([what, RELEASE_NAME, "--namespace", RELEASE_NAMESPACE, "--wait", "--timeout", "15m"]);
    helm
}

/// Waits until the operator before is gone, and the one that is there is ready.
async fn one_is_ready(client: &Client) {
    let ready = eventually(SOON, async || {
        let now = pods(client).await;
        if now.len() == 1 && now.iter().all(is_ready) { Ok(()) } else { Err(format!("{} Pods", now.len())) }
    });
    ready.await.expect("one operator is ready");
}

/// Scales the operator, and waits until it is so.
async fn scale(client: &Client, replicas: i32) {
    let api: Api<Deployment> = Api::namespaced(client.clone(), RELEASE_NAMESPACE);
    let change = json!({"spec": {"replicas": replicas}});
    api.patch_scale(OPERATOR, &PatchParams::default(), &Patch::Merge(&change)).await.expect("it can be scaled");
    let wanted = usize::try_from(replicas).unwrap_or_default();
    let scaled = eventually(SOON, async || {
        let now = pods(client).await;
        if now.len() == wanted && now.iter().all(is_ready) { Ok(()) } else { Err(format!("{} Pods", now.len())) }
    });
    scaled.await.expect("the operator is scaled");
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
