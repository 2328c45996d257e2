//! One reconcile of the sandbox of one Agent: names the steps. Touches the network through them.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::apply::{self, Applied, Pass};
use super::build::pod;
use super::context::Context;
use super::gather;
use super::requeue;
use super::state;
use super::step::decide;
use super::validate::validate;
use crate::api::Agent;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::reconciler::ReconcileError;
use crate::naming::{SandboxNames, is_child_of, is_paused};
use crate::references::digests::Fault;
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};
use crate::world::sandbox_states::SandboxState;
use crate::world::stores::named;

impl Reconciler for Context {
    type Object = Agent;
    const CONTROLLER: Controller = Controller::Sandbox;

    async fn reconcile(&self, agent: Arc<Agent>) -> Result<Action, ReconcileError> {
        reconcile(agent, self).await
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.forget_agent(gone);
    }
}

/// One reconcile.
async fn reconcile(agent: Arc<Agent>, context: &Context) -> Result<Action, ReconcileError> {
    if agent.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let Some(used) = agent.spec.sandbox.clone() else {
        if !is_paused(agent.annotations()) {
            apply::remove(context, &agent).await?;
        }
        publish(context, &agent, None);
        return Ok(Action::requeue(resync()));
    };
    let gathered = match gather::gather(context, Arc::clone(&agent), used.clone()).await {
        Err(error) if let Some(reason) = error.reason() => {
            let fault = Fault { reason, message: error.to_string(), carried: false };
            if error.undermines_pods() && !is_paused(agent.annotations()) {
                let (namespace, name) = (agent.namespace().unwrap_or_default(), agent.name_any());
                let pod = named(&context.stores.pods, &namespace, &SandboxNames::of(&name).sandbox);
                apply::stop(context, pod.filter(|pod| is_child_of(pod.as_ref(), &agent)).as_deref()).await?;
            }
            publish(context, &agent, Some(state::blocked(&agent, &used, &fault)));
            return Ok(Action::requeue(requeue::RETRY));
        }
        gathered => gathered?,
    };
    let (now, names) = (Timestamp::now(), SandboxNames::of(&agent.name_any()));
    let verdict = validate(&gathered);
    let make = |plan| pod::build(&agent, &names, plan, &context.shell_image, context.api_server);
    let wanted = verdict.plan.as_ref().map(make);
    let decision = decide(&gathered, wanted.as_ref().map_err(|blocked| *blocked), now);
    let template = gathered.sandbox.as_ref();
    let paused = is_paused(agent.annotations()) || template.is_some_and(|sandbox| is_paused(sandbox.annotations()));
    let applied = if paused {
        Applied::default()
    } else {
        let pass = Pass { gathered: &gathered, decision: &decision, wanted: wanted.as_ref().ok(), now };
        apply::apply(context, &pass).await?
    };
    let found = state::Reconciled { gathered: &gathered, verdict: &verdict, decision: &decision, applied: &applied };
    publish(context, &agent, Some(state::state(&found, context.api_server, paused, now)));
    let unseen = context.applier.ledger.unseen_for(&agent.uid().unwrap_or_default(), Instant::now());
    Ok(Action::requeue(requeue::after(&gathered, &verdict, &applied, unseen, now)))
}

/// Publishes what the reconcile found; `None`: the Agent has no sandbox.
fn publish(context: &Context, agent: &Agent, state: Option<SandboxState>) {
    let (namespace, name) = (agent.namespace().unwrap_or_default(), agent.name_any());
    context.facts.sandbox_states.publish(&namespace, &name, state.map(Arc::new));
}
