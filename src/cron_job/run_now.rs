//! Asks the gateway for a requested run: once for each request, whatever ends in between. Touches the network.
//!
//! Every write of the status is refused where somebody else has written since the CronJob was read. The gateway is asked only right after
//! such a write: a replica that was stopped in between, and meanwhile lost its Lease, finds a conflict or is too late.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_controller::events::EventType;
use kube::ResourceExt;

use super::context::Context;
use super::requests::{LOOK_BACK, Slot, explanation, has_run, known, settled, short, time_left};
use crate::api::cron_job::RunNow;
use crate::api::{Agent, CronJob};
use crate::declarations::schedule::is_over;
use crate::declarations::validate::display_name;
use crate::kubernetes::conditions::reason;
use crate::kubernetes::events;
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::status::write_status_if_unchanged;
use crate::naming::CRON_JOB_MANAGER;
use crate::openclaw::cron::job::Job;
use crate::openclaw::socket::{self, RunAnswer};
use crate::world::gateways::Gateway;
use crate::world::jobs_found::{JobFound, SyncState};

/// How soon to look again while a run is in progress, or the gateway stands in the way. The end of a run queues this too.
const POLL: Duration = Duration::from_secs(5);
/// How soon to try again after the gateway could not be asked, or refused.
const RETRY: Duration = Duration::from_secs(30);
/// How long the proof that nobody else has gone on is good for: what remains of a Lease (15 s) when its holder gives up (10 s).
const PROOF: Duration = Duration::from_secs(5);

/// The CronJob of a reconcile, with the status that this reconcile wrote last.
pub struct Requested<'a> {
    pub context: &'a Context,
    pub job: CronJob,
    pub owner: &'a Agent,
}

impl Requested<'_> {
    /// Asks for the run that is requested, if one is; returns when to look again.
    pub async fn serve(mut self, found: &JobFound) -> Result<Option<Duration>, ReconcileError> {
        let Some((slot, told)) = self.told() else { return Ok(None) };
        let namespace = self.job.namespace().unwrap_or_default();
        // The reconcile of the gateway's jobs queues this one when these are there.
        let Some(gateway) = self.context.facts.gateway(&namespace, &self.owner.name_any()) else { return Ok(None) };
        let Some(id) = self.id_of(found) else { return Ok(None) };
        let Ok(present) = self.context.admin.cron_get(&gateway.endpoint, &id).await else { return Ok(Some(RETRY)) };
        let Some(present) = present else { return Ok(Some(POLL)) };
        // Runs of one job never overlap.
        if present.state.running_since().is_some() {
            return Ok(Some(POLL));
        }
        let Ok(runs) = self.context.admin.cron_runs(&gateway.endpoint, Some(&id), LOOK_BACK).await else {
            return Ok(Some(RETRY));
        };
        if told.known_runs.is_some() && has_run(&told, &runs) {
            // Another value may wait for the end of this run.
            let again = (!slot.is_wanted(&self.job, &told)).then_some(POLL);
            self.write(slot, settled(told, None)).await?;
            self.request_refresh();
            return Ok(again);
        }
        if time_left(&told, Timestamp::now()).is_none() {
            return self.expire(slot, told).await;
        }
        if !slot.is_wanted(&self.job, &told) {
            return Ok(Some(POLL));
        }
        let known_runs = told.known_runs.clone().unwrap_or_else(|| known(&runs));
        self.ask(&gateway, &id, slot, RunNow { known_runs: Some(known_runs), run_id: None, ..told }).await
    }

    /// The request that comes first.
    fn told(&self) -> Option<(Slot, RunNow)> {
        let status = self.job.status.as_ref()?;
        let mut told = Slot::ALL.into_iter().filter_map(|slot| Some((slot, slot.of(status)?)));
        told.find(|(_, told)| !told.finished).map(|(slot, told)| (slot, told.clone()))
    }

    /// The job that is to run: what would run must be what the CronJob says now. One whose time has passed is not declared any more, and
    /// can be run again as long as the gateway still has it.
    fn id_of(&self, found: &JobFound) -> Option<String> {
        let is_over = || found.state == SyncState::NotDeclared && is_over(&self.job.spec, Timestamp::now());
        let says_this = |held: &&Job| {
            found.state == SyncState::Synced || is_over() && held.is_of_same_edit(&display_name(&self.job))
        };
        found.job.as_ref().filter(says_this).map(|held| held.id.clone())
    }

    /// Asks for the run, and writes down the id that the gateway gives it.
    async fn ask(
        mut self,
        gateway: &Gateway,
        id: &str,
        slot: Slot,
        intent: RunNow,
    ) -> Result<Option<Duration>, ReconcileError> {
        let (context, owner) = (self.context, self.owner);
        let device = context.devices.ensure(&*context.stores, owner).await?;
        let mut written = Ok(false);
        let permit = async {
            let began = Instant::now();
            written = self.write(slot, intent.clone()).await;
            matches!(written, Ok(true)) && began.elapsed() < PROOF
        };
        let answer = socket::run_job(&context.admin, &gateway.endpoint, &device, id, permit).await;
        written?;
        match answer {
            Ok(RunAnswer::Accepted { run_id }) => {
                let run_id = short(&run_id);
                tracing::info!(cron_job = self.job.name_any(), run_id, "requested a run");
                self.request_refresh();
                self.write(slot, RunNow { run_id: Some(run_id), ..intent }).await?;
            }
            // One that waits for a slot is running to the gateway.
            Ok(RunAnswer::AlreadyRunning | RunAnswer::Missing | RunAnswer::NotPermitted) => {}
            Ok(RunAnswer::Refused(words)) => return Ok(self.refused(&words).await),
            Err(error) => return Ok(self.refused(&error.to_string()).await),
        }
        Ok(Some(POLL))
    }

    /// It is too late to ask again.
    async fn expire(mut self, slot: Slot, told: RunNow) -> Result<Option<Duration>, ReconcileError> {
        if self.write(slot, settled(told, Some(reason::RUN_EXPIRED))).await? {
            let note = explanation(reason::RUN_EXPIRED).unwrap_or_default();
            self.context.publish(&self.job, &events::event(EventType::Warning, reason::RUN_EXPIRED, note)).await;
        }
        Ok(None)
    }

    /// Nothing in the cluster shows that the job ran.
    fn request_refresh(&self) {
        let namespace = self.owner.namespace().unwrap_or_default();
        self.context.facts.request_refresh(&namespace, &self.owner.name_any());
    }

    /// Tells why the run was not accepted; it is requested again later.
    async fn refused(&self, words: &str) -> Option<Duration> {
        let note = format!("The gateway rejected the requested run; Creel retries: {words}");
        self.context.publish(&self.job, &events::event(EventType::Warning, reason::RUN_REJECTED, &note)).await;
        Some(RETRY)
    }

    /// Writes what is known of the request; whether the object is still there.
    async fn write(&mut self, slot: Slot, told: RunNow) -> Result<bool, ReconcileError> {
        let mut next = self.job.status.clone().unwrap_or_default();
        slot.put(&mut next, told);
        let written = write_status_if_unchanged(&self.context.client, CRON_JOB_MANAGER, &self.job, &next).await?;
        let is_there = written.is_some();
        (self.job.status, self.job.metadata.resource_version) = (Some(next), written);
        Ok(is_there)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
