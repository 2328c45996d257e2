//! The queue of each controller: which objects it has to reconcile. Memory only.
//!
//! What is queued is decided in one place: in [`triggers`](super::triggers) for a change in the cluster, and in
//! [`fact_triggers`](super::fact_triggers) for a published fact.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::naming::FENCE_NAME;

/// The controllers, by what they reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// The status of an Agent.
    Agent,
    /// The channels of one gateway, by the Agent that owns it.
    Channels,
    /// A CronJob: its status, and the runs that it asks for.
    CronJob,
    /// The devices of one gateway, by the Agent that owns it.
    Devices,
    /// The fence of a namespace, by [`FENCE_NAME`].
    Fence,
    /// The gateway of the Agent that owns it.
    Gateway,
    /// The jobs of one gateway, by the Agent that owns it.
    Jobs,
    Provider,
    /// The sandbox of one Agent: its Pod and what belongs to it.
    Sandbox,
    /// A Sandbox, from which the Pods of Agents are created.
    SandboxTemplate,
}

impl Controller {
    pub const ALL: [Self; 10] = [
        Self::Agent,
        Self::Channels,
        Self::CronJob,
        Self::Devices,
        Self::Fence,
        Self::Gateway,
        Self::Jobs,
        Self::Provider,
        Self::Sandbox,
        Self::SandboxTemplate,
    ];

    /// In metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Channels => "channels",
            Self::CronJob => "cron-job",
            Self::Devices => "devices",
            Self::Fence => "fence",
            Self::Gateway => "gateway",
            Self::Jobs => "jobs",
            Self::Provider => "provider",
            Self::Sandbox => "sandbox",
            Self::SandboxTemplate => "sandbox-template",
        }
    }
}

/// One object that a controller has to reconcile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trigger {
    pub controller: Controller,
    pub namespace: String,
    pub name: String,
}

impl Trigger {
    #[must_use]
    pub fn new(controller: Controller, namespace: &str, name: impl Into<String>) -> Self {
        Self { controller, namespace: namespace.to_owned(), name: name.into() }
    }

    /// The fence of this namespace.
    #[must_use]
    pub fn fence(namespace: &str) -> Self {
        Self::new(Controller::Fence, namespace, FENCE_NAME)
    }
}

/// The sending ends. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queues(Arc<BTreeMap<Controller, UnboundedSender<Trigger>>>);

/// The receiving ends. Each is drained at once into a scheduler that holds an object only once.
#[derive(Debug)]
pub struct Receivers(BTreeMap<Controller, UnboundedReceiver<Trigger>>);

/// A queue for each controller.
#[must_use]
pub fn queues() -> (Queues, Receivers) {
    let (senders, receivers) = Controller::ALL
        .into_iter()
        .map(|controller| {
            let (sender, receiver) = unbounded_channel();
            ((controller, sender), (controller, receiver))
        })
        .unzip();
    (Queues(Arc::new(senders)), Receivers(receivers))
}

impl Queues {
    /// Queues the objects. A queue that is closed means that the process ends.
    pub(super) fn push(&self, triggers: impl IntoIterator<Item = Trigger>) {
        for trigger in triggers {
            let sent = self.0.get(&trigger.controller).map(|queue| queue.send(trigger));
            if !matches!(sent, Some(Ok(()))) {
                tracing::debug!("a queue is closed");
            }
        }
    }
}

impl Receivers {
    /// The queue of this controller. It is given away once; a second one is closed.
    #[must_use]
    pub fn take(&mut self, controller: Controller) -> UnboundedReceiver<Trigger> {
        self.0.remove(&controller).unwrap_or_else(|| unbounded_channel().1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_controller_gets_what_is_queued_for_it() {
        let (queues, mut receivers) = queues();
        let trigger = |controller: Controller| Trigger::new(controller, "assistants", controller.name());
        queues.push(Controller::ALL.map(trigger));
        for controller in Controller::ALL {
            let mut queue = receivers.take(controller);
            assert_eq!(queue.try_recv(), Ok(trigger(controller)));
            assert!(queue.try_recv().is_err());
        }
    }
}
