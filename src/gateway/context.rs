//! What all passes of the Agent controller share: the client, the stores and the memory between passes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_controller::events::Event;
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::events::Reporter;
use kube::{Client, ResourceExt};

use super::config_sync::proof::Proofs;
use super::secret::SecretMemory;
use crate::api::Agent;
use crate::api::agent::Rollout;
use crate::kubernetes::apply::Applier;
use crate::kubernetes::debounce::Debounce;
use crate::kubernetes::observed::Observed;
use crate::naming::{AGENT_MANAGER, GatewayNames};
use crate::openclaw::rpc::AdminClient;
use crate::references::read::References;
use crate::settings::Settings;
use crate::world::facts::Facts;
use crate::world::runtime::Gone;
use crate::world::stores::Stores;

/// Shared by all passes.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub facts: Arc<Facts>,
    pub settings: Settings,
    pub applier: Applier,
    pub references: References,
    pub events: k8s_controller::events::EventRecorder,
    pub admin: AdminClient,
    /// Plans that wait until a burst of changes has settled, by the owner's UID.
    pub debounce: Debounce<String>,
    /// What the running gateways said of their configuration, by the owner's UID.
    pub proofs: Proofs,
    pub secrets: SecretMemory,
    /// Our managedFields of Deployments whose newer rendering is held back, as first seen, by the owner's UID.
    held_back: Mutex<HashMap<String, Option<u64>>>,
    /// The last rollout of each gateway and the plan that it is for, by the owner's UID.
    rollouts: Mutex<HashMap<String, (String, Rollout)>>,
}

impl Context {
    #[must_use]
    pub fn new(
        client: &Client,
        (stores, facts): (Arc<Stores>, Arc<Facts>),
        settings: Settings,
        admin: AdminClient,
    ) -> Self {
        let reporter =
            Reporter { controller: AGENT_MANAGER.replace('/', ".dev/"), instance: Some(settings.identity.clone()) };
        Self {
            client: client.clone(),
            stores,
            facts,
            settings,
            applier: Applier::new(client.clone(), AGENT_MANAGER),
            references: References::default(),
            events: k8s_controller::events::EventRecorder::new(client.clone(), reporter),
            admin,
            debounce: Debounce::default(),
            proofs: Proofs::default(),
            secrets: SecretMemory::default(),
            held_back: Mutex::default(),
            rollouts: Mutex::default(),
        }
    }

    /// The rollout to this plan, if this process has begun it.
    pub fn begun(&self, owner: &str, plan: &str) -> Option<Rollout> {
        let rollouts = self.rollouts.lock().unwrap_or_else(PoisonError::into_inner);
        rollouts.get(owner).filter(|(of, _)| of == plan).map(|(_, rollout)| rollout.clone())
    }

    /// Remembers a rollout that was sent.
    pub fn begin(&self, owner: &str, plan: &str, rollout: &Rollout) {
        let mut rollouts = self.rollouts.lock().unwrap_or_else(PoisonError::into_inner);
        rollouts.insert(owner.to_owned(), (plan.to_owned(), rollout.clone()));
    }

    /// Whether a Deployment that is left as it is still is what this process first saw of it.
    pub fn is_unedited(&self, owner: &str, deployment: &Observed<Deployment>) -> bool {
        let mut held_back = self.held_back.lock().unwrap_or_else(PoisonError::into_inner);
        let first = held_back.entry(owner.to_owned()).or_insert(deployment.own);
        !deployment.intruded && *first == deployment.own
    }

    /// An event is informational: what can't be told is logged.
    pub async fn publish(&self, agent: &Agent, event: &Event) {
        if let Err(error) = self.events.publish(agent, event).await {
            tracing::debug!(agent = agent.name_any(), %error, "an event could not be published");
        }
    }

    /// Forgets everything about an Agent that is gone.
    pub fn forget_owner(&self, &Gone { namespace, name, uid }: &Gone<'_>) {
        self.applier.ledger.forget_owner(uid);
        self.debounce.settled(&uid.to_owned());
        self.proofs.forget(uid);
        self.held_back.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.rollouts.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        if let Some(digest_key) = self.secrets.forget(namespace, &GatewayNames::of(name)) {
            self.references.forget(&digest_key);
        }
        self.facts.gateway_states.forget(namespace, name);
        self.facts.gateways.forget(namespace, name);
    }
}
