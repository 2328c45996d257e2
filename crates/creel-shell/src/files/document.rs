//! Which files there should be, as the operator writes it. Pure.

use serde::Deserialize;

/// The whole document. Another one replaces it while the Pod runs.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Document {
    /// Names this state of the document.
    pub revision: String,
    pub agents: Vec<Agent>,
}

/// The files of one agent.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Agent {
    pub name: String,
    /// Its workspace, from the root of the claim.
    pub directory: String,
    pub files: Vec<File>,
}

/// One file.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct File {
    /// From the workspace.
    pub path: String,
    pub policy: Policy,
    pub content: String,
    /// What Creel's own section of the file says; empty: the file has none. `None`: Creel has no business in the file beside its content.
    #[serde(default)]
    pub section: Option<String>,
}

/// What becomes of a file that the agent changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Policy {
    /// It stays.
    SeedOnce,
    /// It is put back, and the agent's version is kept beside it.
    Managed,
}
