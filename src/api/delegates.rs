//! To whom an Agent hands work.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Agent that may run as a sub-agent of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Delegate {
    /// The name of the Agent. It must be on the same gateway. Example: `writer`.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub agent: String,
}
