//! What a reconcile found → the state of the gateway that its Agents take their status from. Pure.

use std::sync::Arc;

use kube::ResourceExt;

use super::apply::Applied;
use super::build::service;
use super::config_sync::Synced;
use super::config_sync::state::ConfigState;
use super::contributions::access;
use super::credentials;
use super::files;
use super::gather::Gathered;
use super::plan::Plan;
use super::pod::PodState;
use super::revision::ConfigRevision;
use super::rollout::{Decision, trial};
use crate::api::Agent;
use crate::api::agent::GatewayStatus;
use crate::api::exposure::Exposure;
use crate::kubernetes::conditions::{CONFIG_APPLIED, Desired, EXPOSED, GATEWAY_READY, Status, reason};
use crate::kubernetes::printable::excerpt;
use crate::kubernetes::spec_version::SpecVersion;
use crate::naming::GatewayNames;
use crate::openclaw::config::passthrough;
use crate::references::digests::Fault;
use crate::references::sources;
use crate::world::gateway_state::{GatewayState, Member};
use crate::world::proxies::MOST_TRUSTED;

/// Paths in the status.
const PASSTHROUGH_LIMIT: usize = 100;

/// What a reconcile found and did.
#[derive(Debug)]
pub struct Reconciled<'a> {
    pub gathered: &'a Gathered,
    pub plan: &'a Plan,
    /// What was decided about the Pod; `None`: the Agent is paused, and nothing was.
    pub decision: Option<Decision>,
    pub applied: Applied,
    pub synced: Synced,
    /// What is known of the files in workspaces.
    pub files: files::Found,
}

impl Reconciled<'_> {
    /// Whether the gateway just rejected what a user wrote, so that the next plan does without it; or the other way round.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        let configs = (&self.applied.config, &self.synced.config);
        matches!(configs, (Some(before), Some(after)) if !before.rejections.leaves_out_the_same_as(&after.rejections))
    }
}

/// The state of the gateway after the reconcile.
#[must_use]
pub fn observe(reconciled: &Reconciled<'_>) -> GatewayState {
    let Reconciled { gathered, plan, decision, applied, synced, .. } = reconciled;
    let (ready, config) = match decision {
        None => (paused(GATEWAY_READY), paused(CONFIG_APPLIED)),
        Some(_) => conditions(reconciled),
    };
    let members = std::iter::once(&gathered.owner).chain(&gathered.joined);
    GatewayState {
        ready,
        config,
        exposed: exposed(gathered, decision.is_none(), applied),
        fault: fault(plan, applied, synced).cloned(),
        status: GatewayStatus {
            passthrough: in_force(synced.config.as_ref().or(applied.config.as_ref())),
            ..gateway_status(&gathered.owner, decision.as_ref(), applied)
        },
        agents: members.map(|agent| (agent.name_any(), member(agent, reconciled))).collect(),
    }
}

/// What is in the way of the gateway: what its Pod is stopped for comes first. That somebody keeps changing a child without such an effect
/// comes last.
fn fault<'a>(plan: &'a Plan, applied: &'a Applied, synced: &'a Synced) -> Option<&'a Fault> {
    let (contested, of_children): (Option<&Fault>, Option<&Fault>) = match &applied.fault {
        Some(fault) if fault.reason == reason::CONTESTED => (Some(fault), None),
        fault => (None, fault.as_ref()),
    };
    let stopped = applied.stopped.as_ref();
    stopped.or(of_children).or(synced.fault.as_ref()).or(plan.pod.as_ref().err()).or(contested)
}

fn paused(kind: &'static str) -> Desired {
    Desired::new(
        kind,
        Status::Unknown,
        reason::PAUSED,
        "The annotation creel.dev/paused is set: Creel changes nothing.",
    )
}

