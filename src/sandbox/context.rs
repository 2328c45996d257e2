//! What all passes over sandboxes share: the client, the stores and the memory between passes.

use std::net::SocketAddr;
use std::sync::Arc;

use kube::{Client, ResourceExt};

use super::restarts::Restarts;
use super::secret::KeyMemory;
use crate::api::Agent;
use crate::kubernetes::apply::Applier;
use crate::kubernetes::backoff::Backoff;
use crate::kubernetes::caches::uids::Uids;
use crate::kubernetes::debounce::Debounce;
use crate::naming::SANDBOX_MANAGER;
use crate::references::read::References;
use crate::world::stores::{Stores, Waker};

/// Shared by all passes.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub waker: Waker,
    pub shell_image: String,
    /// Where Pods find the Kubernetes API, if that is known.
    pub api_server: Option<SocketAddr>,
    pub applier: Applier,
    pub references: References,
    pub backoff: Backoff,
    /// Plans that wait until a burst of changes has settled, by the Agent's UID.
    pub debounce: Debounce<String>,
    pub keys: KeyMemory,
    pub restarts: Restarts,
    uids: Uids,
}

impl Context {
    #[must_use]
    pub fn new(
        client: &Client,
        stores: Arc<Stores>,
        waker: Waker,
        shell_image: String,
        api_server: Option<SocketAddr>,
    ) -> Self {
        Self {
            client: client.clone(),
            stores,
            waker,
            shell_image,
            api_server,
            applier: Applier::new(client.clone(), SANDBOX_MANAGER),
            references: References::default(),
            backoff: Backoff::default(),
            debounce: Debounce::default(),
            keys: KeyMemory::default(),
            restarts: Restarts::default(),
            uids: Uids::default(),
        }
    }

    /// Remembers the UID behind a name, for the time when the Agent is gone.
    pub fn meet(&self, agent: &Agent) {
        let (namespace, name) = (agent.namespace().unwrap_or_default(), agent.name_any());
        if let Some(before) = self.uids.meet(&namespace, &name, &agent.uid().unwrap_or_default()) {
            self.forget_uid(&namespace, &name, &before);
        }
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
        self.restarts.forget(uid);
        if let Some(digest_key) = self.keys.forget(namespace, name) {
            self.references.forget(&digest_key);
        }
        self.stores.sandbox_states.remember(namespace, name, None);
    }
}
