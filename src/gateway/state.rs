//! What a pass found → the state of the gateway that its Agents take their status from. Pure.

use std::sync::Arc;

use kube::ResourceExt;

use super::apply::{Applied, Mounted};
use super::build::service;
use super::config_sync::proof::Proof;
use super::gather::Gathered;
use super::plan::Plan;
use super::pod::PodState;
use crate::agent::status;
use crate::api::Agent;
use crate::api::agent::{GatewayStatus, Rollout};
use crate::kubernetes::conditions::{CONFIG_APPLIED, Desired, GATEWAY_READY, Status, reason};
use crate::naming::{self, GatewayNames};
use crate::references::digests::Fault;
use crate::references::sources;
use crate::world::gateway_state::{GatewayState, Member};

/// The state of the gateway after the pass.
#[must_use]
pub fn observe(
    gathered: &Gathered,
    plan: &Plan,
    applied: &Applied,
    pod: Option<&PodState>,
    proof: Option<&Proof>,
    config: Option<&Mounted>,
    paused: bool,
) -> GatewayState {
    let owner = &gathered.owner;
    let refused = config.and_then(|config| config.refusal.as_ref()).map(|refusal| refusal.message.as_str());
    let rollout: Option<Rollout> = applied
        .rollout
        .clone()
        .or_else(|| gathered.live.annotation(naming::ROLLOUT).and_then(|text| serde_json::from_str(text).ok()));
    let why = rollout.as_ref().map(|rollout| rollout.reason.as_str());
    let (ready, config) = if paused {
        (paused_condition(GATEWAY_READY), paused_condition(CONFIG_APPLIED))
    } else {
        let prevented = pod.is_none().then(|| prevented(gathered)).flatten();
        (status::gateway_ready(owner, pod.or(prevented.as_ref()), why), status::config_applied(owner, proof, refused))
    };
    let members = std::iter::once(owner).chain(&gathered.joined);
    GatewayState {
        ready,
        config,
        fault: applied.fault.clone().or_else(|| plan.pod.as_ref().err().cloned()),
        status: gateway_status(gathered, applied, rollout),
        agents: members.map(|agent| (agent.name_any(), member(agent, plan))).collect(),
    }
}

/// Why the Deployment can't make its Pod: a quota, an admission policy.
fn prevented(gathered: &Gathered) -> Option<PodState> {
    let status = gathered.live.deployment.as_ref()?.object.status.as_ref()?;
    let failure = status.conditions.as_ref()?.iter().find(|condition| condition.type_ == "ReplicaFailure")?;
    let message = failure.message.clone().unwrap_or_default();
    (failure.status == "True").then_some(PodState::Broken { reason: reason::POD_FAILED, message })
}

fn paused_condition(kind: &'static str) -> Desired {
    Desired::new(kind, Status::Unknown, reason::PAUSED, "The annotation creel.dev/paused is set: nothing is written.")
}

fn member(agent: &Arc<Agent>, plan: &Plan) -> Member {
    Member {
        generation: agent.metadata.generation,
        fault: plan.faults.get(&agent.name_any()).cloned(),
        warnings: warnings(agent, plan),
        suspended: agent.spec.suspend,
    }
}

/// What concerns the Agent: what its own Providers need, and for the owner what its gateway needs.
fn warnings(agent: &Agent, plan: &Plan) -> Vec<Fault> {
    let of_gateway = plan.warnings.iter().filter(|_| agent.spec.gateway_ref.is_none());
    let of_agent = plan.agent_warnings.get(&agent.name_any()).into_iter().flatten();
    of_gateway.chain(of_agent).cloned().collect()
}

fn gateway_status(gathered: &Gathered, applied: &Applied, rollout: Option<Rollout>) -> GatewayStatus {
    let owner = &gathered.owner;
    let names = GatewayNames::of(&owner.name_any());
    let deployment = gathered.live.deployment.as_ref();
    let image = gathered.live.annotation(naming::IMAGE).map(str::to_owned);
    GatewayStatus {
        agent: owner.name_any(),
        deployment: deployment.map(|_| names.gateway.clone()),
        service: gathered.live.service.as_ref().map(|_| names.gateway.clone()),
        endpoint: gathered.live.service.as_ref().map(|_| service::endpoint(owner, &names)),
        image,
        token_secret: Some(sources::token(owner)),
        outdated: applied.outdated,
        last_rollout: rollout,
    }
}
