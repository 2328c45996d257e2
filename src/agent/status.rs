//! Plan and observations → the conditions and status of an Agent. Pure: `now` is an argument.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;

use crate::api::agent::{Agent, AgentSpec, AgentStatus};
use crate::api::models::ActiveModelProfile;
use crate::api::workspace::WorkspaceStatus;
use crate::kubernetes::conditions::{
    CONFIG_APPLIED, Desired, EXPOSED, GATEWAY_READY, ISOLATION_VERIFIED, READY, RECONCILING, REFERENCES_RESOLVED,
    SANDBOX_READY, STALLED, Status, find, merge, reason, whole_seconds,
};
use crate::kubernetes::printable::printable;
use crate::kubernetes::ready::{Summary, from_condition, missing_reference};
use crate::openclaw::config::agents::MODEL;
use crate::references::digests::Fault;
use crate::world::facts::Fact;
use crate::world::gateway_state::{AgentFault, GatewayState, Member};
use crate::world::sandbox_states::SandboxState;
use crate::world::triggers::gateway_owner;

/// Said until the gateway was looked at with the present spec of the Agent.
const NOT_SEEN: &str = "The gateway has not been checked since the last edit.";

/// The gateway of an Agent, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub enum GatewayLookup<'a> {
    /// Its state is known.
    On(&'a GatewayState),
    /// Its first reconcile since the operator started is still to come.
    Unknown,
    /// There is no gateway to join.
    Nowhere(Fault),
    /// Something of the gateway's own can't be had, and only a person can repair that.
    Blocked(Fault),
}

/// Where the Agent's commands run.
#[derive(Clone, Copy, Debug)]
enum Shell<'a> {
    /// Nowhere.
    None,
    /// In a sandbox that this process has not looked at yet.
    Unknown,
    InSandbox(&'a SandboxState),
}

impl Shell<'_> {
    /// Whether the conditions of the sandbox stay as the status of the Agent has them.
    fn keeps(self, agent: &Agent) -> bool {
        let state = if matches!(self, Shell::Unknown) { Fact::Unknown } else { Fact::Known(()) };
        let before = agent.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        state.keeps(before, SANDBOX_READY, agent.metadata.generation)
    }
}

/// The status of the Agent, and when to look again because time alone changes it. `sandbox`: what the last reconcile of the
/// Agent's sandbox found.
#[must_use]
pub fn status(
    agent: &Agent,
    place: &GatewayLookup<'_>,
    sandbox: Option<&SandboxState>,
    joined: Vec<String>,
    now: Timestamp,
) -> (AgentStatus, Option<Duration>) {
    let before = agent.status.clone().unwrap_or_default();
    let gateway = if *place == GatewayLookup::Unknown { Fact::Unknown } else { Fact::Known(()) };
    if gateway.keeps(&before.conditions, READY, agent.metadata.generation) {
        return (before, None);
    }
    let shell = match (&agent.spec.sandbox, sandbox) {
        (None, _) => Shell::None,
        (Some(_), None) => Shell::Unknown,
        (Some(_), Some(state)) => Shell::InSandbox(state),
    };
    let (conditions, again) = conditions(agent, place, shell, now);
    let lives_there = match place {
        GatewayLookup::On(state) => joined_now(agent, state),
        GatewayLookup::Unknown | GatewayLookup::Nowhere(_) | GatewayLookup::Blocked(_) => false,
    };
    let unseen = match place {
        GatewayLookup::Unknown => true,
        GatewayLookup::On(state) => member_now(agent, state).is_none(),
        GatewayLookup::Nowhere(_) | GatewayLookup::Blocked(_) => false,
    };
    // While the last good model stays in force, or nobody knows yet whether it does, it is the one to show.
    let (model, profile) = if before.model.is_some() && (unseen || keeps_model(agent, place)) {
        (before.model, before.active_model_profile)
    } else {
        (model(&agent.spec), profile(&agent.spec, before.active_model_profile, now))
    };
    let gateway = match place {
        GatewayLookup::On(state) => Some(state.status.clone()),
        GatewayLookup::Unknown | GatewayLookup::Blocked(_) => before.gateway,
        GatewayLookup::Nowhere(_) => None,
    };
    let status = AgentStatus {
        observed_generation: agent.metadata.generation,
        conditions,
        agent_id: before.agent_id.or_else(|| lives_there.then(|| agent.name_any())),
        gateway,
        model,
        active_model_profile: profile,
        heartbeat: before.heartbeat,
        workspace: match place {
            GatewayLookup::On(state) if let Some(member) = member_now(agent, state) => {
                (!member.files.is_empty()).then(|| WorkspaceStatus { files: member.files.clone() })
            }
            _ => before.workspace,
        },
        channels: before.channels,
        joined_agents: joined,
    };
    (status, again)
}

