//! A published fact queues whom it concerns, once.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use super::small_world::{NAMESPACE, SmallWorld};
use crate::api::Agent;
use crate::api::sandbox::WorkspaceAccess;
use crate::kubernetes::conditions::{Desired, ISOLATION_VERIFIED, SANDBOX_READY, Status, merge, reason};
use crate::kubernetes::spec_version::SpecVersion;
use crate::references::digests::Fault;
use crate::world::facts::{Fact, Facts};
use crate::world::queues::{Controller, Trigger, queues};
use crate::world::sandbox_states::SandboxState;

fn joined(name: &str, owner: &str) -> Agent {
    let mut agent = SmallWorld::agent(name);
    agent.spec.gateway_ref = Some(serde_json::from_value(json!({"name": owner})).unwrap());
    agent
}

struct House {
    facts: Facts,
    queues: Vec<UnboundedReceiver<Trigger>>,
}

impl House {
    /// Two Agents on one gateway, and one beside them.
    fn new() -> Self {
        let agents = vec![SmallWorld::agent("concierge"), joined("writer", "concierge"), SmallWorld::agent("other")];
        let (queues, mut receivers) = queues();
        let stores = SmallWorld { agents, ..SmallWorld::default() }.stores();
        let receivers = Controller::ALL.map(|controller| receivers.take(controller));
        Self { facts: Facts::new(Arc::new(stores), queues), queues: receivers.into() }
    }

    /// What was queued since the last look.
    fn queued(&mut self) -> BTreeSet<(Controller, String)> {
        let drain = |queue: &mut UnboundedReceiver<Trigger>| {
            std::iter::from_fn(|| queue.try_recv().ok()).map(|trigger| (trigger.controller, trigger.name)).collect()
        };
        self.queues.iter_mut().flat_map(|queue| -> Vec<_> { drain(queue) }).collect()
    }
}

fn names<const N: usize>(queued: [(Controller, &str); N]) -> BTreeSet<(Controller, String)> {
    queued.map(|(controller, name)| (controller, name.to_owned())).into()
}

fn state(sandbox: &str) -> Arc<SandboxState> {
    Arc::new(SandboxState {
        sandbox: sandbox.into(),
        access: WorkspaceAccess::Ro,
        ready: Desired::new(SANDBOX_READY, Status::True, reason::RUNNING, ""),
        isolation: Desired::new(ISOLATION_VERIFIED, Status::True, reason::ISOLATED, ""),
        pending: String::new(),
        agent: SpecVersion::default(),
    })
}

#[test]
fn a_gateway_that_is_blocked_is_told_to_every_agent_on_it_once() {
    let mut house = House::new();
    let fault = Fault { reason: reason::NAME_CONFLICT, message: "taken".into(), carried: false };
    house.facts.gateway_states.publish(NAMESPACE, "concierge", Err(fault.clone()));
    assert_eq!(house.queued(), names([(Controller::Agent, "concierge"), (Controller::Agent, "writer")]));
    house.facts.gateway_states.publish(NAMESPACE, "concierge", Err(fault));
    assert_eq!(house.queued(), names([]), "nothing is new");
}

#[test]
fn an_agent_that_changes_its_sandbox_concerns_both_sandboxes() {
    let mut house = House::new();
    house.facts.sandbox_states.publish(NAMESPACE, "writer", Some(state("small")));
    assert_eq!(house.queued(), names([(Controller::Agent, "writer"), (Controller::SandboxTemplate, "small")]));
    house.facts.sandbox_states.publish(NAMESPACE, "writer", Some(state("large")));
    let both = [(Controller::SandboxTemplate, "small"), (Controller::SandboxTemplate, "large")];
    assert_eq!(house.queued(), names([(Controller::Agent, "writer"), both[0], both[1]]));
}

#[test]
fn each_request_for_a_refresh_queues_the_jobs_of_the_gateway() {
    let mut house = House::new();
    let before = house.facts.refreshes(NAMESPACE, "concierge");
    for _ in 0..2 {
        house.facts.request_refresh(NAMESPACE, "concierge");
        assert_eq!(house.queued(), names([(Controller::Jobs, "concierge")]));
    }
    assert_ne!(house.facts.refreshes(NAMESPACE, "concierge"), before);
}

#[test]
fn what_is_not_known_yet_leaves_the_condition_of_this_generation_as_it_is() {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let ready = Desired::new(SANDBOX_READY, Status::True, reason::RUNNING, "");
    let conditions = merge(&[], &[ready], Some(2), now);
    let keeps = |fact: Fact<()>, generation| fact.keeps(&conditions, SANDBOX_READY, Some(generation));
    assert!(keeps(Fact::Unknown, 2));
    assert!(!keeps(Fact::Unknown, 3), "the spec was edited since");
    assert!(!keeps(Fact::Known(()), 2));
    assert!(!Fact::<()>::Unknown.keeps(&conditions, ISOLATION_VERIFIED, Some(2)), "there is none");
    let house = House::new();
    assert!(house.facts.sandbox_states.of(NAMESPACE, "writer").is_unknown());
}
