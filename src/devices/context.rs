//! What the reconciles of gateways' devices share: the stores, the facts, the admin client, and until when each gateway is left alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;

use super::sync::Inputs;
use crate::kubernetes::caches::by_name::ByName;
use crate::openclaw::rpc::AdminClient;
use crate::references::own_device::OwnDevices;
use crate::world::facts::Facts;
use crate::world::stores::Stores;

/// Shared by all reconciles of devices.
pub struct Context {
    pub stores: Arc<Stores>,
    pub facts: Arc<Facts>,
    pub admin: AdminClient,
    pub own: OwnDevices,
    idle: ByName<(Inputs, Instant)>,
}

impl Context {
    #[must_use]
    pub fn new(client: &Client, (stores, facts): (Arc<Stores>, Arc<Facts>), admin: AdminClient) -> Self {
        Self { stores, facts, admin, own: OwnDevices::new(client), idle: ByName::default() }
    }

    /// How long the gateway may still be left alone; `None`: its time has come, or something is new.
    #[must_use]
    pub fn idle_for(&self, namespace: &str, owner: &str, inputs: &Inputs, now: Instant) -> Option<Duration> {
        let (before, until) = self.idle.get(namespace, owner)?;
        let left = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        (before == *inputs).then_some(left)
    }

    /// The gateway was looked at, and may be left alone until this time.
    pub fn idle_until(&self, namespace: &str, owner: &str, inputs: Inputs, until: Instant) {
        self.idle.put(namespace, owner, (inputs, until));
    }

    /// The gateway is not to be left alone, or is gone.
    pub fn forget(&self, namespace: &str, owner: &str) {
        self.idle.take(namespace, owner);
    }
}