/// The model that answers first.
fn model(spec: &AgentSpec) -> Option<String> {
    let primary = &spec.active_models()?.selection.primary;
    Some(printable(&format!("{}/{}", primary.provider, primary.model)))
}

/// The profile that the spec has chosen, since `now` unless it was in use before.
fn profile(spec: &AgentSpec, before: Option<ActiveModelProfile>, now: Timestamp) -> Option<ActiveModelProfile> {
    let name = spec.active_model_profile.clone()?;
    let before = before.filter(|before| before.name == name);
    before.or_else(|| Some(ActiveModelProfile { name, since: Time(whole_seconds(now)) }))
}

fn keeps_model(agent: &Agent, place: &GatewayLookup<'_>) -> bool {
    let GatewayLookup::On(state) = place else { return false };
    let fault = state.agents.get(&agent.name_any()).and_then(|member| member.fault.as_ref());
    fault.is_some_and(|fault| fault.kept.contains(&MODEL))
}

/// Whether the gateway confirmed a configuration that holds the Agent.
fn joined_now(agent: &Agent, state: &GatewayState) -> bool {
    let member = state.agents.get(&agent.name_any());
    state.config.status == Status::True
        && member
            .is_some_and(|member| !member.suspended && member.fault.as_ref().is_none_or(AgentFault::last_good_kept))
}

fn conditions(
    agent: &Agent,
    place: &GatewayLookup<'_>,
    shell: Shell<'_>,
    now: Timestamp,
) -> (Vec<Condition>, Option<Duration>) {
    let references = references(agent, place);
    let (summary, again) = summary(agent, place, shell, now);
    let mut all = Vec::from(summary.conditions());
    all.push(references);
    if let GatewayLookup::On(state) = place {
        all.push(state.ready.clone());
        all.push(own_config(agent, state));
        all.extend(state.exposed.clone().filter(|_| agent.spec.gateway_ref.is_none()));
    } else {
        let unknown =
            |kind| Desired::new(kind, Status::Unknown, reason::PENDING, "The gateway has not been checked yet.");
        all.extend([unknown(GATEWAY_READY), unknown(CONFIG_APPLIED)]);
    }
    all.extend(sandbox_conditions(agent, shell));
    let before = agent.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut conditions = merge(before, &all, agent.metadata.generation, now);
    let mut as_before: Vec<&str> = match (shell.keeps(agent), summary) {
        (true, Summary::Ready { .. }) => vec![READY, RECONCILING, STALLED, SANDBOX_READY, ISOLATION_VERIFIED],
        (true, _) => vec![SANDBOX_READY, ISOLATION_VERIFIED],
        (false, _) => Vec::new(),
    };
    if let GatewayLookup::On(state) = place
        && member_now(agent, state).is_none()
    {
        as_before.extend([REFERENCES_RESOLVED, CONFIG_APPLIED, EXPOSED]);
    }
    if let Shell::InSandbox(state) = shell
        && !state.agent.is_of(agent)
    {
        as_before.extend([SANDBOX_READY, ISOLATION_VERIFIED]);
    }
    for condition in conditions.iter_mut().filter(|condition| as_before.contains(&condition.type_.as_str())) {
        if let Some(before) = find(before, &condition.type_) {
            condition.clone_from(before);
        }
    }
    (conditions, again)
}

/// What the reconcile of the sandbox found; an Agent without a sandbox has neither condition.
fn sandbox_conditions(agent: &Agent, shell: Shell<'_>) -> Vec<Desired> {
    match shell {
        Shell::None => Vec::new(),
        Shell::InSandbox(state) if state.agent.is_of(agent) => vec![state.ready.clone(), state.isolation.clone()],
        Shell::Unknown | Shell::InSandbox(_) => {
            let unknown =
                |kind| Desired::new(kind, Status::Unknown, reason::PENDING, "The sandbox has not been checked yet.");
            vec![unknown(SANDBOX_READY), unknown(ISOLATION_VERIFIED)]
        }
    }
}

/// What the gateway found of the Agent, if it has looked at the present spec. What it found of an earlier one says nothing of this one.
fn member_now<'a>(agent: &Agent, state: &'a GatewayState) -> Option<&'a Member> {
    state.agents.get(&agent.name_any()).filter(|member| member.spec.is_of(agent))
}

