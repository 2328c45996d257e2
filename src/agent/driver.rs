//! One reconcile of one Agent: its status. Touches the network through its steps.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::context::Context;
use super::gather::{Gathered, gather};
use super::{channels, devices, report, status};
use crate::api::Agent;
use crate::api::agent::AgentStatus;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::reconciler::ReconcileError;
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};

impl Reconciler for Context {
    type Object = Agent;
    const CONTROLLER: Controller = Controller::Agent;

    async fn reconcile(&self, agent: Arc<Agent>) -> Result<Action, ReconcileError> {
        reconcile(&agent, self).await
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.edits.settled(&gone.uid.to_owned());
    }
}

/// One reconcile.
async fn reconcile(agent: &Agent, context: &Context) -> Result<Action, ReconcileError> {
    if agent.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let gathered = gather(&context.stores, &context.facts, agent);
    let (next, again) = next(agent, &gathered);
    if agent.status.as_ref() != Some(&next) {
        if let Some(wait) = context.settles_in(agent, &gathered) {
            return Ok(Action::requeue(wait));
        }
        report::report(context, agent, &next).await?;
    }
    Ok(Action::requeue(again.unwrap_or_else(resync)))
}

/// The status, and when time alone will change it.
fn next(agent: &Agent, gathered: &Gathered) -> (AgentStatus, Option<Duration>) {
    let (place, sandbox) = (gathered.place(), gathered.sandbox.as_deref());
    let now = Timestamp::now();
    let (mut next, again) = status::status(agent, &place, sandbox, gathered.joined(agent), now);
    devices::put(&mut next, agent, &gathered.devices, now);
    channels::put(&mut next, agent, &gathered.channels(agent), now);
    next.heartbeat = gathered.heartbeat().or(next.heartbeat).filter(|_| agent.spec.heartbeat.is_some());
    (next, again)
}
