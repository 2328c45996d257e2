//! What all reconciles of gateways share: the client, the stores and the memory between reconciles.

use std::sync::Arc;

use k8s_controller::events::Event;
use kube::runtime::events::Reporter;
use kube::{Client, ResourceExt};

use super::config_sync::tracker::ConfigTracker;
use super::files::tracker::FilesTracker;
use super::jobs::Leaving;
use super::rollout::memory::RolloutMemory;
use super::secret::SecretMemory;
use crate::api::Agent;
use crate::fence::fences::Fences;
use crate::kubernetes::apply::Applier;
use crate::kubernetes::caches::by_name::ByName;
use crate::naming::{AGENT_MANAGER, GatewayNames};
use crate::openclaw::rpc::AdminClient;
use crate::pods::trial::Trials;
use crate::references::host_keys::HostKeys;
use crate::references::read::References;
use crate::settings::Settings;
use crate::world::facts::Facts;
use crate::world::runtime::Gone;
use crate::world::stores::Stores;

/// Shared by all reconciles.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub facts: Arc<Facts>,
    pub settings: Settings,
    pub applier: Applier,
    pub fences: Arc<Fences>,
    pub references: References,
    pub events: k8s_controller::events::EventRecorder,
    pub admin: AdminClient,
    pub rollouts: RolloutMemory,
    /// Of Pods of another plan.
    pub trials: Trials,
    /// Of Pods of the same plan, which are to take up their configuration.
    pub restarts: Trials,
    pub configs: ConfigTracker,
    pub files: FilesTracker,
    pub secrets: SecretMemory,
    pub host_keys: HostKeys,
    /// By the owning Agent.
    pub leaving: ByName<Leaving>,
}

impl Context {
    #[must_use]
    pub fn new(
        client: &Client,
        (stores, facts): (Arc<Stores>, Arc<Facts>),
        fences: Arc<Fences>,
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
            fences,
            references: References::default(),
            events: k8s_controller::events::EventRecorder::new(client.clone(), reporter),
            admin,
            rollouts: RolloutMemory::default(),
            trials: Trials::new(AGENT_MANAGER),
            restarts: Trials::new(AGENT_MANAGER),
            configs: ConfigTracker::default(),
            files: FilesTracker::default(),
            secrets: SecretMemory::default(),
            host_keys: HostKeys::default(),
            leaving: ByName::default(),
        }
    }

    /// An Event is informational: one that cannot be published is logged.
    pub async fn publish(&self, agent: &Agent, event: &Event) {
        if let Err(error) = self.events.publish(agent, event).await {
            tracing::debug!(agent = agent.name_any(), %error, "cannot publish an Event");
        }
    }

    /// Forgets everything about an Agent that is gone.
    pub fn forget_owner(&self, &Gone { namespace, name, uid }: &Gone<'_>) {
        self.applier.ledger.forget_owner(uid);
        self.rollouts.forget(uid);
        self.trials.forget(uid);
        self.restarts.forget(uid);
        self.configs.forget(uid);
        self.files.forget(uid);
        if let Some(digest_key) = self.secrets.forget(namespace, &GatewayNames::of(name)) {
            self.references.forget(&digest_key);
        }
        self.host_keys.forget(namespace, name);
        self.leaving.take(namespace, name);
        self.facts.gateway_states.forget(namespace, name);
        self.facts.gateways.forget(namespace, name);
    }
}
