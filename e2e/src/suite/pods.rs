//! Pods of gateways and sandboxes: which one runs now, how often its containers were restarted, and what it looks like from within.
//! Runs kubectl; touches the network.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};

use super::namespace::{START, TestNamespace};
use crate::cluster::Cluster;
use crate::command::run;

/// What must stay the same when nothing may restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningPod {
    pub name: String,
    pub uid: String,
    /// Of all containers together.
    pub restarts: i32,
}

impl TestNamespace {
    /// The Pods of the gateway that the Agent `owner` owns; those that end are among them.
    pub async fn pods(&self, owner: &str) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.name);
        let selector = ListParams::default().labels(&format!("creel.dev/gateway={owner}"));
        pods.list(&selector).await.expect("Pods can be listed").items
    }

    /// All Pods of the gateway that do not end: one, while nothing is recreated.
    pub async fn running(&self, owner: &str) -> Vec<RunningPod> {
        let pods = self.pods(owner).await;
        pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).map(RunningPod::of).collect()
    }

    /// The one Pod of the gateway, which is there.
    pub async fn gateway(&self, owner: &str) -> RunningPod {
        let mut running = self.running(owner).await;
        assert_eq!(running.len(), 1, "Agent {owner} has one gateway Pod: {running:?}");
        running.remove(0)
    }

    /// Waits until another Pod than `before` is the only one and its gateway answers.
    pub async fn replaced(&self, owner: &str, before: &RunningPod) -> RunningPod {
        self.eventually(&format!("another Pod than {} answers", before.name), START, async || {
            let running = self.pods(owner).await;
            match running.as_slice() {
                [pod] if pod.uid().as_deref() != Some(&before.uid) && is_ready(pod) => Ok(RunningPod::of(pod)),
                _ => Err(format!("{:?}", running.iter().map(RunningPod::of).collect::<Vec<_>>())),
            }
        })
        .await
    }

    /// Runs a script in a container as `kubectl exec` does, and returns what it said.
    pub async fn in_container(&self, pod: &str, container: &str, script: &str) -> String {
        self.try_in_container(pod, container, script)
            .await
            .unwrap_or_else(|said| panic!("in {container} of {pod}: {said}"))
    }

    /// The same; `Err` says how the script failed.
    pub async fn try_in_container(&self, pod: &str, container: &str, script: &str) -> Result<String, String> {
        let mut kubectl = Cluster::open().await.expect("a cluster").kubectl();
        kubectl.args(["exec", "--namespace", &self.name, pod, "--container", container, "--", "sh", "-c", script]);
        run(&mut kubectl).await.map_err(|error| error.to_string())
    }

    /// Deletes the Pod as `kubectl delete pod --wait=false` does.
    pub async fn delete_pod(&self, pod: &RunningPod) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.name);
        pods.delete(&pod.name, &DeleteParams::default()).await.expect("the Pod can be deleted");
    }
}

/// Whether the Pod's containers are ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
}

impl RunningPod {
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let init = status.and_then(|status| status.init_container_statuses.as_ref());
        let main = status.and_then(|status| status.container_statuses.as_ref());
        let restarts = init.into_iter().flatten().chain(main.into_iter().flatten()).map(|status| status.restart_count);
        Self { name: pod.name_any(), uid: pod.uid().unwrap_or_default(), restarts: restarts.sum() }
    }
}