/// Whether everything that the Agent names exists.
fn references(agent: &Agent, place: &GatewayLookup<'_>) -> Desired {
    let unresolved = |fault: &Fault| Desired::new(REFERENCES_RESOLVED, Status::False, fault.reason, &fault.message);
    let state = match place {
        GatewayLookup::Nowhere(fault) => return unresolved(fault),
        GatewayLookup::Unknown | GatewayLookup::Blocked(_) => {
            return Desired::new(REFERENCES_RESOLVED, Status::Unknown, reason::PENDING, "Not checked yet.");
        }
        GatewayLookup::On(state) => state,
    };
    let Some(member) = member_now(agent, state) else {
        return Desired::new(REFERENCES_RESOLVED, Status::Unknown, reason::PENDING, "Not checked yet.");
    };
    if let Some(fault) = member.fault.as_ref().filter(|fault| fault.reason != reason::REJECTED) {
        return Desired::new(REFERENCES_RESOLVED, Status::False, fault.reason, &fault.message);
    }
    // What its gateway lacks, a joined Agent lacks too: how long it has waited is counted from this condition.
    if let Some(fault) = state.fault.iter().chain(&member.warnings).find(|fault| is_reference(fault.reason)) {
        return unresolved(fault);
    }
    let resolved = (reason::RESOLVED, "Everything that the spec names exists.");
    let warning = member.warnings.first();
    let (reason, message) = warning.map_or(resolved, |warning| (warning.reason, warning.message.as_str()));
    Desired::new(REFERENCES_RESOLVED, Status::True, reason, message)
}

/// Whether the reason speaks of something that the spec names.
fn is_reference(reason: &str) -> bool {
    reason.ends_with("NotFound")
        || [
            reason::REFERENCE_UNREADABLE,
            reason::SECRET_KEY_EMPTY,
            reason::CLIENT_TOKEN_SHARED,
            reason::BOT_TOKEN_SHARED,
            reason::SKILL_INVALID,
            reason::WORKSPACE_FILE_INVALID,
        ]
        .contains(&reason)
}

/// The gateway's condition, seen from one Agent: a configuration that holds a last good state is not its present spec.
fn own_config(agent: &Agent, state: &GatewayState) -> Desired {
    let Some(member) = member_now(agent, state) else {
        return Desired::new(CONFIG_APPLIED, Status::Unknown, reason::PENDING, NOT_SEEN);
    };
    match &member.fault {
        Some(fault) => {
            let is_kept = fault.last_good_kept() && fault.reason != reason::REJECTED;
            let reason = if is_kept { reason::LAST_GOOD_KEPT } else { fault.reason };
            Desired::new(CONFIG_APPLIED, Status::False, reason, not_in_force(fault))
        }
        None => match member.warnings.iter().find(|fault| fault.reason == reason::PROXY_REJECTED) {
            Some(fault) if state.config.status != Status::False => {
                Desired::new(CONFIG_APPLIED, Status::False, fault.reason, &fault.message)
            }
            _ => state.config.clone(),
        },
    }
}

/// What becomes of an Agent whose present spec is not in force, and why it is not.
fn not_in_force(fault: &AgentFault) -> String {
    let kept = fault.kept.join(" and ");
    match (fault.reason == reason::REJECTED, fault.last_good_kept()) {
        (true, true) => format!("The last accepted {kept} remains in use, if any is still accepted. {}", fault.message),
        (true, false) => format!("The Agent is not on the gateway. {}", fault.message),
        (false, true) => format!("The last valid {kept} remains in use: {}", fault.message),
        (false, false) => fault.message.clone(),
    }
}

/// Whether the Agent answers as it did, and only what it wrote of openclaw.json is not in force: the gateway rejects it, or it belongs to
/// Creel, maybe only since an upgrade.
fn answers_all_the_same(fault: &AgentFault) -> bool {
    fault.last_good_kept() && [reason::REJECTED, reason::CONFIG_KEY_OWNED].contains(&fault.reason)
}

