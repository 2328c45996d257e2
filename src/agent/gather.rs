//! What the facts say of one Agent. Looks at the stores and facts only.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::channels;
use super::status::GatewayLookup;
use crate::api::Agent;
use crate::api::heartbeat::HeartbeatStatus;
use crate::kubernetes::conditions::{reason, whole_seconds};
use crate::openclaw::cron::run::Run;
use crate::references::digests::Fault;
use crate::world::channels_found::ChannelsFound;
use crate::world::devices_found::DevicesFound;
use crate::world::facts::{Fact, Facts};
use crate::world::gateway_state::GatewayFound;
use crate::world::sandbox_states::SandboxState;
use crate::world::stores::{Stores, named};
use crate::world::triggers::gateway_owner;

/// What the status of one Agent is made of.
#[derive(Debug)]
pub struct Gathered {
    gateway: Result<Fact<GatewayFound>, Fault>,
    pub sandbox: Option<Arc<SandboxState>>,
    heartbeat: Option<Run>,
    /// The devices of the gateway that it owns, if Creel looks after them.
    pub devices: Fact<Option<Arc<DevicesFound>>>,
    channels: Fact<Option<Arc<ChannelsFound>>>,
}

impl Gathered {
    /// Where the Agent lives.
    #[must_use]
    pub fn place(&self) -> GatewayLookup<'_> {
        match &self.gateway {
            Err(fault) => GatewayLookup::Nowhere(fault.clone()),
            Ok(Fact::Unknown) => GatewayLookup::Unknown,
            Ok(Fact::Known(Err(fault))) => GatewayLookup::Blocked(fault.clone()),
            Ok(Fact::Known(Ok(state))) => GatewayLookup::On(state),
        }
    }

    /// The names of the Agents that joined this one, sorted; as the status has them while the gateway can't be looked at.
    #[must_use]
    pub fn joined(&self, agent: &Agent) -> Vec<String> {
        match &self.gateway {
            Ok(_) | Err(_) if agent.spec.gateway_ref.is_some() => Vec::new(),
            Ok(Fact::Known(Ok(state))) => {
                state.agents.keys().filter(|name| **name != agent.name_any()).cloned().collect()
            }
            Ok(_) | Err(_) => agent.status.as_ref().map(|status| status.joined_agents.clone()).unwrap_or_default(),
        }
    }

    /// What is known of the channels of the Agent.
    #[must_use]
    pub fn channels(&self, agent: &Agent) -> channels::Found {
        let member = match &self.gateway {
            Ok(Fact::Known(Ok(state))) => state.agents.get(&agent.name_any()),
            _ => None,
        };
        let faults = member.filter(|member| member.spec.is_of(agent)).map(|member| member.channel_faults.clone());
        channels::Found { gateway: self.channels.clone(), faults }
    }

    /// The heartbeat that ended last.
    #[must_use]
    pub fn heartbeat(&self) -> Option<HeartbeatStatus> {
        let run = self.heartbeat.as_ref()?;
        Some(HeartbeatStatus {
            time: Time(whole_seconds(run.started_at()?)),
            status: run.result(),
            error: run.error_message(),
        })
    }

    /// Whether the gateway or the sandbox has not been looked at since the last edit of the Agent.
    #[must_use]
    pub fn is_behind(&self, agent: &Agent) -> bool {
        let gateway = match &self.gateway {
            Ok(Fact::Unknown) => true,
            Ok(Fact::Known(Ok(state))) => {
                state.agents.get(&agent.name_any()).is_none_or(|member| !member.spec.is_of(agent))
            }
            Ok(Fact::Known(Err(_))) | Err(_) => false,
        };
        let sandbox = self.sandbox.as_ref().is_none_or(|state| !state.agent.is_of(agent));
        gateway || (agent.spec.sandbox.is_some() && sandbox)
    }
}

/// Looks at everything for the status of `agent`.
#[must_use]
pub fn gather(stores: &Stores, facts: &Facts, agent: &Agent) -> Gathered {
    let (namespace, name, owner) = (agent.namespace().unwrap_or_default(), agent.name_any(), gateway_owner(agent));
    let jobs = facts.jobs.of(&namespace, &owner).known();
    Gathered {
        gateway: match no_gateway(stores, &namespace, agent) {
            Some(fault) => Err(fault),
            None => Ok(facts.gateway_states.of(&namespace, &owner)),
        },
        sandbox: facts.sandbox_states.of(&namespace, &name).known().flatten(),
        devices: match agent.spec.gateway_ref {
            Some(_) => Fact::Known(None),
            None => facts.devices.of(&namespace, &name),
        },
        channels: facts.channels.of(&namespace, &owner),
        heartbeat: jobs.and_then(|jobs| jobs.heartbeats.get(&name).cloned()),
    }
}

/// Why there is no gateway to join.
fn no_gateway(stores: &Stores, namespace: &str, agent: &Agent) -> Option<Fault> {
    let (name, owner) = (agent.name_any(), &agent.spec.gateway_ref.as_ref()?.name);
    let fault = |reason, message| Some(Fault { reason, message, carried: false });
    match named(&stores.agents, namespace, owner) {
        None if stores.unparsable.contains("Agent", namespace, owner) => fault(
            reason::REFERENCE_UNREADABLE,
            format!("Agent \"{owner}\" does not parse (spec.gatewayRef of Agent \"{name}\"): see the log"),
        ),
        None => fault(
            reason::GATEWAY_NOT_FOUND,
            format!(
                "Agent \"{owner}\" does not exist (spec.gatewayRef of Agent \"{name}\"): create it, or use another name"
            ),
        ),
        Some(other) if other.spec.gateway_ref.is_some() => fault(
            reason::GATEWAY_NOT_OWNED,
            format!(
                "Agent \"{owner}\" has no gateway of its own (spec.gatewayRef of Agent \"{name}\"): use \"{}\", whose gateway it joined",
                gateway_owner(&other)
            ),
        ),
        Some(_) => None,
    }
}
