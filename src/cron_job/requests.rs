//! Requests for a run: taken up, withdrawn, expired, and known by the run that they brought about. Pure: `now` is an argument.
//!
//! A request is in the status before the gateway is asked for the run. What the gateway listed before is in the status too, so the run is
//! known by its identity, whatever the gateway's clock says. That the gateway accepts a run means little: one that still waits for a slot
//! when the gateway is killed leaves no trace, and is requested again.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::missed;
use super::status::View;
use crate::api::CronJob;
use crate::api::cron_job::{CronJobStatus, RunNow};
use crate::declarations::schedule::is_over;
use crate::kubernetes::conditions::{reason, whole_seconds};
use crate::naming::RUN_NOW;
use crate::openclaw::cron::run::Run;

/// How long the gateway has to start the run: later than this, nobody expects it.
const DEADLINE: Duration = Duration::from_mins(10);
/// Runs of a job among which an earlier try is looked for.
pub const LOOK_BACK: usize = 200;
/// Characters of the annotation that count.
const REQUEST: usize = 256;
/// Characters of a run's id that count, and of its short form.
const ID: usize = 256;
const IDENTITY: usize = 64;
/// How far the clock that a request was made by may be behind that of the API server.
const SKEW: Duration = Duration::from_mins(1);

/// What requests a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The annotation `creel.dev/run-now`.
    RunNow,
    /// `spec.missedRuns`.
    RunOnce,
}

impl Slot {
    pub const ALL: [Self; 2] = [Self::RunNow, Self::RunOnce];

    /// What the status tells of the request.
    #[must_use]
    pub fn of(self, status: &CronJobStatus) -> Option<&RunNow> {
        match self {
            Self::RunNow => status.run_now.as_ref(),
            Self::RunOnce => status.last_missed.as_ref()?.run_once.as_ref(),
        }
    }

    /// Changes what the status tells of it.
    pub fn put(self, status: &mut CronJobStatus, told: RunNow) {
        match (self, &mut status.last_missed) {
            (Self::RunNow, _) => status.run_now = Some(told),
            (Self::RunOnce, Some(missed)) => missed.run_once = Some(told),
            (Self::RunOnce, None) => {}
        }
    }

    /// Whether the CronJob still wants it.
    #[must_use]
    pub fn is_wanted(self, job: &CronJob, told: &RunNow) -> bool {
        match self {
            Self::RunNow => requested(job).as_ref() == Some(&told.request),
            Self::RunOnce => missed::is_wanted(job),
        }
    }
}

/// The request of the annotation, as the next status tells it.
#[must_use]
pub fn run_now(job: &CronJob, view: &View<'_>, now: Timestamp) -> Option<RunNow> {
    let told = job.status.as_ref().and_then(|status| status.run_now.clone());
    let request = requested(job);
    match told {
        Some(told) if request.as_ref() == Some(&told.request) => Some(waiting(told, job, view, now)),
        // The gateway has accepted the run: it ends before the next one begins.
        Some(told) if !told.finished && told.run_id.is_some() => Some(told),
        told => match request {
            Some(request) => Some(taken_up(request, job, view, now)),
            None => told.map(|told| if told.finished { told } else { settled(told, Some(reason::RUN_WITHDRAWN)) }),
        },
    }
}

/// The value of the annotation.
fn requested(job: &CronJob) -> Option<String> {
    let request: String = job.annotations().get(RUN_NOW)?.chars().take(REQUEST).collect();
    Some(request).filter(|request| !request.trim().is_empty())
}

fn taken_up(request: String, job: &CronJob, view: &View<'_>, now: Timestamp) -> RunNow {
    let is_restored = job.status.is_none() && !was_made_after_creation(&request, job);
    let told = new(request, now);
    if is_restored { settled(told, Some(reason::RUN_IGNORED)) } else { waiting(told, job, view, now) }
}

/// A request that begins.
#[must_use]
pub fn new(request: String, now: Timestamp) -> RunNow {
    RunNow { request, time: Time(whole_seconds(now)), known_runs: None, run_id: None, finished: false, reason: None }
}

