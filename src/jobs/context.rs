//! What the reconciles of gateways' jobs share: the stores, the facts, the admin client and the memory between reconciles.

use std::ops::{Deref, DerefMut};
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

    /// What is known of a gateway's jobs from earlier reconciles, for one reconcile.
    pub fn memory<'a>(&'a self, namespace: &'a str, owner: &'a str) -> Remembered<'a> {
        let memory = self.memories.take(namespace, owner).unwrap_or_default();
        Remembered { memories: &self.memories, namespace, owner, memory }
    }

    /// Forgets a gateway that is gone.
    pub fn forget(&self, namespace: &str, owner: &str) {
        drop(self.memories.take(namespace, owner));
    }
}

/// A memory that goes back to its place when the reconcile is over, also when that ran out of time.
pub struct Remembered<'a> {
    memories: &'a ByName<Memory>,
    namespace: &'a str,
    owner: &'a str,
    memory: Memory,
}

impl Deref for Remembered<'_> {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        &self.memory
    }
}

impl DerefMut for Remembered<'_> {
    fn deref_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }
}

impl Drop for Remembered<'_> {
    fn drop(&mut self) {
        self.memories.put(self.namespace, self.owner, std::mem::take(&mut self.memory));
    }
}
