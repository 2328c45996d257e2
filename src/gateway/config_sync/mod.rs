//! The running gateway takes up its configuration, or goes back to the last good one. Touches the network.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `ask` | asks the gateway which configuration it runs | the network (the gateway) |
//! | `state` | where a gateway stands with its configuration, and what is remembered between two questions | nothing |
//! | `tracker` | that memory for all gateways | nothing |
//! | `failed_starts` | whether the gateway can't start, and why | nothing |
//! | `decide` | what all of it calls for | nothing |
//! | `roll_back` | saves a configuration as the last good one, or writes the last good one back | the network |
//! | `pods` | has the kubelet sync a Pod, or deletes it | the network |

pub mod ask;
pub mod decide;
mod failed_starts;
mod pods;
mod roll_back;
pub mod state;
pub mod tracker;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use self::decide::{Before, Look, Step, Suspicion, decide};
use self::state::{ConfigState, Subject};
use super::apply::{self, Applied};
use super::context::Context;
use super::gather::Gathered;
use super::pod::{self, PodState};
use super::revision::ConfigRevision;
use crate::kubernetes::apply::ApplyError;
use crate::kubernetes::reconciler::ReconcileError;
use crate::naming::GatewayNames;
use crate::openclaw::paths;
use crate::openclaw::rpc::Endpoint;
use crate::references::digests::Fault;
use crate::references::sources;

/// The gateway after the handshake.
#[derive(Debug, Default)]
pub struct Synced {
    /// How the current Pod is; `None`: there is none.
    pub pod: Option<PodState>,
    /// Set while the Pod is ready.
    pub process: Option<Process>,
    /// Where the gateway stands with its configuration; `None`: it can't be asked yet.
    pub state: Option<ConfigState>,
    /// How soon to ask it again while a change is on its way, or while it has not said which credentials it lacks; else zero.
    pub poll: Duration,
    /// What its Pod mounts now.
    pub config: Option<ConfigRevision>,
    /// The API server refuses a configuration that was to be saved or written back.
    pub fault: Option<Fault>,
    /// The Providers whose credentials its process lacks.
    pub unavailable: BTreeSet<String>,
}

/// The process that answers for a gateway.
#[derive(Clone, Debug)]
pub struct Process {
    /// The name of its Pod.
    pub pod: String,
    /// See [`pod::run`].
    pub run: String,
    /// Where it answers; `Err`: why that is not known.
    pub endpoint: Result<Endpoint, String>,
}

/// Looks at the Pod and asks the gateway. A configuration that it accepts is saved; one that it rejects is rolled back at once.
pub async fn sync(context: &Context, gathered: &Gathered, applied: &Applied) -> Result<Synced, ReconcileError> {
    let owner = gathered.owner.uid().unwrap_or_default();
    let config = applied.config.clone();
    if let Some(config) = &config {
        mount(context, gathered, config);
    }
    let current = applied.plan.as_deref().and_then(|plan| pod::current(&gathered.live.pods, plan));
    let Some(current) = current.filter(|pod| !context.configs.is_deleted(&owner, pod)) else {
        return Ok(Synced { config, ..Synced::default() });
    };
    let pod = pod::state(current, gathered.live.pods.len() > 1);
    let process = match pod {
        PodState::Ready => Some(process(context, gathered, current).await),
        _ => None,
    };
    let Some(config) = config else { return Ok(Synced { pod: Some(pod), process, ..Synced::default() }) };
    let (state, poll) = match &process {
        Some(process) => {
            let (state, poll) = query(context, &owner, current, process, &config).await?;
            (Some(state), poll)
        }
        None => (None, Duration::ZERO),
    };
    let failed_start = failed_starts::read(current);
    let look = Look { pod: &pod, state: state.as_ref(), failed_start: failed_start.as_deref() };
    let step = decide(look, &config, before(context, gathered, current, &config));
    let stalled = (state.is_some() && step == Step::ReplacePod).then(|| config.current.hash().to_owned());
    let (config, fault) = act(context, gathered, current, config, step).await?;
    // Only now: a Pod that could not be deleted is deleted at the next look.
    if let Some(hash) = stalled {
        context.configs.mark_stalled(&owner, &hash);
    }
    if fault.is_none() {
        remember(context, gathered, &config, &look, step);
    }
    let run = process.as_ref().map(|process| process.run.as_str());
    let unavailable = run.and_then(|run| context.configs.unavailable(&owner, run)).unwrap_or_default();
    Ok(Synced { pod: Some(pod), process, state, poll, config: Some(config), fault, unavailable })
}

/// What happened before this look.
fn before(context: &Context, gathered: &Gathered, pod: &Pod, config: &ConfigRevision) -> Before {
    let (owner, names) = (gathered.owner.uid().unwrap_or_default(), GatewayNames::of(&gathered.owner.name_any()));
    let desired = config.desired.as_ref();
    Before {
        predates: context.configs.predates(&owner, pod),
        replaced: context.configs.is_stalled(&owner, config.current.hash()),
        has_fallback: gathered.live.last_good(&names).is_some_and(|last_good| last_good != config.current),
        suspicion: desired.and_then(|desired| context.configs.suspicion(&owner, desired.hash())),
    }
}

