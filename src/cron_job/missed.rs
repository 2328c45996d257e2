//! Runs that were due while the gateway was suspended or away. Pure: `now` is an argument.
//!
//! While the gateway is away, the status keeps the time of the run that was awaited. When the gateway has the job again, what was due
//! from that time on and was not run is missed, unless the gateway is about to make up for it: after a crash OpenClaw itself runs what
//! was due, some two minutes after its start. A job that was stopped before the gateway was, as for a suspended Agent, it does not make up
//! for. An edit misses nothing of what was due before it.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::requests;
use super::status::View;
use crate::api::CronJob;
use crate::api::cron_job::{LastMissed, MissedRuns};
use crate::declarations::due;
use crate::declarations::schedule::is_over;
use crate::kubernetes::conditions::{reason, whole_seconds};
use crate::openclaw::cron::job::Job;
use crate::openclaw::cron::run::Run;
use crate::world::jobs_found::SyncState;

/// How far times may differ that say the same.
const SAME: SignedDuration = SignedDuration::from_secs(1);

/// What the next status says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reckoning {
    /// The run that is awaited while the gateway is away.
    pub awaited: Option<Time>,
    pub last: Option<LastMissed>,
}

/// Whether the gateway has the job.
enum Presence<'a> {
    Away,
    Here(&'a Job),
    /// It answers, and the job is not there yet, or not as it is now.
    Unclear,
}

/// What was missed, with what the status said before.
#[must_use]
pub fn reckon(job: &CronJob, view: &View<'_>, now: Timestamp) -> Reckoning {
    let before = job.status.clone().unwrap_or_default();
    let last = before.last_missed.map(|last| carried_on(last, job, now));
    let is_edited = before.observed_generation != job.metadata.generation;
    if view.paused {
        return Reckoning { awaited: before.awaited_run_time.filter(|_| !is_edited), last };
    }
    if job.spec.suspend || view.fault.is_some() || view.served.is_err() {
        return Reckoning { awaited: None, last };
    }
    let next = || due::next(job, now).map(|next| Time(whole_seconds(next)));
    let awaited = match before.awaited_run_time {
        Some(_) if is_edited => next(),
        awaited => awaited,
    };
    match presence(job, view, now) {
        Presence::Away if is_edited => Reckoning { awaited: next(), last },
        Presence::Away => Reckoning { awaited: awaited.or(before.next_run_time).or_else(next), last },
        Presence::Unclear => Reckoning { awaited, last },
        Presence::Here(held) => match awaited.and_then(|first| due::since(job, first.0, now).map(|due| (first, due))) {
            None => Reckoning { awaited: None, last },
            Some((_, due)) if has_run_since(view, held, due.newest) => Reckoning { awaited: None, last },
            Some((first, _)) if is_made_up_for(held, job, now) => Reckoning { awaited: Some(first), last },
            Some((_, due)) => Reckoning { awaited: None, last: Some(told(due, job, now)) },
        },
    }
}

fn presence<'a>(job: &CronJob, view: &View<'a>, now: Timestamp) -> Presence<'a> {
    let is_suspended = view.served.as_ref().is_ok_and(|served| served.owner.spec.suspend || served.agent.spec.suspend);
    if is_suspended || !view.answers {
        return Presence::Away;
    }
    let Some(found) = view.found else { return Presence::Unclear };
    match (&found.state, &found.job) {
        (SyncState::AgentUnknown, _) => Presence::Away,
        (SyncState::Synced, Some(held)) if held.enabled => Presence::Here(held),
        // It is not declared any more, and stays as it was.
        (SyncState::NotDeclared, Some(held)) if is_over(&job.spec, now) => Presence::Here(held),
        _ => Presence::Unclear,
    }
}

/// Whether the gateway runs it now, or will before its schedule says so.
fn is_made_up_for(held: &Job, job: &CronJob, now: Timestamp) -> bool {
    if held.state.running_since().is_some() || is_over(&job.spec, now) && held.enabled {
        return true;
    }
    // One that its schedule does not name is OpenClaw's own: it makes up for a run, or puts one off after failures.
    let is_its_own = |next: Timestamp| {
        let named = next.checked_sub(SAME).ok().and_then(|before| due::next(job, before));
        job.spec.schedule.is_some() && named.is_none_or(|named| named.duration_since(next) > SAME)
    };
    let sooner = |next: Timestamp| due::next(job, now).is_some_and(|regular| next + SAME < regular);
    let makes_up = |next: Timestamp| next <= now || is_its_own(next) || sooner(next);
    held.enabled && held.state.next_run().is_some_and(makes_up)
}

/// What is due while a run is in progress is not missed: runs of one job never overlap.
fn has_run_since(view: &View<'_>, held: &Job, due: Timestamp) -> bool {
    let runs = view.found.map(|found| found.runs.as_slice()).unwrap_or_default();
    let end = |run: &Run| run.started_at()?.checked_add(run.duration().unwrap_or_default()).ok();
    let ran = runs.iter().filter_map(end).chain(held.state.last_run());
    ran.max() >= Some(due) || held.state.running_since().is_some_and(|since| since >= due)
}

fn told(due: due::Due, job: &CronJob, now: Timestamp) -> LastMissed {
    let time = Time(whole_seconds(due.newest));
    let run_once = is_wanted(job).then(|| requests::new(time.0.to_string(), now));
    LastMissed { time, count: i32::try_from(due.count).unwrap_or(i32::MAX), run_once }
}

/// The run that makes up for what was missed is wanted as long as the spec says so, and not for ever.
fn carried_on(last: LastMissed, job: &CronJob, now: Timestamp) -> LastMissed {
    let run_once = last.run_once.map(|told| match told {
        told if told.finished || told.known_runs.is_some() => told,
        told if !is_wanted(job) => requests::settled(told, Some(reason::RUN_WITHDRAWN)),
        told if requests::time_left(&told, now).is_none() => requests::settled(told, Some(reason::RUN_EXPIRED)),
        told => told,
    });
    LastMissed { run_once, ..last }
}

/// Whether one run is to make up for those that were missed.
#[must_use]
pub fn is_wanted(job: &CronJob) -> bool {
    job.spec.missed_runs == Some(MissedRuns::RunOnce) && !job.spec.suspend
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
