//! Writes the status of a CronJob and Events about it. Touches the network.

use k8s_controller::events::{Event, EventType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::context::Context;
use super::requests::explanation;
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
    for event in told.chain(no_run(job.status.as_ref(), &next)) {
        context.publish(job, &event).await;
    }
    let mut written = job.clone();
    (written.status, written.metadata.resource_version) = (Some(next), Some(version));
    Ok(Some(written))
}

/// An event when it turns out that a requested run does not take place.
fn no_run(before: Option<&CronJobStatus>, after: &CronJobStatus) -> Option<Event> {
    let told = after.run_now.as_ref().filter(|told| before.and_then(|before| before.run_now.as_ref()) != Some(told))?;
    let reason = told.reason.as_deref()?;
    Some(events::event(EventType::Warning, reason, explanation(reason)?))
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
