//! The running gateway takes up its configuration, or goes back to the last good one. Touches the network.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `look` | how the gateway's Pod is, and what its process says of its configuration | the network |
//! | `ask` | asks the gateway which configuration it runs | the network (the gateway) |
//! | `state` | where a gateway stands with its configuration, and what is remembered between two questions | nothing |
//! | `failed_starts` | whether the gateway can't start, and why | nothing |
//! | `decide` | what all of it calls for | nothing |
//! | `act` | does that: writes a configuration, replaces the Pod | the network |
//! | `syncs` | when a Pod is annotated for a changed ConfigMap | nothing |
//! | `tracker` | what is remembered of all gateways | nothing |
//! | `pods` | has the kubelet sync a Pod, or deletes it | the network |

mod act;
pub mod ask;
pub mod decide;
mod failed_starts;
mod look;
pub mod pods;
pub mod state;
pub mod syncs;
pub mod tracker;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use self::act::Outcome;
use self::decide::{Before, Step, decide};
pub use self::look::Process;
use self::look::Seen;
use self::state::ConfigState;
use super::apply::Applied;
use super::context::Context;
use super::gather::Gathered;
use super::pod::{self, PodState};
use super::revision::ConfigRevision;
use crate::kubernetes::reconciler::ReconcileError;
use crate::naming::GatewayNames;
use crate::pods::trial::Refusal;
use crate::references::digests::Fault;

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
    /// The API server would not take the Pod that is to take up the configuration, so that the present one stays.
    pub refused: Option<Refusal>,
    /// The Providers whose credentials its process lacks.
    pub unavailable: BTreeSet<String>,
}

/// Looks at the Pod and asks the gateway; then does what that calls for, and remembers it.
pub async fn sync(context: &Context, gathered: &Gathered, applied: &Applied) -> Result<Synced, ReconcileError> {
    let (owner, configs) = (gathered.owner.uid().unwrap_or_default(), &context.configs);
    let config = applied.config.clone();
    if let Some(config) = &config {
        configs.mount(&owner, config.current.hash(), written(gathered, config), &gathered.live.pods);
    }
    let Some(pod) = current(context, gathered, applied) else { return Ok(Synced { config, ..Synced::default() }) };
    let skills = gathered.live.config_maps.get(&GatewayNames::of(&gathered.owner.name_any()).skills);
    if let Some(skills) = skills {
        pods::bring_skills(&context.client, pod, &skills.object).await?;
    }
    let seen = look::look(context, gathered, pod, config.as_ref()).await?;
    let Some(config) = config else { return Ok(seen.without_config()) };
    let look = seen.look();
    let step = decide(look, &config, before(context, gathered, pod, &config));
    let Outcome { config, fault, refused } = act::take(context, gathered, pod, config, step).await?;
    if fault.is_none() {
        let step = if refused.is_some() { Step::Wait } else { step };
        configs.took(&owner, look, step, &config, &gathered.live.pods);
    }
    let Seen { pod, process, state, poll, .. } = seen;
    let run = process.as_ref().map(|process| process.run.as_str());
    let unavailable = run.and_then(|run| configs.unavailable(&owner, run)).unwrap_or_default();
    Ok(Synced { pod: Some(pod), process, state, poll, config: Some(config), fault, refused, unavailable })
}

/// When the configuration that Pods mount was written, if that is what the cache shows.
fn written(gathered: &Gathered, config: &ConfigRevision) -> Option<Timestamp> {
    let shown = gathered.live.config.as_ref().is_some_and(|shown| shown.hash() == config.current.hash());
    gathered.live.config_maps.get(&config.name).filter(|_| shown)?.applied
}

/// The Pod of the plan, unless it was deleted and the cache does not show that yet.
fn current<'a>(context: &Context, gathered: &'a Gathered, applied: &Applied) -> Option<&'a Pod> {
    let current = pod::current(&gathered.live.pods, applied.plan.as_deref()?)?;
    (!context.configs.is_deleted(&gathered.owner.uid().unwrap_or_default(), current)).then_some(current)
}

/// What happened before this look.
fn before(context: &Context, gathered: &Gathered, pod: &Pod, config: &ConfigRevision) -> Before {
    let (owner, names) = (gathered.owner.uid().unwrap_or_default(), GatewayNames::of(&gathered.owner.name_any()));
    Before {
        predates: context.configs.predates(&owner, pod),
        replaced: context.configs.is_stalled(&owner, config.current.hash()),
        has_fallback: gathered.live.last_good(&names).is_some_and(|last_good| last_good != config.current),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
