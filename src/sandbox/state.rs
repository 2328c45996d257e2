//! What a reconcile of a sandbox found, for the status of its Agent and of its Sandbox. Pure.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::apply::Applied;
use super::build::pod::SHELL_CONTAINER;
use super::gather::Gathered;
use super::isolation;
use super::step::{Decision, Step};
use super::validate::Verdict;
use crate::api::Agent;
use crate::api::sandbox::SandboxUse;
use crate::kubernetes::conditions::{Desired, ISOLATION_VERIFIED, SANDBOX_READY, Status, reason};
use crate::kubernetes::pod_status::{
    container, crashed, exited, has_ended, held_up, is_ready, node, statuses, unschedulable,
};
use crate::kubernetes::spec_version::SpecVersion;
use crate::naming::SandboxNames;
use crate::pods::trial::Refusal;
use crate::references::digests::Fault;
use crate::world::sandbox_states::SandboxState;

/// A kubelet confirms the end of a Pod within this time after its grace period, or its node is lost.
const CONFIRMED: Duration = Duration::from_secs(30);

/// What the steps of a reconcile gave.
#[derive(Debug)]
pub struct Reconciled<'a> {
    pub gathered: &'a Gathered,
    pub verdict: &'a Verdict,
    pub decision: &'a Decision,
    pub applied: &'a Applied,
}

/// The state after the pass.
#[must_use]
pub fn state(found: &Reconciled<'_>, api_server: Option<SocketAddr>, paused: bool, now: Timestamp) -> SandboxState {
    let gathered = found.gathered;
    let pod = gathered.live.pod.as_deref().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let sandbox = gathered.sandbox.as_ref();
    let wanted = sandbox.map(|sandbox| isolation::targets(&sandbox.spec, api_server)).unwrap_or_default();
    let ready = if paused {
        let message = "The annotation creel.dev/paused is set: Creel changes nothing.";
        Desired::new(SANDBOX_READY, Status::Unknown, reason::PAUSED, message)
    } else {
        ready(found, now)
    };
    let replaces = replaces(found) && !paused;
    SandboxState {
        access: gathered.live.access().unwrap_or_else(|| gathered.access()),
        ready,
        isolation: isolation::verified(pod, &wanted, api_server),
        pending: if replaces { String::new() } else { found.decision.changes.join("; ") },
        ..unknown(&gathered.agent, &gathered.used)
    }
}

/// The state where not even the sandbox's own Secret can be had.
#[must_use]
pub fn blocked(agent: &Agent, used: &SandboxUse, fault: &Fault) -> SandboxState {
    SandboxState { ready: in_the_way(fault), ..unknown(agent, used) }
}

/// What is in the way of the children.
fn in_the_way(fault: &Fault) -> Desired {
    let status = if fault.is_transient() { Status::Unknown } else { Status::False };
    Desired::new(SANDBOX_READY, status, fault.reason, &fault.message)
}

fn unknown(agent: &Agent, used: &SandboxUse) -> SandboxState {
    let unknown = |kind, reason| Desired::new(kind, Status::Unknown, reason, "The sandbox has not been checked yet.");
    SandboxState {
        sandbox: used.reference.name.clone(),
        access: used.workspace_access.unwrap_or_default(),
        ready: unknown(SANDBOX_READY, reason::PENDING),
        isolation: unknown(ISOLATION_VERIFIED, reason::NOT_VERIFIED),
        pending: String::new(),
        agent: SpecVersion::of(agent),
    }
}

/// Condition `SandboxReady`.
fn ready(found: &Reconciled<'_>, now: Timestamp) -> Desired {
    let pod = found.gathered.live.pod.as_deref();
    let of = |status, reason, message: &str| Desired::new(SANDBOX_READY, status, reason, message);
    if let Some(fault) = &found.applied.fault {
        return in_the_way(fault);
    }
    let runs = pod.is_some_and(|pod| is_ready(pod) && pod.metadata.deletion_timestamp.is_none());
    if let Err(blocked) = &found.verdict.plan
        && (blocked.stops || blocked.status == Status::False || !runs)
    {
        return of(blocked.status, blocked.reason, &blocked.message);
    }
    let Some(pod) = pod else {
        let name = SandboxNames::of(&found.gathered.agent.name_any()).sandbox;
        return match found.decision.step {
            Step::AwaitGateway => of(
                Status::Unknown,
                reason::WAITING_FOR_GATEWAY,
                &format!("Pod \"{name}\" is waiting for the gateway's Pod to be scheduled: both mount the same claim"),
            ),
            _ => of(Status::Unknown, reason::POD_PENDING, &format!("Creating Pod \"{name}\"")),
        };
    };
    let (status, reason, message) = of_pod(pod, found, now);
    if let (Some(held), true) = (&found.decision.held, status == Status::True) {
        let changes = found.decision.changes.join("; ");
        let message = format!("{}. Until then its Pod is not replaced ({changes}) and keeps running.", held.message);
        return of(Status::False, held.reason, &message);
    }
    if let (Some(rejected), true) = (&found.applied.rejected_home, status == Status::True) {
        return of(status, rejected.reason, &format!("{message} {}", rejected.message));
    }
    let Some(refused) = &found.applied.refused else { return of(status, reason, &message) };
    let reason = if status == Status::True { reason::REPLACEMENT_REJECTED } else { reason };
    of(status, reason, &format!("{message} {}", waits(found, refused)))
}

