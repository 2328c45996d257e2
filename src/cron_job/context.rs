//! What the reconciles share: the client, the stores and the memory between reconciles.

use std::sync::Arc;

use k8s_controller::events::{Event, EventRecorder};
use kube::runtime::events::Reporter;
use kube::{Client, ResourceExt};

use super::run_now::Devices;
use crate::api::CronJob;
use crate::api::cron_job::RunNow;
use crate::kubernetes::caches::by_name::ByName;
use crate::naming::CRON_JOB_MANAGER;
use crate::openclaw::rpc::AdminClient;
use crate::world::facts::Facts;
use crate::world::stores::{Stores, key_of};

/// Shared by all reconciles of CronJobs.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub facts: Arc<Facts>,
    pub admin: AdminClient,
    pub devices: Devices,
    /// The last run that was asked for, with the CronJob's UID, by its place: the store shows it a little later.
    intents: ByName<(Option<String>, RunNow)>,
    events: EventRecorder,
}

impl Context {
    #[must_use]
    pub fn new(
        client: &Client,
        (stores, facts): (Arc<Stores>, Arc<Facts>),
        admin: AdminClient,
        identity: &str,
    ) -> Self {
        let reporter =
            Reporter { controller: CRON_JOB_MANAGER.replace('/', ".dev/"), instance: Some(identity.to_owned()) };
        Self {
            client: client.clone(),
            stores,
            facts,
            admin,
            devices: Devices::default(),
            intents: ByName::default(),
            events: EventRecorder::new(client.clone(), reporter),
        }
    }

    /// The CronJob with what this process itself has written of runs that were asked for.
    #[must_use]
    pub fn up_to_date(&self, job: &CronJob) -> CronJob {
        let mut job = job.clone();
        let (namespace, name) = key_of(&job);
        if let Some((_, intent)) = self.intents.get(&namespace, &name).filter(|(of, _)| *of == job.uid()) {
            job.status.get_or_insert_default().run_now = Some(intent);
        }
        job
    }

    /// Remembers what was written of a run that was asked for.
    pub fn intend(&self, job: &CronJob, intent: &RunNow) {
        let (namespace, name) = key_of(job);
        self.intents.put(&namespace, &name, (job.uid(), intent.clone()));
    }

    /// The CronJob is gone.
    pub fn forget_intent(&self, namespace: &str, name: &str) {
        self.intents.take(namespace, name);
    }

    /// An event is informational: what can't be told is logged.
    pub async fn publish(&self, job: &CronJob, event: &Event) {
        if let Err(error) = self.events.publish(job, event).await {
            tracing::debug!(cron_job = job.name_any(), %error, "cannot publish an Event");
        }
    }
}
