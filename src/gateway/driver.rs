//! One pass over one Agent: names the steps. Touches the network through them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_controller::events::{Event, EventType};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use serde_json::Value;

use super::apply::{self, Applied, Mounted};
use super::config_sync::decide::{Step, decide};
use super::config_sync::proof::{self, ASK_AGAIN, Proof, Question, UNREACHABLE_HOLDS};
use super::context::Context;
use super::gather::{self, Gathered};
use super::jobs;
use super::plan::Plan;
use super::pod::{self, PodState};
use super::state;
use super::validate;
use crate::api::Agent;
use crate::kubernetes::backoff::look_again;
use crate::kubernetes::conditions::reason;
use crate::kubernetes::ledger::CACHE_LAG;
use crate::kubernetes::reconciler::ReconcileError;
use crate::naming::is_paused;
use crate::references::digests::Fault;
use crate::references::sources;
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};

/// What the API server refused (a quota, say) is sent again after this time.
const TRY_AGAIN: Duration = Duration::from_secs(30);

impl Reconciler for Context {
    type Object = Agent;
    const CONTROLLER: Controller = Controller::Gateway;

    async fn reconcile(&self, agent: Arc<Agent>) -> Result<Action, ReconcileError> {
        reconcile(agent, self).await
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.forget_owner(gone);
    }
}

/// One pass.
async fn reconcile(agent: Arc<Agent>, context: &Context) -> Result<Action, ReconcileError> {
    if agent.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if agent.spec.gateway_ref.is_some() {
        // The gateway that it joined is its owner's to reconcile.
        return Ok(Action::await_change());
    }
    own(agent, context).await
}

/// An Agent that owns a gateway: the gateway as a whole.
async fn own(owner: Arc<Agent>, context: &Context) -> Result<Action, ReconcileError> {
    let now = Timestamp::now();
    let paused = is_paused(owner.annotations());
    let (namespace, name) = (owner.namespace().unwrap_or_default(), owner.name_any());
    let gathered = match gather::gather(context, Arc::clone(&owner)).await {
        Err(error) if error.reason().is_some() => {
            let reason = error.reason().unwrap_or(reason::CHILD_REJECTED);
            let fault = Fault { reason, message: error.to_string(), carried: false };
            context.facts.gateway_states.publish(&namespace, &name, Err(fault));
            return Ok(Action::requeue(TRY_AGAIN));
        }
        gathered => gathered?,
    };
    let plan = validate::validate(&gathered, &context.settings);
    if !paused {
        jobs::leave(context, &gathered, &plan).await;
    }
    let applied = if paused { Applied::default() } else { apply::apply(context, &gathered, &plan, now).await? };
    announce(context, &gathered.owner, &applied).await;
    let (pod, proof, config) = if paused { (None, None, None) } else { ask(context, &gathered, &applied).await? };
    if paused {
        jobs::rest(context, &gathered);
    } else {
        jobs::meet(context, &gathered, &applied, pod.as_ref(), proof.as_ref(), config.as_ref()).await;
    }
    let state =
        Arc::new(state::observe(&gathered, &plan, &applied, pod.as_ref(), proof.as_ref(), config.as_ref(), paused));
    context.facts.gateway_states.publish(&namespace, &name, Ok(state));
    Ok(Action::requeue(next(&plan, &applied, proof.as_ref())))
}

/// When to look again.
fn next(plan: &Plan, applied: &Applied, proof: Option<&Proof>) -> Duration {
    let asks = matches!(proof, Some(Proof::Pending | Proof::Stalled)).then_some(ASK_AGAIN);
    let unreachable = matches!(proof, Some(Proof::Unreachable(_))).then_some(UNREACHABLE_HOLDS);
    let seen = applied.sent.then_some(CACHE_LAG + Duration::from_secs(1));
    // No watch tells when these are over.
    let unwatched = |fault: &Fault| matches!(fault.reason, reason::CLAIM_NOT_FOUND | reason::REFERENCE_UNREADABLE);
    let unread = plan
        .warnings
        .iter()
        .chain(plan.agent_warnings.values().flatten())
        .chain(plan.pod.as_ref().err())
        .any(unwatched)
        || plan.faults.values().any(|fault| fault.reason == reason::REFERENCE_UNREADABLE);
    let refused = (applied.fault.is_some() || unread).then_some(TRY_AGAIN);
    [applied.settles_in, asks, unreachable, seen, refused].into_iter().flatten().min().unwrap_or_else(look_again)
}

