//! Writes the status of a CronJob and Events about it. Touches the network.

use k8s_controller::events::{Event, EventType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::context::Context;
use super::requests::{Slot, explanation};
use crate::api::CronJob;
use crate::api::cron_job::CronJobStatus;
use crate::kubernetes::conditions::{HEALTHY, find, reason};
use crate::kubernetes::events;
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::status::write_status_if_unchanged;
use crate::naming::CRON_JOB_MANAGER;

/// Writes the status if it differs, and publishes Events about what changed; returns the CronJob with it. `None`: the object is gone. A
/// status that was made of an older one is refused with a conflict: it may say of a requested run that it is still to be started.
pub async fn report(job: &CronJob, next: CronJobStatus, context: &Context) -> Result<Option<CronJob>, ReconcileError> {
    if job.status.as_ref() == Some(&next) {
        return Ok(Some(job.clone()));
    }
    let version = write_status_if_unchanged(&context.client, CRON_JOB_MANAGER, job, &next).await?;
    let Some(version) = version else { return Ok(None) };
    let before = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let told = events::of_ready(before, &next.conditions).into_iter().chain(turn_of_health(before, &next.conditions));
    for event in told.chain(missed(job, &next)).chain(no_runs(job.status.as_ref(), &next)) {
        context.publish(job, &event).await;
    }
    let mut written = job.clone();
    (written.status, written.metadata.resource_version) = (Some(next), Some(version));
    Ok(Some(written))
}

/// An event when runs were missed.
fn missed(job: &CronJob, after: &CronJobStatus) -> Option<Event> {
    let missed = after.last_missed.as_ref()?;
    let before = job.status.as_ref().and_then(|status| status.last_missed.as_ref());
    if before.is_some_and(|before| before.time == missed.time) {
        return None;
    }
    let what_then = if missed.run_once.is_some() {
        "the job runs once now (spec.missedRuns)"
    } else {
        "spec.missedRuns: RunOnce would make up for them with one run"
    };
    let (count, last) = (missed.count, missed.time.0);
    let note =
        format!("The gateway was suspended or away: missed runs: {count}, the last one due at {last}; {what_then}");
    Some(events::event(EventType::Warning, reason::RUN_MISSED, &note))
}

/// Events when it turns out that requested runs do not take place.
fn no_runs(before: Option<&CronJobStatus>, after: &CronJobStatus) -> Vec<Event> {
    let event = |slot: Slot| {
        let told = slot.of(after)?;
        let is_news = before.and_then(|before| slot.of(before)) != Some(told);
        let reason = told.reason.as_deref().filter(|_| is_news)?;
        Some(events::event(EventType::Warning, reason, explanation(reason)?))
    };
    Slot::ALL.into_iter().filter_map(event).collect()
}

/// An event when a job begins to fail, and when it is well again. That a first run succeeds is no news.
fn turn_of_health(before: &[Condition], after: &[Condition]) -> Option<Event> {
    let (now, before) = (find(after, HEALTHY)?, find(before, HEALTHY).map(|before| before.status.as_str()));
    match (before, now.status.as_str()) {
        (Some("False"), "True") => Some(events::event(EventType::Normal, reason::RUN_RECOVERED, &now.message)),
        (before, "False") if before != Some("False") => {
            let note = format!("{}: {}", now.reason, now.message);
            Some(events::event(EventType::Warning, reason::RUN_FAILING, &note))
        }
        _ => None,
    }
}
