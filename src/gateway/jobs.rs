//! What the schedule of a gateway needs to know of it: whether it answers, which agents it has, and which are about to leave. Touches the
//! network.
//!
//! A job of an agent that the gateway does not know fails for ever: so an agent's jobs stop before its entry goes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::Value;

use super::apply::{Applied, Mounted};
use super::config_sync::proof::Proof;
use super::context::Context;
use super::gather::Gathered;
use super::plan::Plan;
use super::pod::{self, PodState};
use crate::kubernetes::pod_status::is_ready;
use crate::openclaw::paths;
use crate::openclaw::rpc::{Endpoint, RpcError};
use crate::references::sources;
use crate::world::facts::Fact;
use crate::world::gateways::Gateway;
use crate::world::stores::named;
use crate::world::triggers::gateway_owner;

/// Stops the jobs of agents that the next configuration does not hold: removes those of an Agent that is gone, disables those of one
/// that is suspended or at fault. A gateway that can't be asked is put in order once it can.
pub async fn leave(context: &Context, gathered: &Gathered, plan: &Plan) {
    let (namespace, owner) = (gathered.owner.namespace().unwrap_or_default(), gathered.owner.name_any());
    let Some(gateway) = context.facts.gateway(&namespace, &owner) else { return };
    let Some(next) = plan.config.as_deref().map(agents_in) else { return };
    let leaving: BTreeSet<String> = gateway.agents.difference(&next).cloned().collect();
    if leaving.is_empty() {
        return;
    }
    // From now on nobody declares jobs for them.
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
        tracing::warn!(gateway = owner, namespace, %error, "the jobs of an agent that leaves can't be stopped");
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
pub async fn meet(
    context: &Context,
    gathered: &Gathered,
    applied: &Applied,
    state: Option<&PodState>,
    proof: Option<&Proof>,
    config: Option<&Mounted>,
) {
    let (namespace, owner) = (gathered.owner.namespace().unwrap_or_default(), gathered.owner.name_any());
    let gateways = &context.facts.gateways;
    let known = gateways.of(&namespace, &owner);
    let current = applied.plan.as_deref().and_then(|plan| pod::current(&gathered.live.pods, plan));
    let gateway = match (current.filter(|_| state == Some(&PodState::Ready)), proof, config) {
        (Some(pod), Some(Proof::Applied), Some(config)) => proved(context, gathered, pod, config).await.map(Arc::new),
        // An edit is on its way: the agents that it knew it still knows.
        (Some(pod), _, _) => match known {
            Fact::Known(known) => known.filter(|known| known.run == pod::run(pod)),
            // It is just asked what it has taken up.
            Fact::Unknown if state == Some(&PodState::Ready) && matches!(proof, None | Some(Proof::Pending)) => return,
            Fact::Unknown => None,
        },
        (None, _, _) => None,
    };
    gateways.publish(&namespace, &owner, gateway);
}

/// Nobody asks the gateway of an Agent that is paused how it is: it counts as it was while its process runs, and no longer, because
/// another Pod may have its address then.
pub fn rest(context: &Context, gathered: &Gathered) {
    let (namespace, owner) = (gathered.owner.namespace().unwrap_or_default(), gathered.owner.name_any());
    let gateways = &context.facts.gateways;
    let lives = |run: &str| gathered.live.pods.iter().any(|pod| is_ready(pod) && pod::run(pod) == run);
    let known = gateways.of(&namespace, &owner).known().flatten();
    gateways.publish(&namespace, &owner, known.filter(|known| lives(&known.run)));
}

async fn proved(context: &Context, gathered: &Gathered, pod: &Pod, config: &Mounted) -> Option<Gateway> {
    let namespace = gathered.owner.namespace().unwrap_or_default();
    let selector = sources::token(&gathered.owner);
    let token = context.secrets.token(&context.client, &context.stores, &namespace, &selector).await.ok()?;
    let address = SocketAddr::new(pod::address(pod)?, paths::PORT);
    let endpoint = Endpoint { address, token };
    Some(Gateway { endpoint, pod: pod.name_any(), run: pod::run(pod), agents: agents_in(&config.text) })
}

/// The agents that a configuration holds.
fn agents_in(config: &str) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(config).unwrap_or_default();
    let entries = document.pointer("/agents/entries").and_then(Value::as_object);
    entries.map(|entries| entries.keys().cloned().collect()).unwrap_or_default()
}