/// `GatewayReady` and `ConfigApplied`.
fn conditions(reconciled: &Reconciled<'_>) -> (Desired, Desired) {
    let Reconciled { gathered, plan, decision, applied, synced, .. } = reconciled;
    let stopped = applied.stopped.as_ref();
    let stopped = stopped.map(|fault| PodState::Broken { reason: fault.reason, message: fault.message.clone() });
    let prevented = synced.pod.is_none().then(|| stopped.or_else(|| prevented(gathered))).flatten();
    let rollout = applied.deployment.as_ref().and_then(|deployment| deployment.rollout.as_ref());
    let rejection = synced.config.as_ref().and_then(|config| config.rejection());
    let ready = gateway_ready(
        &gathered.owner,
        synced.pod.as_ref().or(prevented.as_ref()),
        rollout.map(|rollout| rollout.reason.as_str()),
    );
    let refused = match decision {
        Some(Decision::Rejected { fault, .. }) => Some(fault),
        _ => None,
    };
    let not_restarted = synced.refused.as_ref().map(|refusal| trial::rejected(&gathered.owner, None, &refusal.words));
    let ready = match refused.or(not_restarted.as_ref()) {
        Some(refused) => kept(&ready, refused),
        None => ready,
    };
    let rejected = rejection.map(|rejection| rejection.message.as_str());
    // What it said was said of a configuration that is about to change.
    let state = if reconciled.is_rejected() { Some(&ConfigState::Pending) } else { synced.state.as_ref() };
    let config = match refused.filter(|_| plan.config.is_none()) {
        Some(refused) => Desired::new(
            CONFIG_APPLIED,
            Status::False,
            refused.reason,
            format!(
                "The last configuration remains in use, because the current one needs another Pod. {}",
                refused.message
            ),
        ),
        None => config_applied(&gathered.owner, state, rejected),
    };
    (ready, config)
}

/// `GatewayReady` of a Pod that stays because the API server rejects the next one.
fn kept(ready: &Desired, refused: &Fault) -> Desired {
    let reason = if ready.status == Status::True { refused.reason } else { ready.reason };
    Desired::new(GATEWAY_READY, ready.status, reason, format!("{} {}", ready.message, refused.message))
}

/// Why the Deployment cannot create its Pod: a quota, an admission policy.
fn prevented(gathered: &Gathered) -> Option<PodState> {
    let status = gathered.live.deployment.as_ref()?.object.status.as_ref()?;
    let failure = status.conditions.as_ref()?.iter().find(|condition| condition.type_ == "ReplicaFailure")?;
    let message = failure.message.clone().unwrap_or_default();
    (failure.status == "True").then_some(PodState::Broken { reason: reason::POD_FAILED, message })
}

fn member(agent: &Arc<Agent>, reconciled: &Reconciled<'_>) -> Member {
    let Reconciled { gathered, plan, synced, files, .. } = reconciled;
    Member {
        spec: SpecVersion::of(&**agent),
        fault: plan.faults.get(&agent.name_any()).cloned(),
        warnings: warnings(agent, plan),
        channel_faults: plan.channel_faults.get(&agent.name_any()).cloned().unwrap_or_default(),
        lacking: credentials::lacking(agent, gathered, &synced.unavailable),
        files: files::status::of(agent, plan.files.as_ref(), files),
        suspended: agent.spec.suspend,
    }
}

/// What concerns the Agent: what its own Providers need, and for the owner what its gateway needs.
fn warnings(agent: &Agent, plan: &Plan) -> Vec<Fault> {
    let of_gateway = plan.warnings.iter().filter(|_| agent.spec.gateway_ref.is_none());
    let of_agent = plan.agent_warnings.get(&agent.name_any()).into_iter().flatten();
    of_gateway.chain(of_agent).cloned().collect()
}

fn gateway_status(owner: &Agent, decision: Option<&Decision>, applied: &Applied) -> GatewayStatus {
    let names = GatewayNames::of(&owner.name_any());
    let deployment = applied.deployment.as_ref();
    GatewayStatus {
        agent: owner.name_any(),
        deployment: deployment.map(|_| names.gateway.clone()),
        service: applied.service.then(|| names.gateway.clone()),
        url: matches!(applied.exposed, Some(Ok(()))).then(|| origin(owner)).flatten(),
        endpoint: applied.service.then(|| service::endpoint(owner, &names)),
        image: deployment.and_then(|deployment| deployment.image.clone()),
        token_secret: Some(sources::token(owner)),
        outdated: decision == Some(&Decision::Outdated),
        last_rollout: deployment.and_then(|deployment| deployment.rollout.clone()),
        ..GatewayStatus::default()
    }
}

/// The address of the gateway outside of the cluster, as the spec wants it.
fn origin(owner: &Agent) -> Option<String> {
    owner.spec.exposure().map(Exposure::origin)
}

