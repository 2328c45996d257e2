//! What a sandbox's Pod sees of its Agent's workspace. Pure.

use k8s_openapi::api::core::v1::Pod;
use kube::Resource;

use crate::api::sandbox::WorkspaceAccess;
use crate::kubernetes::pod_status::has_ended;

/// The container in which commands run.
pub const SHELL_CONTAINER: &str = "shell";
/// The gateway's claim, as a volume of the Pod.
pub const CLAIM_VOLUME: &str = "claim";

/// How the container in which commands run mounts the workspace; `None`: the Pod has no such container. The mounts of a Pod can't be
/// edited, its annotations can.
#[must_use]
pub fn access(pod: &Pod) -> Option<WorkspaceAccess> {
    let shell = pod.spec.as_ref()?.containers.iter().find(|container| container.name == SHELL_CONTAINER)?;
    let claim = shell.volume_mounts.iter().flatten().find(|mount| mount.name == CLAIM_VOLUME);
    Some(claim.map_or(WorkspaceAccess::None, |mount| match mount.read_only {
        Some(true) => WorkspaceAccess::Ro,
        _ => WorkspaceAccess::Rw,
    }))
}

/// The same of a Pod that runs or is about to; `None`: it does not.
#[must_use]
pub fn access_now(pod: &Pod) -> Option<WorkspaceAccess> {
    let lives = pod.meta().deletion_timestamp.is_none() && !has_ended(pod);
    lives.then(|| access(pod)).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(mounts: &Value) -> Pod {
        let containers = json!([{"name": "injected"}, {"name": "shell", "volumeMounts": mounts}]);
        let annotations = json!({"creel.dev/workspace-access": "rw"});
        let pod = json!({"metadata": {"annotations": annotations}, "spec": {"containers": containers}});
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn the_mounts_say_what_a_pod_sees_and_no_annotation_does() {
        let claim = |read_only: Value| json!([{"name": "claim", "mountPath": "/w", "readOnly": read_only}]);
        assert_eq!(access(&pod(&claim(json!(true)))), Some(WorkspaceAccess::Ro));
        assert_eq!(access(&pod(&claim(json!(false)))), Some(WorkspaceAccess::Rw));
        assert_eq!(access(&pod(&claim(Value::Null))), Some(WorkspaceAccess::Rw));
        assert_eq!(access(&pod(&json!([{"name": "tmp", "mountPath": "/tmp"}]))), Some(WorkspaceAccess::None));
        assert_eq!(access(&Pod::default()), None);
    }

    #[test]
    fn a_pod_that_ended_or_is_about_to_sees_nothing_now() {
        let mut ended = pod(&json!([]));
        assert_eq!(access_now(&ended), Some(WorkspaceAccess::None));
        ended.status = serde_json::from_value(json!({"phase": "Failed"})).ok();
        assert_eq!(access_now(&ended), None);
    }
}