fn summary(agent: &Agent, place: &GatewayLookup<'_>, shell: Shell<'_>, now: Timestamp) -> (Summary, Option<Duration>) {
    let state = match place {
        GatewayLookup::On(state) => state,
        GatewayLookup::Unknown => {
            let message = format!("Waiting for the gateway of Agent \"{}\".", gateway_owner(agent));
            return (Summary::Reconciling { reason: reason::PENDING, message }, None);
        }
        GatewayLookup::Blocked(fault) => return (in_the_way(fault), None),
        GatewayLookup::Nowhere(fault) => return missing(agent, fault.reason, &fault.message, now),
    };
    // A suspended gateway has children too: what is in their way is reported.
    let owns = agent.spec.gateway_ref.is_none();
    if let Some(fault) = state.fault.as_ref().filter(|fault| owns && !is_reference(fault.reason)) {
        return (in_the_way(fault), None);
    }
    let Some(member) = member_now(agent, state) else {
        return (Summary::Reconciling { reason: reason::PENDING, message: NOT_SEEN.to_owned() }, None);
    };
    if agent.spec.suspend {
        let message = "spec.suspend is true; sessions and workspace are kept.".to_owned();
        return (Summary::Suspended { reason: reason::SUSPENDED, message }, None);
    }
    match &member.fault {
        Some(fault) if answers_all_the_same(fault) => {}
        Some(fault) if fault.reason == reason::REJECTED => {
            return (Summary::Stalled { reason: fault.reason, message: not_in_force(fault) }, None);
        }
        Some(fault) => return missing(agent, fault.reason, &fault.message, now),
        None => {}
    }
    // That a gateway works all the same is what those who joined it want to know.
    if let Some(fault) = state.fault.as_ref().filter(|fault| owns || fault.reason != reason::CONTESTED) {
        if is_reference(fault.reason) {
            return missing(agent, fault.reason, &fault.message, now);
        }
        return (in_the_way(fault), None);
    }
    if let Some(fault) = &member.lacking {
        return (Summary::Stalled { reason: fault.reason, message: fault.message.clone() }, None);
    }
    if owns && state.ready.reason == reason::REPLACEMENT_REJECTED && !was_ready(agent) {
        return (Summary::Stalled { reason: state.ready.reason, message: state.ready.message.clone() }, None);
    }
    let answers = answers_as_before(agent, state);
    let config = from_condition(&state.config).filter(|_| !answers);
    let of_gateway = from_condition(&state.ready).or(config);
    let summary = match (of_gateway.unwrap_or_else(|| shell_summary(agent, shell)), &member.fault) {
        (Summary::Ready { .. }, Some(fault)) => Summary::ready(&not_in_force(fault)),
        (summary, _) => summary,
    };
    (summary, None)
}

/// What is in the way of the children.
fn in_the_way(fault: &Fault) -> Summary {
    let (reason, message) = (fault.reason, fault.message.clone());
    if fault.is_transient() { Summary::Reconciling { reason, message } } else { Summary::Stalled { reason, message } }
}

/// Whether a configuration that is on its way or rejected is about something else than this Agent's spec: it was ready as it is now, and
/// the gateway goes on with what it has.
fn answers_as_before(agent: &Agent, state: &GatewayState) -> bool {
    was_ready(agent)
        && state.ready.status == Status::True
        && [reason::PENDING, reason::REJECTED, reason::REPLACEMENT_REJECTED].contains(&state.config.reason)
}

/// Whether the present spec of the Agent was in force.
fn was_ready(agent: &Agent) -> bool {
    let before = agent.status.as_ref().and_then(|status| find(&status.conditions, READY));
    before.is_some_and(|ready| {
        (ready.status.as_str(), ready.reason.as_str()) == (Status::True.as_str(), reason::READY)
            && ready.observed_generation == agent.metadata.generation
    })
}

/// The summary once the gateway is well. Whether the sandbox proved its isolation does not count: where a cluster does not enforce its
/// policies, the Agent works all the same, and says so.
fn shell_summary(agent: &Agent, shell: Shell<'_>) -> Summary {
    let pending = |message: &str| Summary::Reconciling { reason: reason::PENDING, message: message.to_owned() };
    let well = Summary::ready("The gateway answers and runs this configuration; commands run in the sandbox.");
    match shell {
        Shell::None => Summary::ready("The gateway answers and runs this configuration."),
        Shell::Unknown if shell.keeps(agent) => well,
        Shell::Unknown => pending("The sandbox has not been checked yet."),
        Shell::InSandbox(state) if !state.agent.is_of(agent) => {
            pending("The sandbox has not been checked since the last edit.")
        }
        Shell::InSandbox(state) => from_condition(&state.ready).unwrap_or(well),
    }
}

/// Something that the Agent names is missing.
fn missing(agent: &Agent, reason: &'static str, message: &str, now: Timestamp) -> (Summary, Option<Duration>) {
    let before = agent.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    missing_reference(before, REFERENCES_RESOLVED, reason, message, now)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