/// Tells people why a Pod is recreated. An event is informational: a pass does not fail for it.
async fn announce(context: &Context, owner: &Agent, applied: &Applied) {
    let Some(rollout) = &applied.rollout else { return };
    let event = Event {
        type_: EventType::Normal,
        reason: reason::ROLLING_OUT.to_owned(),
        action: "RecreatePod".to_owned(),
        note: Some(format!("The gateway's Pod is recreated: {}", rollout.reason)),
        related: None,
    };
    context.publish(owner, &event).await;
}

type Asked = (Option<PodState>, Option<Proof>, Option<Mounted>);

/// Looks at the Pod and asks the gateway; what it refuses is taken back at once, what it accepts is kept.
async fn ask(context: &Context, gathered: &Gathered, applied: &Applied) -> Result<Asked, ReconcileError> {
    let owner = gathered.owner.uid().unwrap_or_default();
    let current = applied.plan.as_deref().and_then(|plan| pod::current(&gathered.live.pods, plan));
    let Some(current) = current.filter(|pod| !context.proofs.is_condemned(&owner, pod)) else {
        return Ok((None, None, applied.config.clone()));
    };
    let state = pod::state(current, gathered.live.pods.len() > 1);
    let Some(config) = applied.config.clone() else { return Ok((Some(state), None, None)) };
    let proof = match state {
        PodState::Ready => Some(prove(context, gathered, &owner, current, &config).await?),
        _ => None,
    };
    let step = decide(&state, proof.as_ref(), &config, applied.sent);
    let config = act(context, gathered, current, config, step).await?;
    Ok((Some(state), proof, Some(config)))
}

/// Takes the step; returns what is mounted then.
async fn act(
    context: &Context,
    gathered: &Gathered,
    pod: &Pod,
    config: Mounted,
    step: Step<'_>,
) -> Result<Mounted, ReconcileError> {
    let owner = gathered.owner.uid().unwrap_or_default();
    match step {
        Step::Wait => Ok(config),
        Step::Accept => {
            apply::accept(context, gathered, &config).await?;
            Ok(Mounted { refusal: None, ..config })
        }
        Step::TakeBack { words, recreate } => {
            let config = apply::refuse(context, gathered, &config, words).await?;
            if recreate && config.text != config.wanted {
                condemn(context, &owner, pod).await?;
            }
            Ok(config)
        }
        Step::Recreate => {
            condemn(context, &owner, pod).await?;
            Ok(config)
        }
    }
}

async fn condemn(context: &Context, owner: &str, pod: &Pod) -> Result<(), kube::Error> {
    tracing::warn!(pod = pod.name_any(), "recreating the Pod");
    proof::recreate(&context.client, pod).await?;
    context.proofs.condemn(owner, pod);
    Ok(())
}

async fn prove(
    context: &Context,
    gathered: &Gathered,
    owner: &str,
    pod: &Pod,
    config: &Mounted,
) -> Result<Proof, ReconcileError> {
    let namespace = gathered.owner.namespace().unwrap_or_default();
    let selector = sources::token(&gathered.owner);
    let token = match context.secrets.token(&context.client, &context.stores, &namespace, &selector).await {
        Ok(token) => token,
        Err(error) => return Ok(Proof::Unreachable(error.to_string())),
    };
    let document: Value = serde_json::from_str(&config.text).unwrap_or_default();
    let hash = crate::gateway::plan::hash(&config.text);
    let question =
        Question { client: &context.client, admin: &context.admin, token, pod, hash: &hash, config: &document };
    Ok(proof::prove(&context.proofs, owner, &question).await?)
}
