//! The status of a gateway's Pod: whether it answers, and if not, why. Pure.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};
use kube::ResourceExt;

use super::build::pod_spec::{CLAIM_LOCK_CONTAINER, GATEWAY_CONTAINER};
use crate::kubernetes::conditions::reason;
use crate::kubernetes::pod_status::{
    container, crashed, exited, has_ended, held_up, is_out_of_memory, is_ready, memory_limit, statuses, unschedulable,
};
use crate::kubernetes::printable::printable;
use crate::naming::PLAN;
use crate::openclaw::exit::{self, Exit};
use crate::openclaw::paths;

/// What the kubelet gives the gateway to end.
const GRACE_PERIOD: Duration = Duration::from_secs(paths::TERMINATION_GRACE_SECONDS.unsigned_abs());

/// Characters of creel-shell's message that go into a condition.
const MESSAGE_LIMIT: usize = 600;

/// How a gateway's Pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodState {
    /// The gateway answers.
    Ready,
    /// Starting, or held up by something that ends without help.
    Waiting { reason: &'static str, message: String },
    /// Something that a person has to fix.
    Broken { reason: &'static str, message: String },
    /// The gateway rejected its configuration and exited.
    ConfigurationRejected { message: String },
}

/// The newest Pod of this plan that is not on its way out.
#[must_use]
pub fn current<'a>(pods: &'a [Arc<Pod>], plan: &str) -> Option<&'a Arc<Pod>> {
    newest(pods.iter().filter(|pod| pod.annotations().get(PLAN).is_some_and(|of| of == plan)))
}

/// The newest of these Pods that is not on its way out.
#[must_use]
pub fn newest<'a>(pods: impl Iterator<Item = &'a Arc<Pod>>) -> Option<&'a Arc<Pod>> {
    pods.filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .filter(|pod| !has_ended(pod))
        .max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

/// The Pod's address, once it has one.
#[must_use]
pub fn address(pod: &Pod) -> Option<std::net::IpAddr> {
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
}

/// What identifies one run of the gateway's process: the Pod and how often its container was restarted.
#[must_use]
pub fn run(pod: &Pod) -> String {
    let restarts = container(pod, GATEWAY_CONTAINER).map_or(0, |status| status.restart_count);
    format!("{}/{restarts}", pod.uid().unwrap_or_default())
}

/// How the Pod is. `others`: whether the gateway has another Pod, which may still hold the claim.
#[must_use]
pub fn state(pod: &Pod, others: bool) -> PodState {
    if is_ready(pod) {
        return PodState::Ready;
    }
    let waiting = |reason, message: String| PodState::Waiting { reason, message };
    let name = pod.name_any();
    if let Some(message) = unschedulable(pod) {
        return waiting(reason::UNSCHEDULABLE, format!("Pod \"{name}\" cannot be scheduled: {message}"));
    }
    for status in statuses(pod) {
        if let Some((reason, message)) = held_up(&name, status) {
            return PodState::Broken { reason, message };
        }
    }
    let lock = container(pod, CLAIM_LOCK_CONTAINER).and_then(last_exit);
    if let Some(unusable) = lock.and_then(|ended| unusable_claim(&name, &ended.message?)) {
        return unusable;
    }
    if let Some(ended) = container(pod, GATEWAY_CONTAINER).and_then(last_exit) {
        return exit_state(pod, &ended);
    }
    if let Some(state) = statuses(pod).find_map(|status| Some(beside_gateway(pod, status, crashed(status)?))) {
        return state;
    }
    let waits_for_lock = container(pod, CLAIM_LOCK_CONTAINER).is_some_and(|lock| {
        lock.state.as_ref().is_some_and(|state| state.running.is_some()) && lock.started != Some(true)
    });
    if others && waits_for_lock {
        return waiting(
            reason::WAITING_FOR_PREVIOUS_POD,
            format!("Pod \"{name}\" is waiting for the previous gateway to exit and release the claim"),
        );
    }
    waiting(reason::STARTING, format!("Pod \"{name}\" is starting"))
}

