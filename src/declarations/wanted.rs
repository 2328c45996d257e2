//! What the CronJobs of a gateway want of it. Looks at the stores only.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::schedule::is_over;
use super::validate::{GatewayScope, validate};
use crate::api::{Agent, CronJob};
use crate::naming::is_paused;
use crate::openclaw::cron::declaration::Declaration;
use crate::openclaw::cron::key;
use crate::world::gateways::Gateway;
use crate::world::stores::{Stores, within};
use crate::world::triggers::{gateway_owner, providers_of};

/// What a CronJob wants of its gateway.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, and they occur together")]
pub struct Wanted {
    /// `None`: the CronJob is at fault, and what the gateway holds stays as it is.
    pub declaration: Option<Declaration>,
    /// Whether it runs when it is due.
    pub enabled: bool,
    /// Nothing is sent.
    pub paused: bool,
    /// Whether the gateway knows the agent; a job of any other one can't be declared, and must not run.
    pub agent_known: bool,
    /// Its one time has passed: it is not declared any more.
    pub over: bool,
}

/// The Agents on the gateway of `owner`, its own included.
#[must_use]
pub fn agents(stores: &Stores, namespace: &str, owner: &str) -> Vec<Arc<Agent>> {
    within(&stores.agents, namespace, |agent| {
        agent.metadata.deletion_timestamp.is_none() && gateway_owner(agent) == owner
    })
}

/// What the CronJobs of these Agents may name.
#[must_use]
pub fn scope(stores: &Stores, namespace: &str, agents: &[Arc<Agent>]) -> GatewayScope {
    let providers = within(&stores.providers, namespace, |_| true);
    // A suspended gateway comes back with all of them.
    let gateway_suspended = agents.iter().any(|agent| agent.spec.gateway_ref.is_none() && agent.spec.suspend);
    let (suspended, working): (Vec<_>, Vec<_>) =
        agents.iter().partition(|agent| agent.spec.suspend && !gateway_suspended);
    GatewayScope {
        on_gateway: working.into_iter().flat_map(|agent| providers_of(agent)).collect(),
        suspended: suspended.into_iter().map(|agent| (agent.name_any(), providers_of(agent))).collect(),
        providers: providers.into_iter().map(|provider| (provider.name_any(), provider)).collect(),
    }
}

/// What the CronJobs of these Agents want of their gateway, by key.
#[must_use]
pub fn wanted(
    stores: &Stores,
    namespace: &str,
    agents: &[Arc<Agent>],
    gateway: &Gateway,
    now: Timestamp,
) -> BTreeMap<String, (Arc<CronJob>, Wanted)> {
    let scope = scope(stores, namespace, agents);
    let agent_of = |job: &CronJob| agents.iter().find(|agent| agent.name_any() == job.spec.agent_ref.name);
    within(&stores.cron_jobs, namespace, |job| job.metadata.deletion_timestamp.is_none())
        .into_iter()
        .filter_map(|job| {
            let agent = agent_of(&job)?;
            let wanted = Wanted {
                declaration: validate(&job, &scope, now).ok(),
                enabled: !job.spec.suspend,
                paused: is_paused(job.annotations()),
                agent_known: !agent.spec.suspend && gateway.agents.contains(&agent.name_any()),
                over: is_over(&job.spec, now),
            };
            Some((key(namespace, &job.name_any()), (job, wanted)))
        })
        .collect()
}
