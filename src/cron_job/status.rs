//! What was found → the conditions and runs of a CronJob. Pure: `now` is an argument.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::outcome;
use crate::api::cron_job::{CronJobStatus, DisabledByGateway, Run};
use crate::api::runs::RunStatus;
use crate::api::{Agent, CronJob};
use crate::declarations::schedule::{is_over, text};
use crate::declarations::validate::GatewayScope;
use crate::kubernetes::conditions::{DECLARED, Desired, HEALTHY, Status, merge, reason, whole_seconds};
use crate::kubernetes::ready::{Summary, obstacle, patient};
use crate::naming::is_paused;
use crate::references::digests::Fault;
use crate::world::schedules::{Found, SyncState};

/// Runs that the status tells.
const MAX_RUNS: usize = 5;

/// What a pass over one CronJob looks at.
#[derive(Debug)]
pub struct View<'a> {
    /// The Agent that does the work, and the one that owns its gateway; or who is missing.
    pub served: Result<Served<'a>, Fault>,
    /// Whether what the CronJob says can be declared.
    pub fault: Option<Fault>,
    /// Whether the gateway answers.
    pub answers: bool,
    /// What the last pass over the gateway's jobs found; `None`: it has not looked at this CronJob since its last edit.
    pub found: Option<&'a Found>,
    pub scope: &'a GatewayScope,
    pub paused: bool,
}

/// Who does the work.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    pub agent: &'a Agent,
    pub owner: &'a Agent,
}

/// The status, and when to look again because time alone changes it.
#[must_use]
pub fn status(job: &CronJob, view: &View<'_>, now: Timestamp) -> (CronJobStatus, Option<Duration>) {
    let before = job.status.clone().unwrap_or_default();
    let recent_runs = runs(&before.recent_runs, view);
    let declared = declared(job, view, &recent_runs, now);
    let (summary, again) = summary(job, view, &declared, &recent_runs, now);
    let failures = failures(view, &recent_runs, before.consecutive_failures);
    let healthy = healthy(&recent_runs, failures);
    let desired: Vec<Desired> = summary.conditions().into_iter().chain([declared, healthy]).collect();
    let held = view.found.and_then(|found| found.job.as_ref());
    // A run in progress ends before the gateway is told to rest.
    let rests = job.spec.suspend;
    let status = CronJobStatus {
        observed_generation: job.metadata.generation,
        conditions: merge(&before.conditions, &desired, job.metadata.generation, now),
        schedule: text(&job.spec),
        job_id: held.map(|job| job.id.clone()).or(before.job_id),
        next_run_time: held
            .filter(|job| job.enabled && !rests && view.answers)
            .and_then(|job| job.state.next_run())
            .map(time),
        last_run: recent_runs.first().cloned(),
        recent_runs,
        consecutive_failures: Some(failures),
        disabled_by_gateway: held
            .filter(|job| !job.enabled)
            .and_then(|job| job.state.auto_disabled.as_ref())
            .map(|auto| DisabledByGateway { reason: auto.reason.clone(), time: time(auto.at()) }),
        run_now: before.run_now,
    };
    (status, again.or_else(|| until_over(job, now)))
}

fn time(at: Timestamp) -> Time {
    Time(whole_seconds(at))
}

/// The one time of a job passes without an event.
fn until_over(job: &CronJob, now: Timestamp) -> Option<Duration> {
    let ahead = Duration::try_from(job.spec.at.as_ref()?.0.duration_since(now)).ok()?;
    Some(ahead + Duration::from_secs(1))
}

/// What the gateway remembers, and what the status told before: a gateway that lost its claim has lost its memory.
fn runs(before: &[Run], view: &View<'_>) -> Vec<Run> {
    let found = view.found.map(|found| found.runs.as_slice()).unwrap_or_default();
    let mut runs: Vec<Run> = found.iter().filter_map(|run| outcome::run(run, view.scope)).collect();
    for run in &mut runs {
        // What a run cost, the gateway tells only as long as it has it in its history.
        let told = || before.iter().find(|old| old.time == run.time)?.cost_usd.clone();
        run.cost_usd = run.cost_usd.take().or_else(told);
    }
    let old: Vec<Run> = before.iter().filter(|old| !runs.iter().any(|run| run.time == old.time)).cloned().collect();
    runs.extend(old);
    runs.sort_by_key(|run| std::cmp::Reverse(run.time.0));
    runs.truncate(MAX_RUNS);
    runs
}

