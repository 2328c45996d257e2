//! What the status of a Pod says, whatever runs in it. Pure.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

use super::conditions::reason;

/// Whether the Pod is ready.
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
}

/// Whether all of its containers have ended for good.
#[must_use]
pub fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

/// The node that it is bound to.
#[must_use]
pub fn node(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

/// Why no node can take it, in the scheduler's words.
#[must_use]
pub fn unschedulable(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition =
        conditions.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    Some(condition.message.clone().unwrap_or_default())
}

/// Init containers first.
pub fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    init.into_iter().flatten().chain(main.into_iter().flatten())
}

/// The status of the container of this name.
#[must_use]
pub fn container<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    statuses(pod).find(|status| status.name == name)
}

/// SIGKILL.
const KILLED: i32 = 137;

/// Whether the kernel killed the container, or the one process in it that matters, for want of memory. The kubelet says so only of the
/// container's first process. It kills containers itself too, but gives them their grace period before: one that lived shorter was not killed
/// by it.
#[must_use]
pub fn is_out_of_memory(ended: &ContainerStateTerminated, grace_period: Duration) -> bool {
    let times = ended.finished_at.as_ref().zip(ended.started_at.as_ref());
    let lived = times.and_then(|(finished, started)| Duration::try_from(finished.0.duration_since(started.0)).ok());
    ended.reason.as_deref() == Some("OOMKilled")
        || (ended.exit_code == KILLED && lived.is_some_and(|lived| lived < grace_period))
}

/// The memory limit of the container of this name, as the Pod has it: `400Mi`.
#[must_use]
pub fn memory_limit<'a>(pod: &'a Pod, container: &str) -> Option<&'a str> {
    let spec = pod.spec.as_ref()?;
    let mut containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let resources = containers.find(|found| found.name == container)?.resources.as_ref()?;
    Some(resources.limits.as_ref()?.get("memory")?.0.as_str())
}

/// A container that can't be started: a reason, and the kubelet's own words.
#[must_use]
pub fn held_up(pod: &str, status: &ContainerStatus) -> Option<(&'static str, String)> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let word = waiting.reason.as_deref()?;
    let message = waiting.message.clone().unwrap_or_default();
    let reason = match word {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => reason::IMAGE_PULL_FAILED,
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => reason::POD_FAILED,
        _ => return None,
    };
    Some((reason, format!("container \"{}\" of Pod \"{pod}\": {word}: {message}", status.name)))
}

/// How a container ended that does not run again, if that was a failure.
#[must_use]
pub fn crashed(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let failed = |ended: &&ContainerStateTerminated| ended.exit_code != 0;
    let state = status.state.as_ref()?;
    // After a reboot of its node it waits as well, for its first start.
    let backs_off = || state.waiting.as_ref()?.reason.as_deref().filter(|reason| *reason == "CrashLoopBackOff");
    let before = || status.last_state.as_ref()?.terminated.as_ref().filter(|_| backs_off().is_some());
    state.terminated.as_ref().filter(failed).or_else(|| before().filter(failed))
}

/// The same in words.
#[must_use]
pub fn exited(pod: &str, status: &ContainerStatus, ended: &ContainerStateTerminated) -> String {
    let words = ended.message.as_deref().map(str::trim).filter(|words| !words.is_empty()).unwrap_or("no message");
    // They are the container's own: whatever ran there may have written them.
    let words: String = words.chars().filter(|character| !character.is_control()).take(200).collect();
    format!("container \"{}\" of Pod \"{pod}\" exited with code {}: {words}", status.name, ended.exit_code)
}
