//! Sends a sandbox's children in their order, and takes the step that its Pod needs. Touches the network.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::build::{home, network_policy, service};
use super::context::Context;
use super::gather::Gathered;
use super::step::{Decision, Step, Why, keep, lost};
use crate::api::Agent;
use crate::kubernetes::apply::{ApplyError, delete, failed, key_of};
use crate::kubernetes::conditions::{reason, whole_seconds};
use crate::kubernetes::errors::is_refusal;
use crate::kubernetes::received::{self, Received};
use crate::naming::{DRAIN, DRAIN_SINCE, PLAN, SANDBOX_MANAGER, SandboxNames, is_child_of, is_child_of_predecessor};
use crate::pods::trial::Refusal;
use crate::references::digests::Fault;
use crate::world::stores::named;
use crate::world::triggers::gateway_owner;

/// What became of the children.
#[derive(Debug, Default)]
pub struct Applied {
    /// Whether anything was sent.
    pub sent: bool,
    /// A change of the Pod waits so long, until a burst of changes has settled.
    pub settles_in: Option<Duration>,
    /// A Pod that ended at once is left alone so long.
    pub replaced_in: Option<Duration>,
    /// The API server would not take the Pod that is to stand in for the one that runs, which therefore stays.
    pub refused: Option<Refusal>,
    /// Kubernetes does not change the claim with the home directory, which therefore stays as it is.
    pub rejected_home: Option<Fault>,
    /// A child that the API server or a stranger stands in the way of.
    pub fault: Option<Fault>,
}

/// What a reconcile found, before it sends anything.
#[derive(Debug)]
pub struct Pass<'a> {
    pub gathered: &'a Gathered,
    pub decision: &'a Decision,
    /// The Pod of the plan.
    pub wanted: Option<&'a Pod>,
    pub now: Timestamp,
}

/// Sends what differs and takes the step.
pub async fn apply(context: &Context, pass: &Pass<'_>) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    let fault = |reason, message| Some(Fault { reason, message, carried: false });
    let sent = children(context, pass, &mut applied).await;
    if sent.as_ref().is_err_and(ApplyError::undermines_pods) {
        stop(context, pass.gathered.live.pod.as_deref()).await?;
    }
    applied.fault = match sent {
        Err(error) if let Some(reason) = error.reason() => fault(reason, error.to_string()),
        other => {
            other?;
            let disputed = context.fences.disputed(&context.applier, &pass.gathered.agent);
            applied
                .fault
                .take()
                .or_else(|| disputed.and_then(|disputed| fault(reason::CONTESTED, disputed.to_string())))
        }
    };
    Ok(applied)
}

/// Stops the Pod of a sandbox that would rest on what is somebody else's: its policy, its host key.
pub async fn stop(context: &Context, pod: Option<&Pod>) -> Result<(), ApplyError> {
    match pod.filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        Some(pod) => delete(&context.client, pod).await,
        None => Ok(()),
    }
}

/// The fence and the policy first: no Pod ever runs without them.
async fn children(context: &Context, pass: &Pass<'_>, applied: &mut Applied) -> Result<(), ApplyError> {
    let gathered = pass.gathered;
    let (agent, live) = (&gathered.agent, &gathered.live);
    let names = SandboxNames::of(&agent.name_any());
    let uid = agent.uid().unwrap_or_default();
    context.applier.ledger.is_at(&uid, agent.metadata.generation, live.pod.is_none());
    applied.sent |= context.fences.ensure(&agent.namespace().unwrap_or_default()).await?;
    if let Some(network) = gathered.network() {
        let policy = network_policy::build(agent, &names, &gateway_owner(agent), &network, &context.dns_servers);
        applied.sent |= context.applier.apply(&policy, live.network_policy.as_deref(), &uid).await?;
    }
    // Before anything that may be refused.
    let is_undermined = context.fences.disputed(&context.applier, agent).is_some_and(|disputed| disputed.confines);
    if is_undermined {
        stop(context, live.pod.as_deref()).await?;
    }
    let service = service::build(agent, &names);
    applied.sent |= context.applier.apply(&service, live.service.as_deref(), &uid).await?;
    if is_undermined {
        return Ok(());
    }
    if !home_is_there(context, pass, applied).await? && is_for_another_pod(pass.decision) {
        return Ok(());
    }
    take(context, pass, applied).await
}