/// Whether the way from outside is there.
fn exposed(gathered: &Gathered, is_paused: bool, applied: &Applied) -> Option<Desired> {
    let owner = &gathered.owner;
    let origin = origin(owner)?;
    if is_paused {
        return Some(paused(EXPOSED));
    }
    Some(match &applied.exposed {
        None => Desired::new(EXPOSED, Status::Unknown, reason::PENDING, "The gateway is not exposed yet."),
        Some(Err(fault)) => Desired::new(EXPOSED, Status::False, fault.reason, &fault.message),
        Some(Ok(())) if trusts_nobody(gathered) => {
            let message = format!(
                "The route from {origin} to the gateway is as specified, but no proxy is known: OpenClaw answers 403 to what an unknown proxy \
                 forwards. No Pod that spec.gateway.exposure.from of Agent \"{}\" selects is in a namespace of proxies \
                 (network.proxyNamespaces of the chart), and spec.gateway.trustedProxies is empty.",
                owner.name_any()
            );
            Desired::new(EXPOSED, Status::False, reason::PROXY_UNKNOWN, message)
        }
        Some(Ok(())) if access::unlisted(gathered).count() > MOST_TRUSTED => {
            let message = format!(
                "The route from {origin} to the gateway is as specified, but spec.gateway.exposure.from of Agent \"{}\" selects proxies with \
                 {} addresses that spec.gateway.trustedProxies does not contain, and the gateway trusts the first {MOST_TRUSTED}: OpenClaw \
                 answers 403 to what the others forward. Select fewer, or list their ranges there.",
                owner.name_any(),
                access::unlisted(gathered).count(),
            );
            Desired::new(EXPOSED, Status::False, reason::TOO_MANY_PROXIES, message)
        }
        Some(Ok(())) => {
            let message = format!("The route from {origin} to the gateway is as specified.");
            Desired::new(EXPOSED, Status::True, reason::EXPOSED, message)
        }
    })
}

/// Whether no proxy is listed, and none was found.
fn trusts_nobody(gathered: &Gathered) -> bool {
    let listed = gathered.owner.spec.gateway.as_ref().is_some_and(|gateway| !gateway.trusted_proxies.is_empty());
    !listed && gathered.proxies.is_empty()
}

/// What users wrote of the configuration that the Pod mounts.
fn in_force(config: Option<&ConfigRevision>) -> Vec<String> {
    let paths = config.map(|config| passthrough::paths(config.current.value())).unwrap_or_default();
    paths.iter().take(PASSTHROUGH_LIMIT).map(|path| excerpt(path)).collect()
}

/// Whether the gateway's Pod answers.
fn gateway_ready(owner: &Agent, pod: Option<&PodState>, rollout: Option<&str>) -> Desired {
    let condition = |status, reason, message: &str| Desired::new(GATEWAY_READY, status, reason, message);
    if owner.spec.suspend {
        return condition(Status::Unknown, reason::SUSPENDED, "The gateway is suspended by spec.suspend of its owner.");
    }
    match pod {
        None => match rollout {
            Some(why) => {
                condition(Status::Unknown, reason::ROLLING_OUT, &format!("Replacing the gateway's Pod: {why}."))
            }
            None => condition(Status::Unknown, reason::POD_PENDING, "The gateway's Pod does not exist yet."),
        },
        Some(PodState::Ready) => condition(Status::True, reason::READY, "The gateway answers."),
        Some(PodState::Waiting { reason, message }) => condition(Status::Unknown, reason, message),
        Some(PodState::Broken { reason, message }) => condition(Status::False, reason, message),
        Some(PodState::ConfigurationRejected { message }) => condition(Status::False, reason::REJECTED, message),
    }
}

/// Whether the gateway confirmed the configuration. `rejected`: what it said of the desired one, while the last good one stands in.
fn config_applied(owner: &Agent, state: Option<&ConfigState>, rejected: Option<&str>) -> Desired {
    let condition = |status, reason, message: &str| Desired::new(CONFIG_APPLIED, status, reason, message);
    if let Some(message) = rejected {
        let message =
            format!("The gateway rejected the configuration; the last accepted one remains in use: {message}");
        return condition(Status::False, reason::REJECTED, &message);
    }
    if owner.spec.suspend {
        return condition(Status::Unknown, reason::SUSPENDED, "The gateway is suspended.");
    }
    match state {
        None => condition(Status::Unknown, reason::PENDING, "The gateway does not answer yet."),
        Some(ConfigState::Applied) => {
            condition(Status::True, reason::APPLIED, "The gateway confirmed the configuration.")
        }
        Some(ConfigState::Pending) => {
            condition(Status::Unknown, reason::PENDING, "The gateway has not loaded the configuration yet.")
        }
        Some(ConfigState::Rejected(message)) => condition(Status::False, reason::REJECTED, message),
        Some(ConfigState::Unreachable(message)) => condition(Status::Unknown, reason::ADMIN_UNREACHABLE, message),
        Some(ConfigState::NotApplied) => condition(
            Status::False,
            reason::RELOAD_STALLED,
            "The gateway read the configuration and does not apply it: see its log.",
        ),
        Some(ConfigState::Stalled) => {
            condition(Status::False, reason::RELOAD_STALLED, "The gateway answers but does not load the configuration.")
        }
    }
}