/// As the gateway counts; it does not count what was not delivered.
fn failures(view: &View<'_>, runs: &[Run], before: Option<i32>) -> i32 {
    let Some(found) = view.found else { return before.unwrap_or_default() };
    let undelivered = if found.runs.is_empty() {
        runs.iter().take_while(|run| run.status == RunStatus::NotDelivered).count()
    } else {
        found.runs.iter().take_while(|run| run.result() == RunStatus::NotDelivered).count()
    };
    let counted = found.job.as_ref().map_or(0, |job| job.state.consecutive_errors);
    i32::try_from(counted).unwrap_or(i32::MAX).max(i32::try_from(undelivered).unwrap_or(i32::MAX))
}

/// Whether the gateway holds exactly this job.
fn declared(job: &CronJob, view: &View<'_>, runs: &[Run], now: Timestamp) -> Desired {
    let condition = |status, reason, message: &str| Desired::new(DECLARED, status, reason, message);
    let served = match &view.served {
        Ok(served) => served,
        Err(fault) => return condition(Status::False, fault.reason, &fault.message),
    };
    if let Some(fault) = &view.fault {
        return condition(Status::False, fault.reason, &fault.message);
    }
    if view.paused {
        let message = "The annotation creel.dev/paused is set: nothing is declared.";
        return condition(Status::Unknown, reason::PAUSED, message);
    }
    if is_over(&job.spec, now) && is_running(view) {
        let message = "Its one time has come: the gateway runs it, or is about to.";
        return condition(Status::True, reason::DECLARED, message);
    }
    if is_over(&job.spec, now) {
        let at = job.spec.at.as_ref().map(|at| whole_seconds(at.0));
        if runs.iter().any(|run| Some(run.time.0) >= at) {
            return condition(Status::True, reason::COMPLETED, "Its one time has passed, and it was run.");
        }
        let message = format!(
            "spec.at ({}) has passed, and the gateway did not run the job: set another time",
            at.map(|at| at.to_string()).unwrap_or_default()
        );
        return condition(Status::False, reason::MISSED, &message);
    }
    let rests = [served.owner, served.agent].into_iter().find(|agent| agent.spec.suspend);
    if let Some(agent) = rests {
        let message = format!("Agent \"{}\" is suspended by its spec.suspend; the job waits for it.", agent.name_any());
        return condition(Status::Unknown, reason::SUSPENDED, &message);
    }
    if !view.answers && is_paused(served.owner.annotations()) {
        let message = format!(
            "Agent \"{}\" has the annotation creel.dev/paused, and its gateway is not asked.",
            served.owner.name_any()
        );
        return condition(Status::Unknown, reason::PAUSED, &message);
    }
    if !view.answers {
        let message = format!("Waiting for the gateway of Agent \"{}\".", served.owner.name_any());
        return condition(Status::Unknown, reason::WAITING_FOR_GATEWAY, &message);
    }
    match view.found.map(|found| &found.state) {
        None | Some(SyncState::NotDeclared) => {
            condition(Status::Unknown, reason::PENDING, "The gateway has not been asked since the last edit.")
        }
        Some(SyncState::Synced) => condition(Status::True, reason::DECLARED, "The gateway holds exactly this job."),
        Some(SyncState::Rejected(words)) => {
            condition(Status::False, reason::REJECTED, &format!("The gateway does not accept the job: {words}"))
        }
        Some(SyncState::Failed(words)) => condition(Status::Unknown, reason::ADMIN_UNREACHABLE, words),
        Some(SyncState::Throttled) => {
            let message = "The gateway takes 30 jobs a minute, and others are before this one.";
            condition(Status::Unknown, reason::PENDING, message)
        }
        Some(SyncState::AgentUnknown) => {
            let name = served.agent.name_any();
            let message = format!("The gateway does not know Agent \"{name}\" yet: its conditions say why.");
            condition(Status::Unknown, reason::WAITING_FOR_GATEWAY, &message)
        }
    }
}

