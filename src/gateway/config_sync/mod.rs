//! The running gateway takes up its configuration, or goes back to the last good one. Touches the network.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `ask` | asks the gateway which configuration it runs | the network (the gateway) |
//! | `state` | where a gateway stands with its configuration, and what is remembered between two questions | nothing |
//! | `tracker` | that memory for all gateways | nothing |
//! | `decide` | what the answer calls for | nothing |
//! | `roll_back` | saves a configuration as the last good one, or writes the last good one back | the network |
//! | `pods` | has the kubelet sync a Pod, or deletes it | the network |

pub mod ask;
pub mod decide;
mod pods;
mod roll_back;
pub mod state;
pub mod tracker;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use self::decide::{Before, Step, decide};
use self::state::{ConfigState, Subject};
use super::apply::Applied;
use super::context::Context;
use super::gather::Gathered;
use super::pod::{self, PodState};
use super::revision::ConfigRevision;
use crate::kubernetes::reconciler::ReconcileError;
use crate::openclaw::paths;
use crate::openclaw::rpc::Endpoint;
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
    /// What its Pod mounts now.
    pub config: Option<ConfigRevision>,
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
    let state = match &process {
        Some(process) => Some(query(context, &owner, current, process, &config).await?),
        None => None,
    };
    let hash = config.current.hash();
    let before = Before { sent: applied.sent, replaced: context.configs.is_stalled(&owner, hash) };
    let step = decide(&pod, state.as_ref(), &config, before);
    if state == Some(ConfigState::Stalled) && step == Step::ReplacePod {
        context.configs.mark_stalled(&owner, hash);
    }
    let config = act(context, gathered, current, config, step).await?;
    let run = process.as_ref().map(|process| process.run.as_str());
    let unavailable = run.and_then(|run| context.configs.unavailable(&owner, run)).unwrap_or_default();
    Ok(Synced { pod: Some(pod), process, state, config: Some(config), unavailable })
}

async fn process(context: &Context, gathered: &Gathered, pod: &Pod) -> Process {
    let namespace = gathered.owner.namespace().unwrap_or_default();
    let selector = sources::token(&gathered.owner);
    let token = context.secrets.token(&context.client, &context.stores, &namespace, &selector).await;
    let endpoint = token.map_err(|error| error.to_string()).and_then(|token| {
        let address = pod::address(pod).ok_or_else(|| format!("Pod \"{}\" has no address", pod.name_any()))?;
        Ok(Endpoint { address: SocketAddr::new(address, paths::PORT), token })
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
) -> Result<ConfigState, kube::Error> {
    let endpoint = match &process.endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => return Ok(ConfigState::Unreachable(error.clone())),
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
    context.configs.remember(owner, memory);
    Ok(state)
}

/// Takes the step; returns what is mounted then.
async fn act(
    context: &Context,
    gathered: &Gathered,
    pod: &Pod,
    config: ConfigRevision,
    step: Step<'_>,
) -> Result<ConfigRevision, ReconcileError> {
    match step {
        Step::Wait => Ok(config),
        Step::SaveLastGood => {
            roll_back::save_last_good(context, gathered, &config.current).await?;
            Ok(ConfigRevision { rejection: None, ..config })
        }
        Step::RollBack { message, replace_pod } => {
            let config = roll_back::roll_back(context, gathered, &config, message).await?;
            if replace_pod && !config.is_desired() {
                delete(context, gathered, pod).await?;
            }
            Ok(config)
        }
        Step::ReplacePod => {
            delete(context, gathered, pod).await?;
            Ok(config)
        }
    }
}

/// Deletes the Pod; the Deployment creates the next one.
async fn delete(context: &Context, gathered: &Gathered, pod: &Pod) -> Result<(), kube::Error> {
    tracing::warn!(pod = pod.name_any(), "replacing the Pod");
    pods::delete(&context.client, pod).await?;
    context.configs.mark_deleted(&gathered.owner.uid().unwrap_or_default(), pod);
    Ok(())
}
