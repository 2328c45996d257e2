//! What the reconciles of gateways' jobs share: the stores, the facts, the admin client and the memory between reconciles.

use std::sync::Arc;

use super::memory::Memory;
use crate::kubernetes::caches::by_name::ByName;
use crate::openclaw::rpc::AdminClient;
use crate::world::facts::Facts;
use crate::world::stores::Stores;

/// Shared by all reconciles of jobs.
pub struct Context {
    pub stores: Arc<Stores>,
    pub facts: Arc<Facts>,
    pub admin: AdminClient,
    memories: ByName<Memory>,
}

impl Context {
    #[must_use]
    pub fn new((stores, facts): (Arc<Stores>, Arc<Facts>), admin: AdminClient) -> Self {
        Self { stores, facts, admin, memories: ByName::default() }
    }

    /// What is known of a gateway's jobs from earlier reconciles. A reconcile takes it, and puts it back.
    pub fn take_memory(&self, namespace: &str, owner: &str) -> Memory {
        self.memories.take(namespace, owner).unwrap_or_default()
    }

    pub fn put_memory(&self, namespace: &str, owner: &str, memory: Memory) {
        self.memories.put(namespace, owner, memory);
    }
}
