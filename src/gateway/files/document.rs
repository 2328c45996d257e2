//! The files that a gateway's workspaces should have, as `creel-shell keep` reads them. Pure.

use serde::{Deserialize, Serialize};

use crate::api::workspace::FilePolicy;
use crate::pods::fingerprint::hash;

/// The files of all Agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Names this state of the document.
    pub revision: String,
    pub agents: Vec<AgentFiles>,
}

/// The files of one Agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentFiles {
    pub name: String,
    /// Its workspace, from the root of the claim.
    pub directory: String,
    pub files: Vec<File>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub path: String,
    pub policy: FilePolicy,
    pub content: String,
    /// What Creel's own section of the file says; empty: it has none. `None`: the file can't have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
}

impl Document {
    #[must_use]
    pub fn new(agents: Vec<AgentFiles>) -> Self {
        Self { revision: hash(&agents), agents }
    }

    /// The files of this Agent.
    #[must_use]
    pub fn of(&self, agent: &str) -> Option<&AgentFiles> {
        self.agents.iter().find(|of| of.name == agent)
    }
}

impl AgentFiles {
    /// The file with this path.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// How much of a ConfigMap they take up, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        serde_json::to_string(self).unwrap_or_default().len()
    }
}
