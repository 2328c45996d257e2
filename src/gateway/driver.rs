//! One reconcile of one gateway: names the steps. Touches the network through them.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use k8s_controller::events::{Event, EventType};
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::apply::{self, Applied};
use super::build;
use super::config_sync::{self, Synced};
use super::context::Context;
use super::files;
use super::gather::{self, Gathered};
use super::jobs;
use super::plan::Plan;
use super::requeue;
use super::rollout::Decision;
use super::rollout::trial::{self, Replacement};
use super::state::{self, Reconciled};
use super::validate;
use crate::api::Agent;
use crate::kubernetes::conditions::reason;
use crate::kubernetes::reconciler::ReconcileError;
use crate::naming::{GatewayNames, is_child_of, is_paused};
use crate::openclaw::config::document::ConfigDocument;
use crate::references::digests::Fault;
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};
use crate::world::stores::named;

impl Reconciler for Context {
    type Object = Agent;
    const CONTROLLER: Controller = Controller::Gateway;

    async fn reconcile(&self, agent: Arc<Agent>) -> Result<Action, ReconcileError> {
        // The gateway that an Agent joined is its owner's to reconcile.
        if agent.metadata.deletion_timestamp.is_some() || agent.spec.gateway_ref.is_some() {
            return Ok(Action::await_change());
        }
        reconcile(agent, self).await
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.forget_owner(gone);
    }
}

async fn reconcile(owner: Arc<Agent>, context: &Context) -> Result<Action, ReconcileError> {
    let (namespace, name) = (owner.namespace().unwrap_or_default(), owner.name_any());
    let gathered = match gather::gather(context, Arc::clone(&owner)).await {
        Err(error) if let Some(reason) = error.reason() => {
            let fault = Fault { reason, message: error.to_string(), carried: false };
            if error.undermines_pods() && !is_paused(owner.annotations()) {
                let deployment = named(&context.stores.deployments, &namespace, &GatewayNames::of(&name).gateway);
                let deployment = deployment.filter(|deployment| is_child_of(&deployment.object, &owner));
                apply::stop(&context.applier, deployment.as_deref()).await?;
            }
            context.facts.gateway_states.publish(&namespace, &name, Err(fault));
            return Ok(Action::requeue(requeue::RETRY));
        }
        gathered => gathered?,
    };
    let mut plan = validate::validate(&gathered, &context.settings);
    let reconciled = if is_paused(owner.annotations()) {
        keep(context, &gathered, &plan)
    } else {
        let decision = decide(context, &gathered, &mut plan).await;
        if let Some(wait) = jobs::stop_leaving(context, &gathered, &plan).await {
            // The configuration with the agents that leave stays until then.
            return Ok(Action::requeue(wait));
        }
        roll_out(context, &gathered, &plan, decision).await?
    };
    let state = Arc::new(state::observe(&reconciled));
    context.facts.gateway_states.publish(&namespace, &name, Ok(state));
    let unseen = context.applier.ledger.unseen_for(&owner.uid().unwrap_or_default(), Instant::now());
    Ok(Action::requeue(requeue::after(&reconciled, unseen)))
}

/// A paused gateway stays as it is.
fn keep<'a>(context: &Context, gathered: &'a Gathered, plan: &'a Plan) -> Reconciled<'a> {
    jobs::keep(context, gathered);
    let (applied, synced, files) = (Applied::unchanged(gathered), Synced::default(), files::Found::default());
    Reconciled { gathered, plan, decision: None, applied, synced, files }
}

/// What becomes of the Pod. The one that runs gives way only to one that the API server would take; until it says so, the configuration is
/// planned for the one that runs, and everything else goes on.
async fn decide(context: &Context, gathered: &Gathered, plan: &mut Plan) -> Decision {
    let (owner, shell_image) = (gathered.owner.uid().unwrap_or_default(), context.settings.shell_image.as_str());
    let replacement = Replacement::new(gathered, plan, shell_image);
    let tried = replacement.as_ref().is_some_and(|it| context.trials.knows(&owner, &it.wanted));
    let decision = context.rollouts.decide(gathered, plan, (shell_image, tried), Timestamp::now());
    let Some(Replacement { running, wanted }) = replacement else {
        context.trials.forget(&owner);
        return decision;
    };
    let (Decision::Apply { replaces_pod: true, rollout }, Ok(planned)) = (&decision, &plan.pod) else {
        return decision;
    };
    // The cache may still show the Pod that gave way.
    if context.rollouts.rollout_started(&owner, &planned.hash()).is_some() {
        return decision;
    }
    let refusal = context.trials.refusal(&context.client, &owner, running, &wanted, Instant::now()).await;
    let Some(refusal) = refusal else { return decision };
    // Another version of OpenClaw may not take what was written for this one.
    let (live, same_image) = (&gathered.live, gathered.live.image.as_ref() == Some(&planned.image));
    let suits = |config: &Arc<ConfigDocument>| same_image && validate::suits_live_pod(live, config.value(), planned);
    let fault = trial::rejected(&gathered.owner, rollout.as_ref(), &refusal.words);
    plan.config = plan.config.take().filter(suits);
    Decision::Rejected { fault, again_in: refusal.again_in }
}

/// Brings the gateway in line with its plan.
async fn roll_out<'a>(
    context: &Context,
    gathered: &'a Gathered,
    plan: &'a Plan,
    decision: Decision,
) -> Result<Reconciled<'a>, ReconcileError> {
    // On the heap: it holds every child whole.
    let desired = Box::new(build::build(gathered, plan, &decision, &context.settings));
    let (applied, sent) = apply::apply((&context.applier, &context.fences), gathered, &desired).await;
    let deployment_sent = applied.deployment.as_ref().is_some_and(|deployment| deployment.sent);
    context.rollouts.record(gathered, plan, &decision, deployment_sent);
    sent?;
    if let Decision::Apply { replaces_pod: true, rollout: Some(rollout) } = &decision
        && deployment_sent
    {
        announce(context, &gathered.owner, &rollout.reason).await;
    }
    let synced = config_sync::sync(context, gathered, &applied).await?;
    let files = files::sync(context, gathered, plan, &synced).await?;
    jobs::publish(context, gathered, &synced);
    Ok(Reconciled { gathered, plan, decision: Some(decision), applied, synced, files })
}

/// Says why the Pod is replaced.
async fn announce(context: &Context, owner: &Agent, why: &str) {
    let event = Event {
        type_: EventType::Normal,
        reason: reason::ROLLING_OUT.to_owned(),
        action: "RecreatePod".to_owned(),
        note: Some(format!("Replacing the gateway's Pod: {why}")),
        related: None,
    };
    context.publish(owner, &event).await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
