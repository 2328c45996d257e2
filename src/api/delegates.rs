//! To whom an Agent hands work.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Agent that may run as a sub-agent of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Delegate {
    /// The name of the Agent. It must be on the same gateway. Example: `writer`.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub agent: String,
    /// When to hand work to this Agent, in a few words. Creel writes these lines into a section of `AGENTS.md` in the workspace, which is in
    /// the prompt, and keeps it in step. Default: the Agent is not told. Example: `marketing, campaigns, audience, growth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300), regex(pattern = r"^[^\x00-\x1f\x7f<>]+$"))]
    pub when: Option<String>,
}
