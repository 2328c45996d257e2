//! What the passes over sandboxes found, for the status of Agents and Sandboxes. Memory only: after a restart of the operator
//! each is unknown until its first pass.

use std::sync::Arc;

use crate::api::sandbox::WorkspaceAccess;
use crate::kubernetes::caches::by_name::Places;
use crate::kubernetes::conditions::Desired;

/// The sandbox of one Agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxState {
    /// The Sandbox that the Agent names.
    pub sandbox: String,
    /// What the Pod sees of the workspace.
    pub access: WorkspaceAccess,
    /// Condition `SandboxReady`.
    pub ready: Desired,
    /// Condition `IsolationVerified`.
    pub isolation: Desired,
    /// What a replacement of the Pod will bring, while `rotation` puts it off; empty: nothing.
    pub pending: String,
    /// The generation of the Agent that was looked at.
    pub generation: Option<i64>,
}

/// By namespace and name of the Agent.
#[derive(Debug, Default)]
pub struct SandboxStates(Places<Arc<SandboxState>>);

impl SandboxStates {
    /// What the last pass over the Agent's sandbox found; `None`: it has none, or none was made yet.
    #[must_use]
    pub fn of(&self, namespace: &str, agent: &str) -> Option<Arc<SandboxState>> {
        self.0.get(namespace, agent)
    }

    /// Remembers what a pass found; `None`: the Agent has no sandbox. Returns whether it is something new.
    pub fn remember(&self, namespace: &str, agent: &str, state: Option<SandboxState>) -> bool {
        let Some(state) = state.map(Arc::new) else { return self.0.take(namespace, agent).is_some() };
        self.0.put(namespace, agent, Arc::clone(&state)).is_none_or(|before| before != state)
    }
}