/// Whether the Pod gives way to another now.
fn replaces(found: &Reconciled<'_>) -> bool {
    let waits = found.applied.settles_in.is_some() || found.applied.refused.is_some();
    matches!(found.decision.step, Step::Delete(_)) && !waits
}

/// What a Pod that can't be replaced waits for.
fn waits(found: &Reconciled<'_>, refused: &Refusal) -> String {
    let changes = &found.decision.changes;
    let changes = if changes.is_empty() { String::new() } else { format!(" ({})", changes.join("; ")) };
    format!(
        "Its Pod is not replaced{changes}, because the API server rejects the new one: {}. Correct Sandbox \"{}\", or the policy or quota that rejects the Pod; Creel tries again.",
        refused.words, found.gathered.used.reference.name
    )
}

type Told = (Status, &'static str, String);

fn of_pod(pod: &Pod, found: &Reconciled<'_>, now: Timestamp) -> Told {
    let name = pod.name_any();
    if pod.metadata.deletion_timestamp.is_some() {
        return leaving(pod, now);
    }
    if found.applied.replaced_in.is_some() {
        let why = pod.status.as_ref().map(|status| {
            let of = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("{} {} {}", of(&status.phase), of(&status.reason), of(&status.message))
        });
        let why = why.unwrap_or_default();
        let message = format!("Pod \"{name}\" exited soon after its start ({}); it will be recreated", why.trim());
        return (Status::False, reason::POD_FAILED, message);
    }
    if has_ended(pod) || replaces(found) {
        let changes = &found.decision.changes;
        let why = if changes.is_empty() { String::new() } else { format!(": {}", changes.join("; ")) };
        return (Status::Unknown, reason::RECREATING, format!("Replacing Pod \"{name}\"{why}"));
    }
    if is_ready(pod) {
        let warnings = found.verdict.warnings.iter().map(|fault| match fault.reason {
            reason::VARIABLES_IGNORED => format!(" {}.", fault.message),
            _ => format!(" The running Pod keeps its value, although {}.", fault.message),
        });
        return (Status::True, reason::RUNNING, format!("Commands can run.{}", warnings.collect::<String>()));
    }
    if node_is_silent(pod) {
        return lost(pod);
    }
    if let Some(message) = unschedulable(pod) {
        let message = format!("Pod \"{name}\" cannot be scheduled: {message}");
        return (Status::Unknown, reason::UNSCHEDULABLE, message);
    }
    if let Some((reason, message)) = statuses(pod).find_map(|status| held_up(&name, status)) {
        return (Status::False, reason, message);
    }
    statuses(pod).find_map(|status| Some(exited(&name, status, crashed(status)?))).map_or_else(
        || (Status::Unknown, reason::STARTING, format!("Pod \"{name}\" starts")),
        |message| (Status::False, reason::POD_FAILED, message),
    )
}

/// A Pod on its way out, unless its node does not confirm that it is gone.
fn leaving(pod: &Pod, now: Timestamp) -> Told {
    if time_until_lost(pod, now).is_some() {
        let message = format!("Pod \"{}\" is ending; it will be recreated", pod.name_any());
        return (Status::Unknown, reason::RECREATING, message);
    }
    lost(pod)
}

fn lost(pod: &Pod) -> Told {
    let message = format!(
        "node \"{}\" is unreachable; Pod \"{}\" may still be running: bring the node back, or delete the Node object if it is gone for good",
        node(pod).unwrap_or_default(),
        pod.name_any()
    );
    (Status::False, reason::NODE_LOST, message)
}

/// How long until the node of a Pod on its way out counts as lost; `None`: it does, or the Pod is on no way out.
#[must_use]
pub fn time_until_lost(pod: &Pod, now: Timestamp) -> Option<Duration> {
    // The time of deletion is when the grace period ends.
    let until = pod.metadata.deletion_timestamp.as_ref()?.0 + CONFIRMED;
    Duration::try_from(until.duration_since(now)).ok().filter(|left| !left.is_zero())
}

/// The control plane takes a Pod's readiness away when its node is silent; the kubelet would have said so of the container too.
fn node_is_silent(pod: &Pod) -> bool {
    let said = pod.status.as_ref().and_then(|status| status.reason.as_deref());
    said == Some("NodeLost") || container(pod, SHELL_CONTAINER).is_some_and(|status| status.ready)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
