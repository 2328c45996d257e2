//! Condition `Declared`: whether the gateway holds exactly this job. Pure: `now` is an argument.

use jiff::Timestamp;
use kube::ResourceExt;

use super::status::{Served, View};
use crate::api::CronJob;
use crate::api::cron_job::Run;
use crate::declarations::schedule::is_over;
use crate::declarations::validate::display_name;
use crate::kubernetes::conditions::{DECLARED, Desired, Status, reason, whole_seconds};
use crate::naming::is_paused;
use crate::references::digests::Fault;
use crate::world::jobs_found::SyncState;

/// The first of these that applies: the user's fault, a pause, a time that has passed, an Agent or gateway to wait for, and at last what
/// the gateway holds.
#[must_use]
pub fn declared(job: &CronJob, view: &View<'_>, runs: &[Run], now: Timestamp) -> Desired {
    let served = match &view.served {
        Ok(served) => served,
        Err(fault) => return at_fault(fault),
    };
    let fault = view.fault.as_ref().map(at_fault);
    fault
        .or_else(|| paused(view))
        .or_else(|| is_over(&job.spec, now).then(|| over(job, view, runs)))
        .or_else(|| suspended(served))
        .or_else(|| unanswered(served, view))
        .unwrap_or_else(|| held(job, served, view))
}

fn condition(status: Status, reason: &'static str, message: &str) -> Desired {
    Desired::new(DECLARED, status, reason, message)
}

fn at_fault(fault: &Fault) -> Desired {
    condition(Status::False, fault.reason, &fault.message)
}

fn paused(view: &View<'_>) -> Option<Desired> {
    let message = "The annotation creel.dev/paused is set: Creel does not change the job.";
    view.paused.then(|| condition(Status::Unknown, reason::PAUSED, message))
}

/// A job of one time, after it.
fn over(job: &CronJob, view: &View<'_>, runs: &[Run]) -> Desired {
    if is_running(view) {
        return condition(Status::True, reason::DECLARED, "spec.at is due; the run is starting or in progress.");
    }
    let at = job.spec.at.as_ref().map(|at| whole_seconds(at.0));
    if runs.iter().any(|run| Some(run.time.0) >= at) {
        return condition(Status::True, reason::COMPLETED, "The one-time run has completed.");
    }
    let at = at.map(|at| at.to_string()).unwrap_or_default();
    let message = format!("spec.at ({at}) has passed and the gateway did not run the job: set another time");
    condition(Status::False, reason::MISSED, &message)
}

/// Whether its one time has just come, and the gateway is running it.
fn is_running(view: &View<'_>) -> bool {
    let job = view.found.and_then(|found| found.job.as_ref());
    job.is_some_and(|job| job.enabled || job.state.running_since().is_some())
}

fn suspended(served: &Served<'_>) -> Option<Desired> {
    let agent = [served.owner, served.agent].into_iter().find(|agent| agent.spec.suspend)?;
    let message = format!("Agent \"{}\" is suspended (spec.suspend); the job waits for it.", agent.name_any());
    Some(condition(Status::Unknown, reason::SUSPENDED, &message))
}

fn unanswered(served: &Served<'_>, view: &View<'_>) -> Option<Desired> {
    let owner = served.owner.name_any();
    let (reason, message) = if is_paused(served.owner.annotations()) {
        (
            reason::PAUSED,
            format!("Agent \"{owner}\" has the annotation creel.dev/paused: Creel does not contact its gateway."),
        )
    } else {
        (reason::WAITING_FOR_GATEWAY, format!("Waiting for the gateway of Agent \"{owner}\"."))
    };
    (!view.answers).then(|| condition(Status::Unknown, reason, &message))
}

/// Whether the gateway already runs what the spec says: what waits is not the user's edit, but for example that of a new version of Creel.
fn is_of_this_edit(job: &CronJob, view: &View<'_>) -> bool {
    let held = view.found.and_then(|found| found.job.as_ref());
    held.is_some_and(|held| held.enabled != job.spec.suspend && held.is_of_same_edit(&display_name(job)))
}

fn held(job: &CronJob, served: &Served<'_>, view: &View<'_>) -> Desired {
    let unknown = |reason, message: &str| condition(Status::Unknown, reason, message);
    match view.found.map(|found| &found.state) {
        None | Some(SyncState::NotDeclared) => {
            unknown(reason::PENDING, "The gateway has not been checked since the last edit.")
        }
        Some(SyncState::Synced) => condition(Status::True, reason::DECLARED, "The gateway has exactly this job."),
        Some(SyncState::Rejected(words)) => {
            condition(Status::False, reason::REJECTED, &format!("The gateway rejected the job: {words}"))
        }
        Some(SyncState::Failed(words)) => unknown(reason::ADMIN_UNREACHABLE, words),
        Some(SyncState::Throttled) if is_of_this_edit(job, view) => condition(
            Status::True,
            reason::DECLARED,
            "The gateway has this job; Creel updates details of it when OpenClaw accepts more changes.",
        ),
        Some(SyncState::Throttled) => unknown(reason::PENDING, "Waiting: OpenClaw accepts 30 job changes per minute."),
        Some(SyncState::AgentUnknown) => {
            let name = served.agent.name_any();
            let message = format!("The gateway does not know Agent \"{name}\" yet: see the conditions of that Agent.");
            unknown(reason::WAITING_FOR_GATEWAY, &message)
        }
    }
}
