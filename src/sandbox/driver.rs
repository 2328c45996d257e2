//! One pass over the sandbox of one Agent: names the steps. Touches the network through them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::apply::{self, Applied, Pass};
use super::build::pod;
use super::context::Context;
use super::gather::{self, Found, Gathered};
use super::state;
use super::step::decide;
use super::validate::{Verdict, validate};
use crate::api::Agent;
use crate::api::sandbox::WorkspaceAccess;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::conditions::reason;
use crate::kubernetes::ledger::CACHE_LAG;
use crate::kubernetes::reconciler::ReconcileError;
use crate::naming::{SandboxNames, is_paused};
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};
use crate::world::sandbox_states::SandboxState;

/// What no watch tells the end of is looked at again after this time.
const RETRY: Duration = Duration::from_secs(30);

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

/// One pass.
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
        Err(error) if error.reason().is_some() => {
            let reason = error.reason().unwrap_or(reason::CHILD_REJECTED);
            publish(context, &agent, Some(state::blocked(&agent, &used, reason, &error.to_string())));
            return Ok(Action::requeue(RETRY));
        }
        gathered => gathered?,
    };
    let (now, names) = (Timestamp::now(), SandboxNames::of(&agent.name_any()));
    let verdict = validate(&gathered);
    let make = |plan| pod::build(&agent, &names, plan, &context.shell_image, context.api_server);
    let wanted = verdict.plan.as_ref().map(make);
    let decision = decide(&gathered, wanted.as_ref().map_err(|blocked| *blocked));
    let template = gathered.sandbox.as_ref();
    let paused = is_paused(agent.annotations()) || template.is_some_and(|sandbox| is_paused(sandbox.annotations()));
    let applied = if paused {
        Applied::default()
    } else {
        let pass = Pass { gathered: &gathered, decision: &decision, wanted: wanted.as_ref().ok(), now };
        apply::apply(context, &pass).await?
    };
    let found = state::Found { gathered: &gathered, verdict: &verdict, decision: &decision, applied: &applied };
    publish(context, &agent, Some(state::state(&found, context.api_server, paused, now)));
    let unseen = context.applier.ledger.unseen_for(&agent.uid().unwrap_or_default(), Instant::now());
    Ok(Action::requeue(next(&gathered, &verdict, &applied, unseen, now)))
}

/// Publishes what the reconcile found; `None`: the Agent has no sandbox.
fn publish(context: &Context, agent: &Agent, state: Option<SandboxState>) {
    let (namespace, name) = (agent.namespace().unwrap_or_default(), agent.name_any());
    context.facts.sandbox_states.publish(&namespace, &name, state.map(Arc::new));
}

/// When to look again. `unseen`: how long the cache may still be late with what was sent.
fn next(
    gathered: &Gathered,
    verdict: &Verdict,
    applied: &Applied,
    unseen: Option<Duration>,
    now: Timestamp,
) -> Duration {
    let seen = unseen.max(applied.sent.then_some(CACHE_LAG)).map(|left| left + Duration::from_secs(1));
    let unread = verdict.warnings.iter().any(|fault| fault.reason == reason::REFERENCE_UNREADABLE)
        || verdict.plan.as_ref().is_err_and(|blocked| blocked.reason == reason::REFERENCE_UNREADABLE)
        || matches!(
            (&gathered.client_key, &gathered.access_modes),
            (Found::Unreadable(_), _) | (_, Found::Unreadable(_))
        );
    // The claim that a user brings is not watched.
    let missing =
        verdict.plan.is_err() && gathered.access() != WorkspaceAccess::None && gathered.access_modes == Found::Missing;
    let refused = (applied.fault.is_some() || unread || missing).then_some(RETRY);
    let pod = gathered.live.pod.as_deref();
    let lost = pod.and_then(|pod| state::time_until_lost(pod, now));
    [applied.settles_in, applied.replaced_in, seen, refused, lost].into_iter().flatten().min().unwrap_or_else(resync)
}
