//! What all passes of the Agent controller share: the client, the stores and the memory between passes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::events::Reporter;
use kube::{Client, ResourceExt};

use super::config_sync::proof::Proofs;
use super::secret::SecretMemory;
use crate::agent::status::GatewayState;
use crate::api::Agent;
use crate::api::agent::Rollout;
use crate::kubernetes::apply::Applier;
use crate::kubernetes::backoff::Backoff;
use crate::kubernetes::caches::by_name::Places;
use crate::kubernetes::caches::uids::Uids;
use crate::kubernetes::debounce::Debounce;
use crate::kubernetes::observed::Observed;
use crate::naming::{AGENT_MANAGER, GatewayNames};
use crate::openclaw::rpc::AdminClient;
use crate::references::read::References;
use crate::settings::Settings;
use crate::world::stores::{Stores, Waker};

/// Shared by all passes.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub waker: Waker,
    pub settings: Settings,
    pub applier: Applier,
    pub references: References,
    pub backoff: Backoff,
    pub events: k8s_controller::events::EventRecorder,
    pub admin: AdminClient,
    /// Plans that wait until a burst of changes has settled, by the owner's UID.
    pub debounce: Debounce<String>,
    /// What the running gateways said of their configuration, by the owner's UID.
    pub proofs: Proofs,
    pub secrets: SecretMemory,
    states: Places<Arc<GatewayState>>,
    /// Our managedFields of Deployments whose newer rendering is held back, as first seen, by the owner's UID.
    held_back: Mutex<HashMap<String, Option<u64>>>,
    uids: Uids,
    /// The last rollout of each gateway and the plan that it is for, by the owner's UID.
    rollouts: Mutex<HashMap<String, (String, Rollout)>>,
}

impl Context {
    #[must_use]
    pub fn new(client: &Client, stores: Arc<Stores>, waker: Waker, settings: Settings, admin: AdminClient) -> Self {
        let reporter =
            Reporter { controller: AGENT_MANAGER.replace('/', ".dev/"), instance: Some(settings.identity.clone()) };
        Self {
            client: client.clone(),
            stores,
            waker,
            settings,
            applier: Applier::new(client.clone(), AGENT_MANAGER),
            references: References::default(),
            backoff: Backoff::default(),
            events: k8s_controller::events::EventRecorder::new(client.clone(), reporter),
            admin,
            debounce: Debounce::default(),
            proofs: Proofs::default(),
            secrets: SecretMemory::default(),
            states: Places::default(),
            held_back: Mutex::default(),
            uids: Uids::default(),
            rollouts: Mutex::default(),
        }
    }

    /// What the last pass over the gateway of this Agent found.
    pub fn state(&self, namespace: &str, owner: &str) -> Option<Arc<GatewayState>> {
        self.states.get(namespace, owner)
    }

    /// Remembers what a pass found; returns whether the Agents that joined have to look again.
    pub fn remember(&self, namespace: &str, owner: &str, state: &Arc<GatewayState>) -> bool {
        self.states.put(namespace, owner, Arc::clone(state)).is_none_or(|before| before != *state)
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

    /// Remembers the UID behind a name, for the time when the Agent is gone.
    pub fn meet(&self, agent: &Agent) {
        let (namespace, name) = (agent.namespace().unwrap_or_default(), agent.name_any());
        if let Some(before) = self.uids.meet(&namespace, &name, &agent.uid().unwrap_or_default()) {
            self.forget_uid(&namespace, &name, &before);
        }
    }

    /// Whether a Deployment that is left as it is still is what this process first saw of it.
    pub fn is_unedited(&self, owner: &str, deployment: &Observed<Deployment>) -> bool {
        let mut held_back = self.held_back.lock().unwrap_or_else(PoisonError::into_inner);
        let first = held_back.entry(owner.to_owned()).or_insert(deployment.own);
        !deployment.intruded && *first == deployment.own
    }

    /// Forgets everything about an Agent that is gone.
    pub fn forget_agent(&self, namespace: &str, name: &str) {
        if let Some(uid) = self.uids.forget(namespace, name) {
            self.forget_uid(namespace, name, &uid);
        }
    }

    fn forget_uid(&self, namespace: &str, name: &str, uid: &str) {
        self.applier.ledger.forget_owner(uid);
        self.backoff.succeeded(uid);
        self.debounce.settled(&uid.to_owned());
        self.proofs.forget(uid);
        self.held_back.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.rollouts.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        if let Some(digest_key) = self.secrets.forget(namespace, &GatewayNames::of(name)) {
            self.references.forget(&digest_key);
        }
        self.states.take(namespace, name);
    }
}
