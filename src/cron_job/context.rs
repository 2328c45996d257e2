//! What the reconciles share: the client, the stores and the memory between reconciles.

use std::sync::Arc;

use k8s_controller::events::{Event, EventRecorder};
use kube::runtime::events::Reporter;
use kube::{Client, ResourceExt};

use crate::api::CronJob;
use crate::naming::CRON_JOB_MANAGER;
use crate::openclaw::rpc::AdminClient;
use crate::references::own_device::OwnDevices;
use crate::world::facts::Facts;
use crate::world::stores::Stores;

/// Shared by all reconciles of CronJobs.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub facts: Arc<Facts>,
    pub admin: AdminClient,
    pub devices: OwnDevices,
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
            devices: OwnDevices::new(client),
            events: EventRecorder::new(client.clone(), reporter),
        }
    }

    /// An event is informational: what can't be told is logged.
    pub async fn publish(&self, job: &CronJob, event: &Event) {
        if let Err(error) = self.events.publish(job, event).await {
            tracing::debug!(cron_job = job.name_any(), %error, "cannot publish an Event");
        }
    }
}
