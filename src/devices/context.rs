//! What the reconciles of gateways' devices share: the stores, the facts, the admin client, and until when each gateway is left alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;

use super::changes::Change;
use super::sync::Inputs;
use crate::kubernetes::caches::by_name::ByName;
use crate::kubernetes::spec_version::SpecVersion;
use crate::openclaw::refusals::{Refusal, Told};
use crate::openclaw::rpc::{AdminClient, Endpoint};
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
    refusals: ByName<Refusals>,
    unanswered: ByName<Vec<Change>>,
}

/// Whom a gateway did not let in, as far as its log was read.
#[derive(Clone, Debug, Default)]
struct Refusals {
    /// The run of the gateway's process: a new one begins a new log.
    run: String,
    /// The Agent that was looked at: what it was refused for may be mended by now.
    agent: Option<SpecVersion>,
    cursor: Option<i64>,
    last: Option<Refusal>,
}

impl Context {
    #[must_use]
    pub fn new(client: &Client, (stores, facts): (Arc<Stores>, Arc<Facts>), admin: AdminClient) -> Self {
        Self {
            stores,
            facts,
            admin,
            own: OwnDevices::new(client),
            idle: ByName::default(),
            refusals: ByName::default(),
            unanswered: ByName::default(),
        }
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

    /// The last client that the gateway did not let in. A log that cannot be read says nothing new.
    pub async fn last_refusal(&self, owner: &str, inputs: &Inputs, gateway: &Endpoint) -> Option<Refusal> {
        let known = self.refusals.get(&gateway.namespace, owner).filter(|known| known.run == inputs.run);
        let Refusals { cursor, last, agent, .. } = known.unwrap_or_default();
        let last = last.filter(|_| agent.as_ref() == Some(&inputs.agent));
        let told = self.admin.refusals(gateway, cursor).await.unwrap_or(Told { cursor, last: None });
        // What a client says of itself must not make a new message of each of its attempts.
        let last = match (told.last, last) {
            (Some(new), Some(known)) if new.cause == known.cause => Some(Refusal { at: new.at, ..known }),
            (new, known) => new.or(known),
        };
        let (run, agent) = (inputs.run.clone(), Some(inputs.agent.clone()));
        let now = Refusals { run, agent, cursor: told.cursor, last: last.clone() };
        self.refusals.put(&gateway.namespace, owner, now);
        last
    }

    /// The gateway did not answer to this change, and may have made it.
    pub fn was_not_answered(&self, namespace: &str, owner: &str, change: Change) {
        self.unanswered.put(namespace, owner, vec![change]);
    }

    /// Those changes since the last time that somebody asked.
    pub fn take_unanswered(&self, namespace: &str, owner: &str) -> Vec<Change> {
        self.unanswered.take(namespace, owner).unwrap_or_default()
    }

    /// The gateway is not to be left alone.
    pub fn forget(&self, namespace: &str, owner: &str) {
        self.idle.take(namespace, owner);
    }

    /// The gateway is gone.
    pub fn is_gone(&self, namespace: &str, owner: &str) {
        self.forget(namespace, owner);
        self.refusals.take(namespace, owner);
        self.unanswered.take(namespace, owner);
    }
}
