//! A run that somebody asks for by the annotation `creel.dev/run-now`: once for each value, whatever ends in between. Touches the network.
//!
//! The intent is in the status before the gateway is asked, and stays there until the gateway's own list of runs shows a run that was
//! asked for and began later than the last one before the intent. That the gateway accepts a run means nothing yet: one that still waits
//! for a slot when the gateway is killed leaves no trace, and is asked for again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_controller::events::EventType;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::ResourceExt;

use super::context::Context;
use crate::api::cron_job::{CronJobStatus, RunNow};
use crate::api::{Agent, CronJob};
use crate::declarations::schedule::is_over;
use crate::declarations::validate::display_name;
use crate::kubernetes::caches::versioned::VersionedCache;
use crate::kubernetes::conditions::{reason, whole_seconds};
use crate::kubernetes::events;
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::status::write_status;
use crate::naming::{CRON_JOB_MANAGER, GatewayNames, RUN_NOW, child_of};
use crate::openclaw::cron::job::Job;
use crate::openclaw::cron::run::Run;
use crate::openclaw::device::Device;
use crate::openclaw::socket::{self, RunAnswer};
use crate::references::generated_secret::{SecretError, ensure, known_version, value, version_of};
use crate::world::gateways::Gateway;
use crate::world::jobs_found::{JobFound, SyncState};

/// How soon to look again while a run is in progress, or the gateway stands in the way. The end of a run queues this too.
const POLL: Duration = Duration::from_secs(5);
/// How soon to try again after the gateway could not be asked, or refused.
const RETRY: Duration = Duration::from_secs(30);
/// Runs among which an earlier try is looked for.
const LOOK_BACK: usize = 200;
/// The key of the device in its Secret.
const DEVICE_KEY: &str = "device-key";
/// Characters of the annotation that count.
const REQUEST: usize = 256;

/// The devices of the gateways, as read.
pub type Devices = VersionedCache<Arc<Device>>;

/// What is to be done about the annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    /// A new value: the intent has to be written.
    Intend(String),
    /// An intent that the gateway may not know of yet.
    Ask(RunNow),
}

fn step(requested: Option<&String>, told: Option<&RunNow>) -> Step {
    let request = requested.map(|value| value.chars().take(REQUEST).collect::<String>());
    let request = request.filter(|request| !request.trim().is_empty());
    match (request, told) {
        // What was begun is brought to its end, also when another value came meanwhile.
        (_, Some(told)) if !told.finished => Step::Ask(told.clone()),
        (Some(request), told) if told.is_none_or(|told| told.request != request) => Step::Intend(request),
        _ => Step::Nothing,
    }
}

/// Whether a run that was asked for began after this time: one of its own kind, or one that the gateway's end cut off and that may
/// have been it.
fn was_run(runs: &[Run], after: Option<Timestamp>) -> bool {
    let cut_off =
        |run: &Run| run.run_id.is_none() && run.error.as_deref().is_some_and(|error| error.contains("interrupted"));
    // Where the gateway tells no more, it may have been one that it does not tell: never twice.
    let may_be_older = runs.len() >= LOOK_BACK && runs.iter().all(|run| run.started_at() > after);
    may_be_older || runs.iter().any(|run| run.started_at() > after && (run.is_manual() || cut_off(run)))
}

/// Serves the annotation; returns when to look again.
pub async fn serve(
    context: &Context,
    job: &CronJob,
    status: &CronJobStatus,
    owner: &Agent,
    found: &JobFound,
) -> Result<Option<Duration>, ReconcileError> {
    let step = step(job.annotations().get(RUN_NOW), status.run_now.as_ref());
    if step == Step::Nothing {
        return Ok(None);
    }
    let namespace = job.namespace().unwrap_or_default();
    // The reconcile of the gateway's jobs queues this one when these are there.
    let Some(gateway) = context.facts.gateway(&namespace, &owner.name_any()) else { return Ok(None) };
    // What would run must be what the CronJob says now. One whose time has passed is not declared any more, and can be run again as long
    // as the gateway still has it.
    let is_over = found.state == SyncState::NotDeclared && is_over(&job.spec, Timestamp::now());
    let says_this =
        |held: &&Job| found.state == SyncState::Synced || is_over && held.is_of_same_edit(&display_name(job));
    let Some(id) = found.job.as_ref().filter(says_this).map(|held| held.id.clone()) else {
        if is_over {
            let note = "The gateway no longer has the job, because spec.at has passed: set another time";
            context.publish(job, &events::event(EventType::Warning, reason::RUN_REJECTED, note)).await;
        }
        return Ok(None);
    };
    let Ok(present) = context.admin.cron_get(&gateway.endpoint, &id).await else { return Ok(Some(RETRY)) };
    let Some(present) = present else { return Ok(Some(POLL)) };
    // Runs of one job never overlap.
    if present.state.running_since().is_some() {
        return Ok(Some(POLL));
    }
    let intent = match step {
        Step::Intend(request) => {
            let after = present.state.last_run().map(MicroTime);
            let time = Time(whole_seconds(Timestamp::now()));
            let intent = RunNow { request, time, after, finished: false };
            if !write(context, job, status, intent.clone()).await? {
                return Ok(None);
            }
            intent
        }
        Step::Ask(intent) => intent,
        Step::Nothing => return Ok(None),
    };
    ask(context, job, status, owner, &gateway, &id, intent).await
}

