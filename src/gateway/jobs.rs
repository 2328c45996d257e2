//! What a gateway's jobs depend on: whether it answers, which agents it has, and which are about to leave. Touches the network.
//!
//! A job of an agent that the gateway does not know fails for ever: so an agent's jobs stop before its entry goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::config_sync::state::ConfigState;
use super::config_sync::{Process, Synced};
use super::context::Context;
use super::gather::Gathered;
use super::plan::Plan;
use super::pod;
use crate::kubernetes::pod_status::is_ready;
use crate::openclaw::rpc::{Endpoint, RpcError};
use crate::world::facts::Fact;
use crate::world::gateways::Gateway;
use crate::world::stores::named;
use crate::world::triggers::gateway_owner;

/// Stops the jobs of agents that the next configuration does not hold: removes those of an Agent that is gone, disables those of one
/// that is suspended or at fault. A gateway that can't be asked is put in order once it can.
pub async fn stop_leaving(context: &Context, gathered: &Gathered, plan: &Plan) {
    let (namespace, owner) = (gathered.owner.namespace().unwrap_or_default(), gathered.owner.name_any());
    let Some(gateway) = context.facts.gateway(&namespace, &owner) else { return };
    let Some(next) = plan.config.as_ref().map(|config| config.agents()) else { return };
    let leaving: BTreeSet<String> = gateway.agents.difference(&next).cloned().collect();
    if leaving.is_empty() {
        return;
    }
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
    if let Err(error) = stop(context, &endpoint, &leaving, is_here).await {
        tracing::warn!(gateway = owner, namespace, %error, "cannot stop the jobs of an Agent that is leaving");
    }
    context.facts.request_refresh(&namespace, &owner);
}

async fn stop(
    context: &Context,
    gateway: &Endpoint,
    leaving: &BTreeSet<String>,
    is_here: impl Fn(&str) -> bool,
) -> Result<(), RpcError> {
    let mut failed = Ok(());
    for job in context.admin.cron_list(gateway).await?.iter().filter(|job| job.is_ours()) {
        let stopped = match job.agent.as_deref().filter(|agent| leaving.contains(*agent)) {
            Some(agent) if is_here(agent) => context.admin.cron_disable(gateway, &job.id).await,
            Some(_) => context.admin.cron_remove(gateway, &job.id).await,
            None => Ok(()),
        };
        failed = failed.and(stopped);
    }
    failed
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
