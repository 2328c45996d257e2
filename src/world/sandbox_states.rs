//! What the reconcile of a sandbox found, for the status of its Agent and of the Sandbox that it is created from.

use crate::api::sandbox::WorkspaceAccess;
use crate::kubernetes::conditions::Desired;
use crate::kubernetes::spec_version::SpecVersion;

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
    /// The Agent that was looked at.
    pub agent: SpecVersion,
}
