//! Writes the status of a CronJob and Events about it. Touches the network.

use k8s_controller::events::{Event, EventType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::context::Context;
use crate::api::CronJob;
use crate::api::cron_job::CronJobStatus;
use crate::kubernetes::conditions::{HEALTHY, find, reason};
use crate::kubernetes::events;
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::status::write_status;
use crate::naming::CRON_JOB_MANAGER;

/// Writes the status if it differs, and publishes Events about changes of its conditions; `None`: the object is gone.
pub async fn report(
    job: &CronJob,
    next: CronJobStatus,
    context: &Context,
) -> Result<Option<CronJobStatus>, ReconcileError> {
    if job.status.as_ref() == Some(&next) {
        return Ok(Some(next));
    }
    if !write_status(&context.client, CRON_JOB_MANAGER, job, &next).await? {
        return Ok(None);
    }
    let before = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    for event in events::of_ready(before, &next.conditions).into_iter().chain(turn_of_health(before, &next.conditions))
    {
        context.publish(job, &event).await;
    }
    Ok(Some(next))
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