/// Brings about the claim with the home directory. No Pod that runs is stopped for what is in its way.
async fn home_is_there(context: &Context, pass: &Pass<'_>, applied: &mut Applied) -> Result<bool, ApplyError> {
    let Gathered { agent, sandbox, live, .. } = pass.gathered;
    let wanted = sandbox.as_ref().filter(|_| pass.wanted.is_some()).and_then(|sandbox| sandbox.spec.home.as_ref());
    let Some(wanted) = wanted else { return Ok(true) };
    let claim = home::build(agent, &SandboxNames::of(&agent.name_any()), wanted);
    let sent = context.applier.apply(&claim, live.home.as_deref(), &agent.uid().unwrap_or_default()).await;
    let fault = |reason, error: &ApplyError| Some(Fault { reason, message: error.to_string(), carried: false });
    match sent {
        Err(error) if error.api().is_some_and(is_refusal) && live.home.is_some() => {
            applied.rejected_home = fault(reason::CLAIM_CHANGE_REJECTED, &error);
        }
        Err(error) if let Some(reason) = error.reason() => {
            applied.fault = fault(reason, &error);
            return Ok(false);
        }
        sent => applied.sent |= sent?,
    }
    Ok(true)
}

/// Whether the step leads to a Pod that mounts the home directory, and takes nothing away before.
fn is_for_another_pod(decision: &Decision) -> bool {
    decision.step == Step::Create || decision.gives_way
}

async fn take(context: &Context, pass: &Pass<'_>, applied: &mut Applied) -> Result<(), ApplyError> {
    let Pass { gathered, decision, wanted, now } = *pass;
    let uid = gathered.agent.uid().unwrap_or_default();
    if matches!(decision.step, Step::Delete(Why::Changed | Why::Narrowed) | Step::Drain)
        && let Some(plan) = wanted.and_then(|pod| pod.annotations().get(PLAN))
        // What was tried before has settled.
        && !wanted.is_some_and(|pod| context.trials.knows(&uid, pod))
    {
        applied.settles_in = context.debounce.wait(&uid, plan, Instant::now());
        if applied.settles_in.is_some() {
            return Ok(());
        }
    } else {
        context.debounce.settled(&uid);
    }
    let step = accepted_step(context, pass, applied).await;
    match (&step, gathered.live.pod.as_deref(), wanted) {
        (Step::Create, None, Some(wanted)) => applied.sent |= create(context, &gathered.agent, wanted).await?,
        (Step::Delete(why), Some(pod), _) => {
            let lived = pod.metadata.creation_timestamp.as_ref().map(|created| now.duration_since(created.0));
            let lived = lived.and_then(|lived| Duration::try_from(lived).ok()).unwrap_or_default();
            let told_to = pod.annotations().contains_key(DRAIN);
            // Whatever else ends one Pod after the other (an admission webhook, a scheduler that sees it otherwise), it is not done in haste.
            let again_and_again = matches!(why, Why::Edited | Why::GatewayMoved) || *why == Why::Ended && !told_to;
            if again_and_again {
                let pod = pod.uid().unwrap_or_default();
                applied.replaced_in = context.restarts.wait(&uid, &pod, lived, Instant::now());
            }
            if applied.replaced_in.is_none() {
                tracing::info!(pod = pod.name_any(), ?why, changes = ?decision.changes, "deleting the Pod");
                delete(&context.client, pod).await?;
                applied.sent = true;
            }
        }
        (Step::Drain, Some(pod), _) => {
            let since = whole_seconds(now).to_string();
            patch(context, pod, json!({"annotations": {DRAIN: "true", DRAIN_SINCE: since}})).await?;
            applied.sent = true;
        }
        (Step::Undrain, Some(pod), _) => {
            patch(context, pod, json!({"annotations": {DRAIN: null, DRAIN_SINCE: null}})).await?;
            applied.sent = true;
        }
        (Step::Restore { labels, annotations }, Some(pod), _) => {
            patch(context, pod, json!({"labels": labels, "annotations": annotations})).await?;
            applied.sent = true;
        }
        _ => {}
    }
    Ok(())
}

