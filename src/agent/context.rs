//! What all reconciles of Agents share. Touches nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_controller::events::EventRecorder;
use kube::runtime::events::Reporter;
use kube::{Client, ResourceExt};

use super::gather::Gathered;
use crate::api::Agent;
use crate::kubernetes::debounce::Debounce;
use crate::naming::AGENT_MANAGER;
use crate::world::facts::Facts;
use crate::world::stores::Stores;

/// Shared by all reconciles.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub facts: Arc<Facts>,
    pub events: EventRecorder,
    /// Edits that the gateway and the sandbox are about to take up, by the Agent's UID.
    pub edits: Debounce<String>,
}

impl Context {
    /// `identity`: the name of this replica.
    #[must_use]
    pub fn new(client: &Client, (stores, facts): (Arc<Stores>, Arc<Facts>), identity: &str) -> Self {
        let reporter =
            Reporter { controller: AGENT_MANAGER.replace('/', ".dev/"), instance: Some(identity.to_owned()) };
        Self {
            client: client.clone(),
            stores,
            facts,
            events: EventRecorder::new(client.clone(), reporter),
            edits: Debounce::default(),
        }
    }

    /// The gateway takes up most edits in a moment, and publishes that. Only one that takes longer is reported as under way.
    #[must_use]
    pub fn settles_in(&self, agent: &Agent, gathered: &Gathered) -> Option<Duration> {
        let (uid, generation) = (agent.uid().unwrap_or_default(), agent.metadata.generation.unwrap_or_default());
        if gathered.is_behind(agent) {
            return self.edits.wait(&uid, &generation.to_string(), Instant::now());
        }
        self.edits.settled(&uid);
        None
    }
}