/// Asks the gateway for the run, unless it shows that it was asked already.
async fn ask(
    context: &Context,
    job: &CronJob,
    status: &CronJobStatus,
    owner: &Agent,
    gateway: &Gateway,
    id: &str,
    intent: RunNow,
) -> Result<Option<Duration>, ReconcileError> {
    let name = job.name_any();
    let Ok(runs) = context.admin.cron_runs(&gateway.endpoint, Some(id), LOOK_BACK).await else {
        return Ok(Some(RETRY));
    };
    if was_run(&runs, intent.after.as_ref().map(|after| after.0)) {
        write(context, job, status, RunNow { finished: true, ..intent }).await?;
        request_refresh(context, owner);
        return Ok(None);
    }
    let device = device(context, owner).await?;
    match socket::run_job(&context.admin, &gateway.endpoint, &device, id).await {
        Ok(RunAnswer::Accepted { run_id }) => {
            tracing::info!(cron_job = name, run_id, "requested a run");
            request_refresh(context, owner);
        }
        // One that waits for a slot is running to the gateway.
        Ok(RunAnswer::AlreadyRunning | RunAnswer::Missing) => {}
        Ok(RunAnswer::Refused(words)) => return Ok(refused(context, job, &words).await),
        Err(error) => return Ok(refused(context, job, &error.to_string()).await),
    }
    Ok(Some(POLL))
}

/// Nothing in the cluster shows that the job ran.
fn request_refresh(context: &Context, owner: &Agent) {
    context.facts.request_refresh(&owner.namespace().unwrap_or_default(), &owner.name_any());
}

/// Tells why the run was not taken; it is asked for again later.
async fn refused(context: &Context, job: &CronJob, words: &str) -> Option<Duration> {
    let note = format!("The gateway rejected the requested run; Creel retries: {words}");
    context.publish(job, &events::event(EventType::Warning, reason::RUN_REJECTED, &note)).await;
    Some(RETRY)
}

/// Whether the object is still there.
async fn write(
    context: &Context,
    job: &CronJob,
    status: &CronJobStatus,
    run_now: RunNow,
) -> Result<bool, ReconcileError> {
    let next = CronJobStatus { run_now: Some(run_now.clone()), ..status.clone() };
    let is_there = write_status(&context.client, CRON_JOB_MANAGER, job, &next).await?;
    // Only what is written counts: another replica must know it too.
    context.intend(job, &run_now);
    Ok(is_there)
}

/// The operator's own device at this gateway; its Secret is made if it is not there.
async fn device(context: &Context, owner: &Agent) -> Result<Arc<Device>, SecretError> {
    let (namespace, names) = (owner.namespace().unwrap_or_default(), GatewayNames::of(&owner.name_any()));
    let version = known_version(&context.stores, &namespace, &names.device);
    if let Some(device) = version.and_then(|version| context.devices.get(&namespace, &names.device, &version)) {
        return Ok(device);
    }
    let generate = || {
        let mut key = [0_u8; 32];
        getrandom::fill(&mut key)?;
        Ok(Secret {
            metadata: child_of(owner, &names.device, names.labels()),
            data: Some(BTreeMap::from([(DEVICE_KEY.to_owned(), ByteString(key.to_vec()))])),
            ..Secret::default()
        })
    };
    let secret = ensure(&context.client, CRON_JOB_MANAGER, owner, &names.device, generate).await?;
    let damaged = || SecretError::Damaged { name: names.device.clone(), key: DEVICE_KEY };
    let key: [u8; 32] = value(&secret, DEVICE_KEY)?.try_into().map_err(|_| damaged())?;
    let device = Arc::new(Device::new(&key));
    // The keys of gateways that are gone are not kept.
    context.devices.keep(|namespace, name| known_version(&context.stores, namespace, name).is_some());
    context.devices.put(&namespace, &names.device, version_of(&secret), Arc::clone(&device));
    Ok(device)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