/// How the gateway ended, unless it runs again and only has not answered yet for the first time.
fn last_exit(status: &ContainerStatus) -> Option<ContainerStateTerminated> {
    let terminated =
        |state: &Option<ContainerState>| -> Option<ContainerStateTerminated> { state.as_ref()?.terminated.clone() };
    let runs = status.state.as_ref().is_some_and(|state| state.running.is_some());
    terminated(&status.state).or_else(|| terminated(&status.last_state).filter(|_| !runs))
}

/// A container beside the gateway's that failed: without it the Pod is not ready, and nobody reaches the gateway.
fn beside_gateway(pod: &Pod, status: &ContainerStatus, ended: &ContainerStateTerminated) -> PodState {
    let (name, container) = (pod.name_any(), &status.name);
    if is_out_of_memory(ended, GRACE_PERIOD) {
        let limit = memory_limit(pod, container).unwrap_or("none");
        let message = format!(
            "container \"{container}\" of Pod \"{name}\" ran out of memory (its limit: {limit}, which Creel sets)"
        );
        return PodState::Broken { reason: reason::OUT_OF_MEMORY, message };
    }
    PodState::Broken { reason: reason::POD_FAILED, message: exited(&name, status, ended) }
}

/// How the messages of creel-shell begin: about a directory that the claim should have, and about what it can't do there.
pub const NO_DIRECTORY: &str = "the volume has no directory";
const CANNOT: &str = "cannot ";

/// Why the sidecar does not let the gateway start; `None`: its last words are no failure.
fn unusable_claim(pod: &str, message: &str) -> Option<PodState> {
    let words = message.lines().rev().find(|line| !line.trim().is_empty())?;
    let words: String = printable(words).chars().take(MESSAGE_LIMIT).collect();
    let (reason, remedy) = if words.starts_with(NO_DIRECTORY) {
        let remedy = ": correct spec.gateway.storage.adopt, or create the Agent with the id of an agent on the claim as its name";
        (reason::ADOPTED_DATA_NOT_FOUND, remedy)
    } else if words.starts_with(CANNOT) {
        (reason::STATE_NOT_WRITABLE, "")
    } else {
        return None;
    };
    Some(PodState::Broken { reason, message: format!("Pod \"{pod}\" cannot use its claim: {words}{remedy}") })
}

