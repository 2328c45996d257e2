//! What all reconciles of Agents share. Touches nothing.

use std::sync::Arc;

use k8s_controller::events::EventRecorder;
use kube::Client;
use kube::runtime::events::Reporter;

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
}
