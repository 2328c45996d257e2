//! What the passes over sandboxes found, for the status of Agents and Sandboxes. Memory only: after a restart of the operator
//! each is unknown until its first pass.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::conditions::Desired;
use crate::api::sandbox::WorkspaceAccess;

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

type Place = (String, String);

/// By namespace and name of the Agent.
#[derive(Debug, Default)]
pub struct SandboxStates(Mutex<HashMap<Place, Arc<SandboxState>>>);

impl SandboxStates {
    /// What the last pass over the Agent's sandbox found; `None`: it has none, or none was made yet.
    #[must_use]
    pub fn of(&self, namespace: &str, agent: &str) -> Option<Arc<SandboxState>> {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&(namespace.to_owned(), agent.to_owned())).cloned()
    }

    /// Remembers what a pass found; `None`: the Agent has no sandbox. Returns whether it is something new.
    pub fn remember(&self, namespace: &str, agent: &str, state: Option<SandboxState>) -> bool {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (namespace.to_owned(), agent.to_owned());
        let Some(state) = state else { return states.remove(&place).is_some() };
        let same = states.get(&place).is_some_and(|before| **before == state);
        states.insert(place, Arc::new(state));
        !same
    }
}
