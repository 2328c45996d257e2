//! What was found → the conditions and runs of a CronJob. Pure: `now` is an argument.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::declared::declared;
use super::healthy::healthy;
use super::missed::{self, Reckoning};
use super::outcome;
use super::requests::{self, Slot};
use crate::api::cron_job::{CronJobStatus, DisabledByGateway, Run};
use crate::api::runs::RunStatus;
use crate::api::{Agent, CronJob};
use crate::declarations::schedule::text;
use crate::declarations::validate::GatewayScope;
use crate::kubernetes::conditions::{DECLARED, Desired, merge, reason, whole_seconds};
use crate::kubernetes::ready::{Summary, from_condition, missing_reference};
use crate::references::digests::Fault;
use crate::world::jobs_found::JobFound;

/// Runs that the status tells.
const MAX_RUNS: usize = 5;

/// What a reconcile of one CronJob looks at.
#[derive(Debug)]
pub struct View<'a> {
    /// The Agent that does the work, and the one that owns its gateway; or who is missing.
    pub served: Result<Served<'a>, Fault>,
    /// Whether what the CronJob says can be declared.
    pub fault: Option<Fault>,
    /// Whether the gateway answers.
    pub answers: bool,
    /// What the last reconcile of the gateway's jobs found; `None`: it has not looked at this CronJob since its last edit.
    pub found: Option<&'a JobFound>,
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
    let Reckoning { awaited: awaited_run_time, last: last_missed } = missed::reckon(job, view, now);
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
        last_missed,
        awaited_run_time,
        run_now: requests::run_now(job, view, now),
    };
    let requested = Slot::ALL.map(|slot| requests::look_again(slot.of(&status), now));
    let again = requested.into_iter().chain([again, until_over(job, now)]).flatten().min();
    (status, again)
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

fn summary(
    job: &CronJob,
    view: &View<'_>,
    declared: &Desired,
    runs: &[Run],
    now: Timestamp,
) -> (Summary, Option<Duration>) {
    if view.served.is_err() {
        let before = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        return missing_reference(before, DECLARED, declared.reason, &declared.message, now);
    }
    if let Some(summary) = from_condition(declared) {
        return (summary, None);
    }
    if declared.reason == reason::COMPLETED {
        return (Summary::Ready { reason: reason::COMPLETED, message: declared.message.clone() }, None);
    }
    let held = view.found.and_then(|found| found.job.as_ref()).filter(|job| !job.enabled);
    let summary = if held.is_some_and(|job| job.state.auto_disabled.is_some()) {
        let last = runs.first().and_then(|run| run.error.as_deref()).unwrap_or("no reason given");
        let message = format!(
            "The gateway disabled the job after repeated failures; the last: {last}. Fix the cause, then edit the spec (or toggle spec.suspend) to resume"
        );
        Summary::Stalled { reason: reason::DISABLED_BY_GATEWAY, message }
    } else if job.spec.suspend {
        let message = "spec.suspend is true; the job and its history are kept.".to_owned();
        Summary::Suspended { reason: reason::SUSPENDED, message }
    } else {
        Summary::ready("The gateway runs the job as scheduled.")
    };
    (summary, None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
