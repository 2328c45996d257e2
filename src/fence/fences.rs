//! Makes the fence of a namespace before its first Pod, puts it back, and removes it after the last Pod. Touches the network.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Memory, MutexGuard as MemoryGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Client, ResourceExt};
use tokio::sync::Mutex;

use super::build::build;
use crate::api::Agent;
use crate::kubernetes::apply::{Applier, ApplyError};
use crate::kubernetes::backoff::resync;
use crate::kubernetes::ledger::Disputed;
use crate::kubernetes::observed::Observed;
use crate::kubernetes::reconciler::ReconcileError;
use crate::naming::{AGENT_MANAGER, FENCE_NAME};
use crate::world::namespaces::NamespaceReconciler;
use crate::world::queues::Controller;
use crate::world::stores::{Stores, named};

/// How long nothing may need a fence before it goes. A Pod that was just created may not be in the store yet, and a `ReplicaSet` whose
/// Deployment is gone may still create one.
const GRACE: Duration = Duration::from_secs(30);

/// What does not parse is there all the same.
const NEEDING_IT: [&str; 3] = ["Agent", "Deployment", "Pod"];

/// The fences of all namespaces.
pub struct Fences {
    stores: Arc<Stores>,
    applier: Applier,
    /// By namespace, held while a fence is made or removed: no fence goes that somebody has just relied on.
    locks: Memory<HashMap<String, Arc<Mutex<()>>>>,
    /// By namespace: since when nothing needs the fence.
    unneeded: Memory<HashMap<String, Instant>>,
}

impl Fences {
    #[must_use]
    pub fn new(client: &Client, stores: Arc<Stores>) -> Self {
        Self {
            stores,
            applier: Applier::new(client.clone(), AGENT_MANAGER),
            locks: Memory::default(),
            unneeded: Memory::default(),
        }
    }

    /// The fence is there when this returns. Returns whether anything was sent. Whoever creates a Pod calls this first.
    pub async fn ensure(&self, namespace: &str) -> Result<bool, ApplyError> {
        let lock = self.lock(namespace);
        let _alone = lock.lock().await;
        self.apply(namespace).await
    }

    /// Makes the fence of a namespace that needs one, and removes that of a namespace that has not needed it for a while. Returns when to
    /// look again.
    async fn settle(&self, namespace: &str, now: Instant) -> Result<Option<Duration>, ApplyError> {
        let lock = self.lock(namespace);
        let _alone = lock.lock().await;
        if self.is_needed(namespace) {
            self.unneeded().remove(namespace);
            self.apply(namespace).await?;
            let unseen = self.applier.ledger.unseen_for(namespace, now);
            return Ok(unseen.map(|left| left + Duration::from_secs(1)));
        }
        let Some(fence) = self.live(namespace).filter(|fence| is_ours(fence)) else {
            self.unneeded().remove(namespace);
            self.applier.ledger.forget_owner(namespace);
            return Ok(None);
        };
        let since = *self.unneeded().entry(namespace.to_owned()).or_insert(now);
        let left = GRACE.saturating_sub(now.saturating_duration_since(since));
        if !left.is_zero() {
            return Ok(Some(left));
        }
        self.applier.delete(&fence.object).await?;
        self.unneeded().remove(namespace);
        Ok(None)
    }

    /// The fence of the Agent's namespace, or a child of the Agent, that somebody keeps changing. What confines Pods comes first. `children`:
    /// by whom they are sent.
    #[must_use]
    pub fn disputed(&self, children: &Applier, agent: &Agent) -> Option<Disputed> {
        let own = children.disputed(&agent.uid().unwrap_or_default());
        let fence = self.applier.disputed(&agent.namespace().unwrap_or_default());
        own.into_iter().chain(fence).min_by_key(|disputed| !disputed.confines)
    }

    async fn apply(&self, namespace: &str) -> Result<bool, ApplyError> {
        let rests = self.stores.pods.find(|pod| pod.metadata.namespace.as_deref() == Some(namespace)).is_none();
        self.applier.ledger.is_at(namespace, None, rests);
        self.applier.apply(&build(namespace), self.live(namespace).as_deref(), namespace).await
    }

    fn live(&self, namespace: &str) -> Option<Arc<Observed<NetworkPolicy>>> {
        named(&self.stores.network_policies, namespace, FENCE_NAME)
    }

    /// Whether there is a Pod of ours in the namespace, or anything from which one may come.
    fn is_needed(&self, namespace: &str) -> bool {
        let stores = &self.stores;
        stores.agents.find(|agent| agent.metadata.namespace.as_deref() == Some(namespace)).is_some()
            || stores.unparsable.any_in(namespace, &NEEDING_IT)
            || stores.pods.find(|pod| pod.metadata.namespace.as_deref() == Some(namespace)).is_some()
            || stores.deployments.find(|it| it.object.metadata.namespace.as_deref() == Some(namespace)).is_some()
    }

    /// The lock of the namespace. Those that nobody holds or waits for are not kept.
    fn lock(&self, namespace: &str) -> Arc<Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(namespace.to_owned()).or_default())
    }

    fn unneeded(&self) -> MemoryGuard<'_, HashMap<String, Instant>> {
        self.unneeded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A label of ours and the name do not make a policy ours that belongs to somebody.
fn is_ours(fence: &Observed<NetworkPolicy>) -> bool {
    fence.object.owner_references().is_empty()
}

impl NamespaceReconciler for Fences {
    const CONTROLLER: Controller = Controller::Fence;

    async fn reconcile(&self, namespace: &str) -> Result<Option<Duration>, ReconcileError> {
        match self.settle(namespace, Instant::now()).await {
            // The Agents, which can't go on without it, say so in their conditions.
            Err(error) if error.reason().is_some() => {
                tracing::info!(namespace, %error, "no fence");
                Ok(Some(resync()))
            }
            settled => Ok(settled?),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
