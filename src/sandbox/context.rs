//! What all reconciles of sandboxes share: the client, the stores and the memory between reconciles.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use kube::Client;

use super::restarts::Restarts;
use super::secret::KeyMemory;
use crate::api::sandbox::Egress;
use crate::fence::fences::Fences;
use crate::kubernetes::apply::Applier;
use crate::kubernetes::debounce::Debounce;
use crate::naming::SANDBOX_MANAGER;
use crate::pods::trial::Trials;
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
    pub shell_image: String,
    /// Where Pods find the Kubernetes API, if that is known.
    pub api_server: Option<SocketAddr>,
    /// The servers that Pods ask for names.
    pub dns_servers: Vec<IpAddr>,
    /// The widest network of a sandbox.
    pub max_egress: Egress,
    pub applier: Applier,
    pub fences: Arc<Fences>,
    pub references: References,
    /// Plans that wait until a burst of changes has settled, by the Agent's UID.
    pub debounce: Debounce<String>,
    pub keys: KeyMemory,
    pub restarts: Restarts,
    pub trials: Trials,
}

impl Context {
    #[must_use]
    pub fn new(
        client: &Client,
        (stores, facts): (Arc<Stores>, Arc<Facts>),
        fences: Arc<Fences>,
        settings: &Settings,
    ) -> Self {
        Self {
            client: client.clone(),
            stores,
            facts,
            shell_image: settings.shell_image.clone(),
            api_server: settings.api_server(),
            dns_servers: settings.dns_servers.clone(),
            max_egress: settings.max_egress,
            applier: Applier::new(client.clone(), SANDBOX_MANAGER),
            fences,
            references: References::default(),
            debounce: Debounce::default(),
            keys: KeyMemory::default(),
            restarts: Restarts::default(),
            trials: Trials::new(SANDBOX_MANAGER),
        }
    }

    /// Forgets everything about an Agent that is gone.
    pub fn forget_agent(&self, &Gone { namespace, name, uid }: &Gone<'_>) {
        self.applier.ledger.forget_owner(uid);
        self.debounce.settled(&uid.to_owned());
        self.restarts.forget(uid);
        self.trials.forget(uid);
        if let Some(digest_key) = self.keys.forget(namespace, name) {
            self.references.forget(&digest_key);
        }
        self.facts.sandbox_states.forget(namespace, name);
    }
}
