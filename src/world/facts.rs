//! What one controller finds out and others use. Memory only: after a restart of the operator each fact is unknown until the first
//! reconcile that publishes it.
//!
//! A controller publishes, and never queues an object of another one: whom a fact concerns is decided in
//! [`fact_triggers`](super::fact_triggers).

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::channels_found::ChannelsFound;
use super::devices_found::DevicesFound;
use super::gateway_state::GatewayFound;
use super::gateways::Gateway;
use super::jobs_found::JobsFound;
use super::queues::{Queues, Trigger};
use super::sandbox_states::SandboxState;
use super::stores::{Stores, named};
use crate::kubernetes::caches::by_name::ByName;
use crate::kubernetes::conditions::find;
use crate::kubernetes::pod_status::has_ended;

/// A fact, or that nothing was published of it since the operator started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fact<V> {
    #[default]
    Unknown,
    Known(V),
}

impl<V> Fact<V> {
    #[must_use]
    pub fn known(self) -> Option<V> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
        }
    }

    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    #[must_use]
    pub fn as_ref(&self) -> Fact<&V> {
        match self {
            Self::Known(value) => Fact::Known(value),
            Self::Unknown => Fact::Unknown,
        }
    }

    #[must_use]
    pub fn map<T>(self, to: impl FnOnce(V) -> T) -> Fact<T> {
        match self {
            Self::Known(value) => Fact::Known(to(value)),
            Self::Unknown => Fact::Unknown,
        }
    }

    /// The rule for facts that are not known yet: the condition that one feeds stays as the status has it for this generation,
    /// because a restart of the operator changes none of it. Whether that is the case.
    #[must_use]
    pub fn keeps(&self, conditions: &[Condition], kind: &str, generation: Option<i64>) -> bool {
        let is_current = |condition: &Condition| condition.observed_generation == generation;
        self.is_unknown() && find(conditions, kind).is_some_and(is_current)
    }
}

/// A kind of fact, which knows whom a change of it concerns.
pub trait Concerns: Clone + PartialEq {
    /// `namespace` and `name`: what the fact is about.
    fn concerns(namespace: &str, name: &str, before: &Fact<Self>, after: &Self, stores: &Stores) -> BTreeSet<Trigger>;
}

/// The facts of one kind, by namespace and name.
#[derive(Debug)]
pub struct Board<V> {
    known: ByName<V>,
    publisher: Publisher,
}

/// What it takes to tell whom a fact concerns.
#[derive(Clone)]
struct Publisher {
    stores: Arc<Stores>,
    queues: Queues,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Publisher")
    }
}

impl<V: Concerns> Board<V> {
    fn new(publisher: &Publisher) -> Self {
        Self { known: ByName::default(), publisher: publisher.clone() }
    }

    /// What was published last.
    #[must_use]
    pub fn of(&self, namespace: &str, name: &str) -> Fact<V> {
        self.known.get(namespace, name).map_or(Fact::Unknown, Fact::Known)
    }

    /// Keeps the fact, and queues whom it concerns if it is another one than before.
    pub fn publish(&self, namespace: &str, name: &str, value: V) {
        let before = self.of(namespace, name);
        if before.as_ref().known() == Some(&value) {
            return;
        }
        let triggers = V::concerns(namespace, name, &before, &value, &self.publisher.stores);
        self.known.put(namespace, name, value);
        self.publisher.queues.push(triggers);
    }

    /// Forgets an object that is gone. Nothing is queued: the watch has told of the deletion.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.known.take(namespace, name);
    }
}

/// How often something was asked of a gateway that nothing in the cluster shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefreshRequests(pub u64);

/// All facts.
#[derive(Debug)]
pub struct Facts {
    /// By the owning Agent: the gateway, if it answers.
    pub gateways: Board<Option<Arc<Gateway>>>,
    /// By the owning Agent.
    pub gateway_states: Board<GatewayFound>,
    /// By Agent: its sandbox, if it has one.
    pub sandbox_states: Board<Option<Arc<SandboxState>>>,
    /// By the Agent that owns the gateway.
    pub jobs: Board<Arc<JobsFound>>,
    /// By the Agent that owns the gateway: its devices, if Creel looks after them.
    pub devices: Board<Option<Arc<DevicesFound>>>,
    /// By the Agent that owns the gateway: the channels of its Agents, if there are any.
    pub channels: Board<Option<Arc<ChannelsFound>>>,
    /// By the Agent that owns the gateway.
    refreshes: Board<RefreshRequests>,
    publisher: Publisher,
}

impl Facts {
    #[must_use]
    pub fn new(stores: Arc<Stores>, queues: Queues) -> Self {
        let publisher = Publisher { stores, queues };
        Self {
            gateways: Board::new(&publisher),
            gateway_states: Board::new(&publisher),
            sandbox_states: Board::new(&publisher),
            jobs: Board::new(&publisher),
            devices: Board::new(&publisher),
            channels: Board::new(&publisher),
            refreshes: Board::new(&publisher),
            publisher,
        }
    }

    /// The gateway of this Agent, if it answers and its Pod is still there: another Pod may have the address of one that is gone.
    #[must_use]
    pub fn gateway(&self, namespace: &str, owner: &str) -> Option<Arc<Gateway>> {
        let gateway = self.gateways.of(namespace, owner).known().flatten()?;
        let pod = named(&self.publisher.stores.pods, namespace, &gateway.pod)?;
        let is_it = ResourceExt::uid(&*pod).is_some_and(|uid| gateway.run.starts_with(&uid)) && !has_ended(&pod);
        is_it.then_some(gateway)
    }

    /// Something was asked of the gateway: its jobs have to be looked at before their time.
    pub fn request_refresh(&self, namespace: &str, owner: &str) {
        let RefreshRequests(before) = self.refreshes(namespace, owner);
        self.refreshes.publish(namespace, owner, RefreshRequests(before.wrapping_add(1)));
    }

    /// How often that was requested.
    #[must_use]
    pub fn refreshes(&self, namespace: &str, owner: &str) -> RefreshRequests {
        self.refreshes.of(namespace, owner).known().unwrap_or_default()
    }

    /// Forgets the jobs of a gateway that is gone.
    pub fn forget_jobs(&self, namespace: &str, owner: &str) {
        self.jobs.forget(namespace, owner);
        self.refreshes.forget(namespace, owner);
    }
}
