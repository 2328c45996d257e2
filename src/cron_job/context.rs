//! What the passes share: the client, the stores and the memory between passes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_controller::events::{Event, EventRecorder};
use kube::runtime::events::Reporter;
use kube::{Client, ResourceExt};

use super::history::History;
use super::run_now::Devices;
use crate::api::CronJob;
use crate::api::cron_job::RunNow;
use crate::cluster::backoff::Backoff;
use crate::cluster::names::CRON_JOB_MANAGER;
use crate::cluster::stores::{Stores, Waker};
use crate::openclaw::rpc::AdminClient;

/// Shared by all passes over CronJobs.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub waker: Waker,
    pub admin: AdminClient,
    pub backoff: Backoff,
    pub devices: Devices,
    /// The last run that was asked for, by the CronJob's UID: the store shows it a little later.
    intents: Mutex<HashMap<String, RunNow>>,
    events: EventRecorder,
}

impl Context {
    #[must_use]
    pub fn new(client: &Client, stores: Arc<Stores>, waker: Waker, admin: AdminClient, identity: &str) -> Self {
        let reporter =
            Reporter { controller: CRON_JOB_MANAGER.replace('/', ".dev/"), instance: Some(identity.to_owned()) };
        Self {
            client: client.clone(),
            stores,
            waker,
            admin,
            backoff: Backoff::default(),
            devices: Devices::default(),
            intents: Mutex::default(),
            events: EventRecorder::new(client.clone(), reporter),
        }
    }

    /// The CronJob with what this process itself has written of runs that were asked for.
    #[must_use]
    pub fn up_to_date(&self, job: &CronJob) -> CronJob {
        let intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        let mut job = job.clone();
        if let (Some(intent), Some(status)) = (intents.get(&job.uid().unwrap_or_default()), &mut job.status) {
            status.run_now = Some(intent.clone());
        }
        job
    }

    /// Remembers what is about to be written of a run that was asked for.
    pub fn intend(&self, job: &CronJob, intent: &RunNow) {
        let mut intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        intents.insert(job.uid().unwrap_or_default(), intent.clone());
    }

    /// An event is informational: what can't be told is logged.
    pub async fn publish(&self, job: &CronJob, event: &Event) {
        if let Err(error) = self.events.publish(job, event).await {
            tracing::debug!(cron_job = job.name_any(), %error, "an event could not be published");
        }
    }
}

/// Shared by all passes over the jobs of gateways.
pub struct SetContext {
    pub stores: Arc<Stores>,
    pub waker: Waker,
    pub admin: AdminClient,
    pub backoff: Backoff,
    histories: Mutex<HashMap<(String, String), History>>,
}

impl SetContext {
    #[must_use]
    pub fn new(stores: Arc<Stores>, waker: Waker, admin: AdminClient) -> Self {
        Self { stores, waker, admin, backoff: Backoff::default(), histories: Mutex::default() }
    }

    /// What is known of the runs of a gateway. A pass takes it, and puts it back.
    pub fn take_history(&self, namespace: &str, owner: &str) -> History {
        let mut histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        histories.remove(&(namespace.to_owned(), owner.to_owned())).unwrap_or_default()
    }

    pub fn put_history(&self, namespace: &str, owner: &str, history: History) {
        let mut histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        histories.insert((namespace.to_owned(), owner.to_owned()), history);
    }
}