/// The step, or another one while the API server refuses the Pod that it would bring.
async fn accepted_step(context: &Context, pass: &Pass<'_>, applied: &mut Applied) -> Step {
    let Pass { gathered, decision, wanted, .. } = *pass;
    let uid = gathered.agent.uid().unwrap_or_default();
    let (Some(pod), Some(wanted), true) = (gathered.live.pod.as_deref(), wanted, decision.gives_way) else {
        context.trials.forget(&uid);
        return decision.step.clone();
    };
    applied.refused = context.trials.refusal(&context.client, &uid, pod, wanted, Instant::now()).await;
    if applied.refused.is_some() { keep(pod, wanted) } else { decision.step.clone() }
}

/// Makes the Pod. One that is there already and was not seen has lost the label that the store selects by, or has only just been made.
async fn create(context: &Context, agent: &Agent, wanted: &Pod) -> Result<bool, ApplyError> {
    let key = key_of(wanted);
    let api: Api<Received<Pod>> = Api::namespaced(context.client.clone(), &key.namespace);
    let params = PostParams { field_manager: Some(SANDBOX_MANAGER.to_owned()), ..PostParams::default() };
    let taken = match api.create(&params, &Received::Whole(wanted.clone())).await {
        Ok(_) => {
            tracing::info!(namespace = key.namespace, name = key.name, "created the Pod");
            return Ok(true);
        }
        Err(kube::Error::Api(status)) if status.code == 409 => kube::Error::Api(status),
        Err(source) => return Err(failed(&key, source)),
    };
    // Gone in between: looked at again soon, as any conflict.
    let Some(present) = received::get(&api, &key.name).await.map_err(|source| failed(&key, source))? else {
        return Err(failed(&key, taken));
    };
    // The Pod of an Agent of this name before it. Its end wakes this Agent, by the label.
    if present.metadata.deletion_timestamp.is_some() {
        return Ok(false);
    }
    if is_child_of_predecessor(&present, agent) {
        return Err(ApplyError::BeingDeleted { kind: key.kind, name: key.name });
    }
    if !is_child_of(&present, agent) {
        return Err(ApplyError::NotOurs { kind: key.kind, name: key.name });
    }
    let labels: BTreeMap<_, _> = lost(present.labels(), wanted.labels());
    if labels.is_empty() {
        return Ok(false);
    }
    patch(context, &present, json!({"labels": labels})).await?;
    Ok(true)
}

/// Changes the metadata of this very Pod.
async fn patch(context: &Context, pod: &Pod, mut metadata: Value) -> Result<(), ApplyError> {
    let key = key_of(pod);
    metadata["uid"] = json!(pod.uid());
    let api: Api<Received<PartialObjectMeta<Pod>>> = Api::namespaced(context.client.clone(), &key.namespace);
    let params = PatchParams { field_manager: Some(SANDBOX_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(&key.name, &params, &Patch::Merge(json!({"metadata": metadata}))).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        patched => patched.map(|_| ()).map_err(|source| failed(&key, source)),
    }
}

/// Takes away what belonged to the sandbox of an Agent that has none any more. The policy outlives the Pod; the Secret stays for the
/// next sandbox of the Agent, and goes with the Agent.
pub async fn remove(context: &Context, agent: &Agent) -> Result<(), ApplyError> {
    let namespace = agent.namespace().unwrap_or_default();
    let name = SandboxNames::of(&agent.name_any()).sandbox;
    let stores = &context.stores;
    if let Some(pod) = named(&stores.pods, &namespace, &name).filter(|pod| is_child_of(pod.as_ref(), agent)) {
        return stop(context, Some(&pod)).await;
    }
    if let Some(service) = named(&stores.services, &namespace, &name).filter(|of| is_child_of(&of.object, agent)) {
        context.applier.delete(&service.object).await?;
    }
    if let Some(policy) = named(&stores.network_policies, &namespace, &name).filter(|of| is_child_of(&of.object, agent))
    {
        context.applier.delete(&policy.object).await?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