fn exit_state(pod: &Pod, ended: &ContainerStateTerminated) -> PodState {
    let broken = |reason, message: String| PodState::Broken { reason, message };
    let (code, limit) = (ended.exit_code, memory_limit(pod, GATEWAY_CONTAINER).unwrap_or("none"));
    let exit = if is_out_of_memory(ended, GRACE_PERIOD) {
        Exit::OutOfMemory
    } else {
        exit::read(code, ended.message.as_deref().unwrap_or_default())
    };
    let pod = pod.name_any();
    match exit {
        Exit::OutOfMemory => broken(
            reason::OUT_OF_MEMORY,
            format!(
                "container \"{GATEWAY_CONTAINER}\" of Pod \"{pod}\" ran out of memory (its limit: {limit}): raise spec.gateway.resources.limits.memory"
            ),
        ),
        Exit::StateNewer(words) => broken(
            reason::STATE_NEWER,
            format!(
                "Pod \"{pod}\": a newer version of OpenClaw wrote the state on the claim: use that version or a later one in spec.gateway.image, or restore a backup: {words}"
            ),
        ),
        Exit::ConfigurationRefused(message) => PodState::ConfigurationRejected { message },
        Exit::StateInUse => PodState::Waiting {
            reason: reason::STATE_IN_USE,
            message: format!("Pod \"{pod}\": another gateway is still using the state on the claim"),
        },
        Exit::StateNotWritable(words) => broken(
            reason::STATE_NOT_WRITABLE,
            format!("Pod \"{pod}\" cannot write to its claim (the gateway runs as user 1000): {words}"),
        ),
        Exit::SecretsUnavailable => broken(
            reason::SECRETS_UNAVAILABLE,
            format!(
                "Pod \"{pod}\" started without the gateway's token: check the Secret in status.gateway.tokenSecret"
            ),
        ),
        Exit::Other(words) => {
            let words = words.map_or_else(|| " without a message".to_owned(), |words| format!(": {words}"));
            broken(reason::GATEWAY_CRASHED, format!("the gateway in Pod \"{pod}\" exited with code {code}{words}"))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "a", "uid": "u"}, "status": status})).unwrap()
    }

    #[test]
    fn a_pod_whose_sidecar_has_no_lock_yet_waits_for_the_one_before_it() {
        let lock = json!({"name": CLAIM_LOCK_CONTAINER, "image": "", "imageID": "", "ready": false, "restartCount": 0, "started": false,
                          "state": {"running": {}}});
        let PodState::Waiting { reason, .. } = state(&pod(&json!({"initContainerStatuses": [lock]})), true) else {
            panic!()
        };
        assert_eq!(reason, reason::WAITING_FOR_PREVIOUS_POD);
    }

    /// The state of a Pod whose sidecar ended with this message.
    fn without_a_lock(message: &str) -> PodState {
        let lock = json!({"name": CLAIM_LOCK_CONTAINER, "image": "", "imageID": "", "ready": false, "restartCount": 3,
                          "started": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                          "lastState": {"terminated": {"exitCode": 1, "message": message}}});
        state(&pod(&json!({"initContainerStatuses": [lock]})), false)
    }

    #[test]
    fn a_claim_without_the_agent_that_is_to_be_adopted_is_told_with_what_it_has_and_what_to_do() {
        let found = "the volume has no directory `agents/concierge`; the directories in `agents` are `main`";
        let remedy =
            "correct spec.gateway.storage.adopt, or create the Agent with the id of an agent on the claim as its name";
        let message = format!("Pod \"a\" cannot use its claim: {found}: {remedy}");
        let state = without_a_lock(&format!("waiting for the previous gateway to end\n{found}\n"));
        assert_eq!(state, PodState::Broken { reason: reason::ADOPTED_DATA_NOT_FOUND, message });
    }

    #[test]
    fn a_claim_that_the_sidecar_cannot_write_to_is_told_in_its_words() {
        let words = "cannot create /home/node/.openclaw/.creel-lock: Permission denied (os error 13); the volume must be writable for this user";
        let message = format!("Pod \"a\" cannot use its claim: {words}");
        assert_eq!(without_a_lock(words), PodState::Broken { reason: reason::STATE_NOT_WRITABLE, message });
        let killed = without_a_lock("locked /home/node/.openclaw: the gateway can start");
        assert!(matches!(killed, PodState::Broken { reason: reason::POD_FAILED, .. }), "{killed:?}");
    }

    #[test]
    fn a_gateway_that_runs_again_is_not_judged_by_how_it_ended_before() {
        let ended = json!({"exitCode": 78, "message": "Invalid config: gateway: Unrecognized key"});
        let gateway = json!({"name": "gateway", "image": "", "imageID": "", "ready": false, "restartCount": 1,
                             "state": {"running": {}}, "lastState": {"terminated": ended}});
        let PodState::Waiting { reason, .. } = state(&pod(&json!({"containerStatuses": [gateway]})), false) else {
            panic!()
        };
        assert_eq!(reason, reason::STARTING);
    }

    /// The state of a Pod with this memory limit whose gateway ended so.
    fn ended(limit: &str, terminated: &Value) -> (&'static str, String) {
        let gateway = json!({"name": "gateway", "image": "", "imageID": "", "ready": false, "restartCount": 3,
                             "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": terminated}});
        let mut pod = pod(&json!({"containerStatuses": [gateway]}));
        let spec = json!({"containers": [{"name": "gateway", "resources": {"limits": {"memory": limit}}}]});
        pod.spec = serde_json::from_value(spec).unwrap();
        let PodState::Broken { reason, message } = state(&pod, false) else { panic!() };
        (reason, message)
    }

    #[test]
    fn a_gateway_that_runs_out_of_memory_is_told_the_container_the_limit_and_the_field_to_raise() {
        let expected = "container \"gateway\" of Pod \"a\" ran out of memory (its limit: 400Mi): raise spec.gateway.resources.limits.memory";
        for terminated in [
            json!({"exitCode": 137, "reason": "OOMKilled"}),
            json!({"exitCode": 137, "reason": "Error", "message": "starting HTTP server...",
                   "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:09Z"}),
            json!({"exitCode": 134, "reason": "Error", "message": "FATAL ERROR: JavaScript heap out of memory"}),
        ] {
            assert_eq!(ended("400Mi", &terminated), (reason::OUT_OF_MEMORY, expected.to_owned()));
        }
    }

    #[test]
    fn a_gateway_that_the_kubelet_killed_at_the_end_of_its_grace_period_did_not_run_out_of_memory() {
        let killed = json!({"exitCode": 137, "reason": "Error", "message": "busy",
                            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:07:00Z"});
        assert_eq!(ended("2Gi", &killed).0, reason::GATEWAY_CRASHED);
    }

    #[test]
    fn a_claim_that_a_newer_version_wrote_is_told_with_the_field_and_the_words_of_the_gateway() {
        let words = "Gateway refused startup because 1 OpenClaw database schema(s) are newer than this build.";
        let (reason, message) = ended("2Gi", &json!({"exitCode": 78, "reason": "Error", "message": words}));
        assert_eq!(reason, reason::STATE_NEWER);
        assert!(message.contains("spec.gateway.image") && message.ends_with(words), "{message}");
    }

    /// The state of a Pod whose gateway runs, or waits for it, and whose other container of this name is in this state.
    fn beside(name: &str, status: &Value) -> PodState {
        let common = json!({"image": "", "imageID": "", "ready": false, "restartCount": 3});
        let with = |name: &str, status: &Value| {
            let mut all = common.clone();
            all["name"] = json!(name);
            all.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
            all
        };
        let gateway = with("gateway", &json!({"state": {"running": {}}}));
        let statuses = json!({"initContainerStatuses": [with(name, status)], "containerStatuses": [gateway]});
        let mut pod = pod(&statuses);
        let limits = json!({"limits": {"memory": "160Mi"}});
        let spec = json!({"containers": [], "initContainers": [{"name": name, "resources": limits}]});
        pod.spec = serde_json::from_value(spec).unwrap();
        state(&pod, false)
    }

    #[test]
    fn a_container_beside_the_gateway_that_crashes_is_told_by_name() {
        let crashes = |ended: &Value| json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended}});
        let broken = |reason, message: &str| PodState::Broken { reason, message: message.to_owned() };
        let words = json!({"exitCode": 1, "message": "no client can be read\n"});
        for name in ["relay", CLAIM_LOCK_CONTAINER, "install"] {
            let message = format!("container \"{name}\" of Pod \"a\" exited with code 1: no client can be read");
            assert_eq!(beside(name, &crashes(&words)), broken(reason::POD_FAILED, &message));
        }
        let memory = "container \"relay\" of Pod \"a\" ran out of memory (its limit: 160Mi, which Creel sets)";
        let killed = crashes(&json!({"exitCode": 137, "reason": "OOMKilled"}));
        assert_eq!(beside("relay", &killed), broken(reason::OUT_OF_MEMORY, memory));
        let no_image = json!({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}});
        let message = "container \"relay\" of Pod \"a\": ImagePullBackOff: not found";
        assert_eq!(beside("relay", &no_image), broken(reason::IMAGE_PULL_FAILED, message));
    }

    #[test]
    fn a_container_beside_the_gateway_that_runs_again_or_is_done_is_not_judged_by_how_it_ended() {
        let failed = json!({"terminated": {"exitCode": 1}});
        for status in [
            json!({"state": {"running": {}}, "lastState": failed}),
            json!({"state": {"terminated": {"exitCode": 0}}, "lastState": failed}),
        ] {
            assert!(matches!(beside("relay", &status), PodState::Waiting { reason: reason::STARTING, .. }), "{status}");
        }
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_named() {
        let gateway = json!({"name": "gateway", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                             "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}});
        let PodState::Broken { reason, message } = state(&pod(&json!({"containerStatuses": [gateway]})), false) else {
            panic!()
        };
        assert_eq!(reason, reason::IMAGE_PULL_FAILED);
        assert!(message.contains("container \"gateway\" of Pod \"a\""), "{message}");
    }
}