/// Whether the request tells its time, in seconds since 1970 or as RFC 3339, and that is not before the CronJob's creation.
fn was_made_after_creation(request: &str, job: &CronJob) -> bool {
    let seconds = || Timestamp::from_second(request.parse().ok()?).ok();
    let made = request.parse::<Timestamp>().ok().or_else(seconds);
    let created = job.metadata.creation_timestamp.as_ref().map(|created| created.0);
    made.zip(created).is_some_and(|(made, created)| made >= created - SKEW)
}

/// A request for which the gateway has not been asked yet is not kept for ever.
fn waiting(told: RunNow, job: &CronJob, view: &View<'_>, now: Timestamp) -> RunNow {
    if told.finished || told.known_runs.is_some() {
        return told;
    }
    if is_over(&job.spec, now) && view.answers && view.found.is_some_and(|found| found.job.is_none()) {
        return settled(told, Some(reason::RUN_REJECTED));
    }
    if time_left(&told, now).is_none() { settled(told, Some(reason::RUN_EXPIRED)) } else { told }
}

/// How long the gateway may still be asked; `None`: no longer.
#[must_use]
pub fn time_left(told: &RunNow, now: Timestamp) -> Option<Duration> {
    Duration::try_from((told.time.0 + DEADLINE).duration_since(now)).ok().filter(|left| !left.is_zero())
}

/// When time alone changes something about the request.
#[must_use]
pub fn look_again(told: Option<&RunNow>, now: Timestamp) -> Option<Duration> {
    time_left(told.filter(|told| !told.finished && told.known_runs.is_none())?, now)
}

/// The request is over. `reason`: why no run took place.
#[must_use]
pub fn settled(told: RunNow, reason: Option<&str>) -> RunNow {
    RunNow { known_runs: None, finished: true, reason: reason.map(str::to_owned), ..told }
}

/// What an Event says of a request that brought no run.
#[must_use]
pub fn explanation(reason: &str) -> Option<&'static str> {
    Some(match reason {
        reason::RUN_EXPIRED => {
            "The gateway did not start the requested run within 10 minutes; the run does not take place"
        }
        reason::RUN_REJECTED => "The gateway no longer has the job, because spec.at has passed: set another time",
        reason::RUN_IGNORED => {
            "The CronJob was created with the annotation creel.dev/run-now, so it starts no run: set a new value to run the job"
        }
        _ => return None,
    })
}

/// What the gateway lists before it is asked: each run that could be taken for the requested one, and the newest of all.
#[must_use]
pub fn known(runs: &[Run]) -> Vec<String> {
    let newest = runs.first().map(identity);
    let alike = runs.iter().filter(|run| run.is_manual() || is_cut_off(run)).map(identity);
    let mut known: Vec<String> = newest.into_iter().chain(alike).take(LOOK_BACK + 1).collect();
    known.dedup();
    known
}

/// Whether the requested run is among these: by its id where the gateway has told it; otherwise it is any requested run that is new. One
/// that the gateway's end cut off has no id, and may have been it.
#[must_use]
pub fn has_run(told: &RunNow, runs: &[Run]) -> bool {
    let known = told.known_runs.as_deref().unwrap_or_default();
    let is_new = |run: &Run| !known.contains(&identity(run));
    let is_it = |run: &Run| match &told.run_id {
        Some(id) => run.run_id.as_deref().map(short).as_ref() == Some(id),
        None => run.is_manual() && is_new(run),
    };
    // Where the gateway lists no more, it may have been one that it does not list: never twice.
    let may_be_older = runs.len() >= LOOK_BACK && runs.iter().all(is_new);
    may_be_older || runs.iter().any(|run| is_it(run) || is_cut_off(run) && is_new(run))
}

fn is_cut_off(run: &Run) -> bool {
    run.run_id.is_none() && run.error.as_deref().is_some_and(|error| error.contains("interrupted"))
}

/// As much of a run's id as is kept.
#[must_use]
pub fn short(id: &str) -> String {
    id.chars().take(ID).collect()
}

/// What tells a run from the other runs of its job: its id without the job's, or its start.
fn identity(run: &Run) -> String {
    let start = || run.started_at().map_or_else(String::new, |start| start.as_millisecond().to_string());
    let of_job = |id: &str| id.splitn(3, ':').last().unwrap_or_default().chars().take(IDENTITY).collect();
    run.run_id.as_deref().map_or_else(start, of_job)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
