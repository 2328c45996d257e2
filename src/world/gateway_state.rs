//! What the reconcile of a gateway found, for the status of its Agents.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::agent::GatewayStatus;
use crate::api::workspace::FileStatus;
use crate::kubernetes::conditions::Desired;
use crate::kubernetes::spec_version::SpecVersion;
use crate::references::digests::Fault;

/// The gateway; or what of its own can't be had, so that it could not be looked at.
pub type GatewayFound = Result<Arc<GatewayState>, Fault>;

/// What a reconcile of a gateway found; the Agents on it take their status from it.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayState {
    /// Condition `GatewayReady`.
    pub ready: Desired,
    /// Condition `ConfigApplied`.
    pub config: Desired,
    /// Condition `Exposed`; `None`: the gateway is not to be exposed.
    pub exposed: Option<Desired>,
    /// What stands in the way of the gateway as a whole.
    pub fault: Option<Fault>,
    pub status: GatewayStatus,
    /// The Agents that were looked at, by name: the owner, and those that joined.
    pub agents: BTreeMap<String, Member>,
}

/// One Agent as the reconcile of its gateway saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What was looked at.
    pub spec: SpecVersion,
    pub fault: Option<AgentFault>,
    /// What it needs and is missing, and yet disturbs nothing that runs.
    pub warnings: Vec<Fault>,
    /// What keeps channels off the gateway, by the name of the channel.
    pub channel_faults: BTreeMap<String, Fault>,
    /// Why it cannot answer although the gateway does: what the gateway's process lacks.
    pub lacking: Option<Fault>,
    /// The files in its workspace.
    pub files: Vec<FileStatus>,
    pub suspended: bool,
}

/// Why an Agent's present spec is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFault {
    pub reason: &'static str,
    pub message: String,
    /// The features of the Agent whose last good state stays in force, the rest being as the spec says. None: the Agent is left out.
    pub kept: Vec<&'static str>,
}

impl AgentFault {
    #[must_use]
    pub fn new(fault: Fault, kept: Vec<&'static str>) -> Self {
        Self { reason: fault.reason, message: fault.message, kept }
    }

    /// Whether the Agent stays on its gateway.
    #[must_use]
    pub fn last_good_kept(&self) -> bool {
        !self.kept.is_empty()
    }
}
