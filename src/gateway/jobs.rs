//! What a gateway's jobs depend on: whether it answers, which agents it has, and which are about to leave. Touches the network.
//!
//! A job of an agent that the gateway does not know fails for ever: so an agent's jobs stop before its entry goes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::ResourceExt;

use super::config_sync::state::ConfigState;
use super::config_sync::{Process, Synced};
use super::context::Context;
use super::gather::Gathered;
use super::plan::Plan;
use super::pod;
use super::revision::ConfigRevision;
use crate::kubernetes::pod_status::is_ready;
use crate::naming::GatewayNames;
use crate::openclaw::rpc::{Endpoint, RpcError};
use crate::world::facts::Fact;
use crate::world::gateways::Gateway;
use crate::world::stores::named;
use crate::world::triggers::gateway_owner;

/// How long the configuration waits for the jobs of agents that leave: time to stop some 600.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// How soon to try again where the gateway was not asked at all.
const NOT_ASKED: Duration = Duration::from_secs(2);

/// Agents that leave a gateway, some of whose jobs still run.
#[derive(Clone, Debug)]
pub struct Leaving {
    since: Instant,
    agents: BTreeSet<String>,
}

/// Stops the jobs of agents that the next configuration does not hold: removes those of an Agent that is gone, disables those of one
/// that is suspended or at fault. A gateway that can't be asked is put in order once it can. Returns how long the next configuration has
/// to wait, because the gateway takes no more changes now and some of these jobs still run.
pub async fn stop_leaving(context: &Context, gathered: &Gathered, plan: &Plan) -> Option<Duration> {
    let (namespace, owner) = (gathered.owner.namespace().unwrap_or_default(), gathered.owner.name_any());
    let before = context.leaving.take(&namespace, &owner);
    let gateway = context.facts.gateway(&namespace, &owner)?;
    let next = next_agents(gathered, plan)?;
    let left = before.iter().flat_map(|before| &before.agents).filter(|agent| !next.contains(*agent));
    let leaving: BTreeSet<String> = gateway.agents.difference(&next).chain(left).cloned().collect();
    if leaving.is_empty() {
        return None;
    }
    let since = before.map_or_else(Instant::now, |before| before.since);
    if since.elapsed() >= LONGEST_WAIT {
        tracing::warn!(gateway = owner, namespace, ?leaving, "jobs of agents that leave could not be stopped in time");
        context.facts.request_refresh(&namespace, &owner);
        return None;
    }
    // Before the gateway is asked: a reconcile that runs out of time ends there, and the next one goes on.
    context.leaving.put(&namespace, &owner, Leaving { since, agents: leaving.clone() });
    // From now on no job is declared for them.
    let staying = gateway.agents.intersection(&next).cloned().collect();
    let gateway = Gateway { agents: staying, ..(*gateway).clone() };
    let endpoint = gateway.endpoint.clone();
    context.facts.gateways.publish(&namespace, &owner, Some(Arc::new(gateway)));
    let is_here = |agent: &str| {
        context.stores.keeps_unowned_jobs(&namespace)
            || named(&context.stores.agents, &namespace, agent)
                .is_some_and(|agent| agent.metadata.deletion_timestamp.is_none() && gateway_owner(&agent) == owner)
    };
    let stopped = stop(context, &endpoint, &leaving, is_here).await;
    if let Err(error) = &stopped {
        if let Some(wait) = wait_after(error) {
            tracing::info!(
                gateway = owner,
                namespace,
                ?leaving,
                "the configuration waits for the jobs of agents that leave"
            );
            return Some(wait);
        }
        tracing::warn!(gateway = owner, namespace, %error, "cannot stop the jobs of an Agent that is leaving");
    }
    context.leaving.take(&namespace, &owner);
    context.facts.request_refresh(&namespace, &owner);
    None
}

/// The agents of the configuration that will be mounted. While the gateway rejects the desired one, those of the last good one stay.
fn next_agents(gathered: &Gathered, plan: &Plan) -> Option<BTreeSet<String>> {
    let (names, live) = (GatewayNames::of(&gathered.owner.name_any()), &gathered.live);
    let pinned = live.image.as_deref().unwrap_or_default();
    let image = plan.pod.as_ref().map_or(pinned, |pod| pod.image.as_str());
    let desired = Arc::clone(plan.config.as_ref()?);
    Some(ConfigRevision::select(live, &names, "", image, desired).current.agents())
}