/// Remembers what the next look depends on, which the cache may not show by then.
fn remember(context: &Context, gathered: &Gathered, config: &ConfigRevision, look: &Look<'_>, step: Step<'_>) {
    let owner = gathered.owner.uid().unwrap_or_default();
    let suspicion = match step {
        Step::RollBack { .. } if look.failed_start.is_some() => Some(Suspicion::Suspected),
        Step::Acquit => Some(Suspicion::Acquitted),
        _ => None,
    };
    if let (Some(suspicion), Some(desired)) = (suspicion, &config.desired) {
        context.configs.suspect(&owner, desired.hash(), suspicion);
    }
    context.configs.set_rejection(&owner, config.rejection.as_ref());
    mount(context, gathered, config);
}

fn mount(context: &Context, gathered: &Gathered, config: &ConfigRevision) {
    let owner = gathered.owner.uid().unwrap_or_default();
    context.configs.mount(&owner, config.current.hash(), &gathered.live.pods);
}

async fn process(context: &Context, gathered: &Gathered, pod: &Pod) -> Process {
    let (namespace, owner) = (gathered.owner.namespace().unwrap_or_default(), gathered.owner.name_any());
    let selector = sources::token(&gathered.owner);
    let token = context.secrets.token(&context.client, &context.stores, (&namespace, &owner), &selector).await;
    let endpoint = token.map_err(|error| error.to_string()).and_then(|token| {
        let address = pod::address(pod).ok_or_else(|| format!("Pod \"{}\" has no address", pod.name_any()))?;
        Ok(Endpoint {
            address: SocketAddr::new(address, paths::PORT),
            token,
            namespace: namespace.clone(),
            run: pod::run(pod),
        })
    });
    Process { pod: pod.name_any(), run: pod::run(pod), endpoint }
}

/// Asks the gateway whether it runs this configuration, and has its Pod synced while it does not.
async fn query(
    context: &Context,
    owner: &str,
    pod: &Pod,
    process: &Process,
    config: &ConfigRevision,
) -> Result<(ConfigState, Duration), kube::Error> {
    let endpoint = match &process.endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => return Ok((ConfigState::Unreachable(error.clone()), Duration::ZERO)),
    };
    let (document, now) = (config.current.as_ref(), Instant::now());
    let subject = Subject { run: process.run.clone(), document: document.hash().to_owned() };
    let mut memory = context.configs.recall(owner, subject, now);
    let state = ask::ask(&context.admin, endpoint, document, &mut memory, now).await;
    if state == ConfigState::Pending
        && let Some(attempt) = memory.take_due_sync(now)
    {
        pods::trigger_sync(&context.client, pod, document.hash(), attempt).await?;
    }
    if state == ConfigState::Applied {
        ask::ask_credentials(&context.admin, endpoint, &mut memory, now).await;
    }
    let now = Instant::now();
    let poll = match state {
        ConfigState::Applied => memory.credentials_retry(now).unwrap_or_default(),
        _ => memory.poll_after(now),
    };
    context.configs.remember(owner, memory);
    Ok((state, poll))
}

/// Takes the step; returns what is mounted then. What the API server refuses to keep leaves everything as it is.
async fn act(
    context: &Context,
    gathered: &Gathered,
    pod: &Pod,
    config: ConfigRevision,
    step: Step<'_>,
) -> Result<(ConfigRevision, Option<Fault>), ReconcileError> {
    let written = match write(context, gathered, &config, step).await {
        Ok(written) => written,
        Err(error) => return apply::fault(&error).map_or(Err(error.into()), |fault| Ok((config, Some(fault)))),
    };
    let replaces_pod = match step {
        Step::ReplacePod => true,
        Step::RollBack { replace_pod, .. } => replace_pod && !written.is_desired(),
        Step::Wait | Step::SaveLastGood | Step::Acquit => false,
    };
    if replaces_pod {
        delete(context, gathered, pod).await?;
    }
    Ok((written, None))
}

/// The ConfigMaps of the step.
async fn write(
    context: &Context,
    gathered: &Gathered,
    config: &ConfigRevision,
    step: Step<'_>,
) -> Result<ConfigRevision, ApplyError> {
    match step {
        Step::Wait | Step::ReplacePod => Ok(config.clone()),
        Step::SaveLastGood => {
            roll_back::save_last_good(context, gathered, &config.current).await?;
            Ok(ConfigRevision { rejection: None, ..config.clone() })
        }
        Step::RollBack { message, .. } => roll_back::roll_back(context, gathered, config, message).await,
        Step::Acquit => roll_back::acquit(context, gathered, config).await,
    }
}

/// Deletes the Pod; the Deployment creates the next one.
async fn delete(context: &Context, gathered: &Gathered, pod: &Pod) -> Result<(), kube::Error> {
    tracing::warn!(pod = pod.name_any(), "replacing the Pod");
    pods::delete(&context.client, pod).await?;
    context.configs.mark_deleted(&gathered.owner.uid().unwrap_or_default(), pod);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