/// Whether its one time has come just now, and the gateway is at it.
fn is_running(view: &View<'_>) -> bool {
    view.found
        .and_then(|found| found.job.as_ref())
        .is_some_and(|job| job.enabled || job.state.running_since().is_some())
}

fn summary(
    job: &CronJob,
    view: &View<'_>,
    declared: &Desired,
    runs: &[Run],
    now: Timestamp,
) -> (Summary, Option<Duration>) {
    if view.served.is_err() {
        let before = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        return patient(before, DECLARED, declared.reason, &declared.message, now);
    }
    if let Some(summary) = obstacle(declared) {
        return (summary, None);
    }
    if declared.reason == reason::COMPLETED {
        return (Summary::Well { reason: reason::COMPLETED, message: declared.message.clone() }, None);
    }
    let held = view.found.and_then(|found| found.job.as_ref()).filter(|job| !job.enabled);
    let summary = if held.is_some_and(|job| job.state.auto_disabled.is_some()) {
        let last = runs.first().and_then(|run| run.error.as_deref()).unwrap_or("no reason given");
        let message = format!(
            "The gateway stopped the job by itself after failures; the last: {last}. Mend the cause, then resume it by any edit of the spec, or by setting spec.suspend to true and back to false"
        );
        Summary::Broken { reason: reason::DISABLED_BY_GATEWAY, message }
    } else if job.spec.suspend {
        let message = "spec.suspend is true; the job and its history are kept.".to_owned();
        Summary::Resting { reason: reason::SUSPENDED, message }
    } else {
        Summary::ready("The gateway runs the job as scheduled.")
    };
    (summary, None)
}

/// Whether the last run that took place succeeded.
fn healthy(runs: &[Run], failures: i32) -> Desired {
    let Some(run) = runs.iter().find(|run| run.status != RunStatus::Skipped) else {
        return Desired::new(HEALTHY, Status::Unknown, reason::NOT_RUN_YET, "No run has ended yet.");
    };
    if run.status == RunStatus::Succeeded {
        return Desired::new(HEALTHY, Status::True, reason::SUCCEEDED, "The last run succeeded.");
    }
    let word =
        cause(runs).and_then(|word| FAILURES.into_iter().find(|known| *known == word)).unwrap_or(reason::RUN_FAILED);
    let words = run.error.as_deref().unwrap_or("the gateway gives no reason");
    let message = if failures > 1 { format!("{failures} runs in a row: {words}") } else { words.to_owned() };
    Desired::new(HEALTHY, Status::False, word, message)
}

/// What the gateway says of a run whose Provider it gave a rest, because of what an earlier run met.
const AT_REST: &str = "temporarily disabled after a provider auth/billing failure";

/// Why the last run failed: where it was only the rest of an earlier failure, the reason of that one.
fn cause(runs: &[Run]) -> Option<&str> {
    let failed = runs.iter().filter(|run| run.status != RunStatus::Skipped);
    let mut streak = failed.take_while(|run| run.status != RunStatus::Succeeded);
    let only_a_rest = |run: &&Run| run.error.as_ref().is_some_and(|words| words.contains(AT_REST));
    streak.find(|run| !only_a_rest(run)).or(runs.first())?.reason.as_deref()
}

/// The reasons that a run may have, see [`outcome`].
const FAILURES: [&str; 8] = [
    reason::CREDIT_EXHAUSTED,
    reason::UNAUTHORIZED,
    reason::RATE_LIMITED,
    reason::TIMED_OUT,
    reason::MODEL_NOT_FOUND,
    reason::SERVER_ERROR,
    reason::NOT_DELIVERED,
    reason::RUN_FAILED,
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