/// Stops the jobs that run; what can't be removed now is disabled, and removed later by whoever keeps the jobs of the gateway.
async fn stop(
    context: &Context,
    gateway: &Endpoint,
    leaving: &BTreeSet<String>,
    is_here: impl Fn(&str) -> bool,
) -> Result<(), RpcError> {
    let mut failed = Ok(());
    for job in context.admin.cron_list(gateway).await?.iter().filter(|job| job.is_ours()) {
        let stopped = match job.agent.as_deref().filter(|agent| leaving.contains(*agent)) {
            // The gateway counts every call, whether or not it changes something.
            Some(agent) if is_here(agent) && !job.enabled => Ok(()),
            Some(agent) if is_here(agent) => context.admin.cron_disable(gateway, &job.id).await,
            Some(_) => match context.admin.cron_remove(gateway, &job.id).await {
                Err(error) if is_throttled(&error) && !job.enabled => Ok(()),
                Err(error) if is_throttled(&error) => context.admin.cron_disable(gateway, &job.id).await,
                removed => removed,
            },
            None => Ok(()),
        };
        match stopped {
            Err(error) if wait_after(&error).is_some() && job.enabled => return Err(error),
            stopped => failed = failed.and(stopped),
        }
    }
    failed
}

/// When to go on where the gateway takes no more changes now, or could not be asked because others are; `None`: it can't be helped.
fn wait_after(error: &RpcError) -> Option<Duration> {
    match error {
        RpcError::Refused { retry_after, .. } => *retry_after,
        RpcError::Busy | RpcError::Crowded => Some(NOT_ASKED),
        _ => None,
    }
}

fn is_throttled(error: &RpcError) -> bool {
    matches!(error, RpcError::Refused { retry_after: Some(_), .. })
}

/// Publishes whether the gateway answers and which agents it has.
pub fn publish(context: &Context, gathered: &Gathered, synced: &Synced) {
    let (namespace, owner) = (gathered.owner.namespace().unwrap_or_default(), gathered.owner.name_any());
    let gateways = &context.facts.gateways;
    if let Fact::Known(gateway) = found(synced, gateways.of(&namespace, &owner)) {
        gateways.publish(&namespace, &owner, gateway);
    }
}

/// The gateway, if it answers. `known`: what was published before.
fn found(synced: &Synced, known: Fact<Option<Arc<Gateway>>>) -> Fact<Option<Arc<Gateway>>> {
    let Some(process) = &synced.process else { return Fact::Known(None) };
    match (&synced.state, &synced.config, known) {
        (Some(ConfigState::Applied), Some(config), _) => Fact::Known(confirmed(process, config.current.agents())),
        // An edit is on its way: the agents that this process knew it still knows.
        (_, _, Fact::Known(known)) => Fact::Known(known.filter(|known| known.run == process.run)),
        // It was only just asked.
        (None | Some(ConfigState::Pending), _, Fact::Unknown) => Fact::Unknown,
        (Some(_), _, Fact::Unknown) => Fact::Known(None),
    }
}

fn confirmed(process: &Process, agents: BTreeSet<String>) -> Option<Arc<Gateway>> {
    let endpoint = process.endpoint.clone().ok()?;
    Some(Arc::new(Gateway { endpoint, pod: process.pod.clone(), run: process.run.clone(), agents }))
}

/// The gateway of an Agent that is paused is not asked: what is known of it stays while its process runs, and no longer, because another
/// Pod may have its address then.
pub fn keep(context: &Context, gathered: &Gathered) {
    let (namespace, owner) = (gathered.owner.namespace().unwrap_or_default(), gathered.owner.name_any());
    let gateways = &context.facts.gateways;
    let runs = |run: &str| gathered.live.pods.iter().any(|pod| is_ready(pod) && pod::run(pod) == run);
    if let Fact::Known(known) = gateways.of(&namespace, &owner) {
        gateways.publish(&namespace, &owner, known.filter(|known| runs(&known.run)));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
