//! The files in an Agent's workspace, and how they are.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The workspace of an Agent: the directory that its file tools see, and where OpenClaw reads who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Workspace {
    /// Files to write into the workspace, at most 32. OpenClaw puts `AGENTS.md`, `SOUL.md`, `IDENTITY.md`, `USER.md` and `MEMORY.md` into
    /// the prompt, from the next turn on. `AGENTS.md`, `SOUL.md` and `IDENTITY.md` are created with a line of text if nothing else makes them.
    /// A change is applied without a restart. A file that is taken out of this list stays as it is. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub files: Vec<WorkspaceFile>,
}

/// One file of a workspace. Its text is given here or in a ConfigMap: exactly one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.content) != has(self.configMapKeyRef)").message("set exactly one of content and configMapKeyRef"))]
pub struct WorkspaceFile {
    /// The path of the file, from the workspace, without `..`. Directories are created. Example: `SOUL.md`.
    #[schemars(length(min = 1, max = 240), regex(pattern = r"^[^\x00-\x1f\x7f\\]+$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.split('/').exists(part, part == '' || part == '.' || part == '..')").message("the path must be relative and stay in the workspace, without empty parts, '.' or '..', for example notes/house.md"))]
    #[x_kube(validation = Rule::new("!self.endsWith('.kept') && !self.endsWith('.creel-new')").message("names that end with .kept or .creel-new are used by Creel: choose another one"))]
    #[x_kube(validation = Rule::new("self != 'skills' && self != 'skills/creel.dev' && !self.startsWith('skills/creel.dev/')").message("skills/creel.dev is where Creel puts the skills of the Agent: use spec.skills, or choose another path"))]
    pub path: String,
    /// The text of the file, at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    #[x_kube(validation = Rule::new("bytes(self).size() <= 65536").message("content must be at most 65536 bytes"))]
    pub content: Option<String>,
    /// A key of a ConfigMap of the same namespace that holds the text, at most 64 KiB. While it is missing, the last known text remains in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeySelector>,
    /// `SeedOnce` writes the file if it does not exist, and never changes it again: the agent may rewrite it. `Managed` keeps it equal to its
    /// source; if the agent changes it, it is put back within seconds, and the agent's version is kept beside it, with `.kept` at the end of
    /// its name. Default: `SeedOnce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<FilePolicy>,
}

/// What becomes of a file that the agent changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FilePolicy {
    #[default]
    SeedOnce,
    Managed,
}

/// One key of a ConfigMap of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ConfigMapKeySelector {
    /// The name of the ConfigMap, in the same namespace. Example: `persona`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// The key whose value is used. Example: `soul`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message("a key consists of letters, digits, '-', '_' and '.'"))]
    pub key: String,
}

/// What Creel observed of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct WorkspaceStatus {
    /// The files of `spec.workspace.files` in their order, and the files that Creel adds, if something is wrong with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub files: Vec<FileStatus>,
}

/// How one file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct FileStatus {
    /// The path of the file, from the workspace.
    #[schemars(length(max = 240))]
    pub path: String,
    /// `Pending`: not written yet; `InStep`: as its source; `Evolved`: a `SeedOnce` file that differs from its source; `Conflict`: a
    /// `Managed` file that is as its source, with a version of the agent beside it; `Fault`: it can't be written or read.
    pub state: FileState,
    /// Names the content: of the file, or of the agent's version in a conflict. The first 16 digits of its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Since when the file has evolved, or when the agent's version was put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// What is wrong, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 600))]
    pub message: Option<String>,
}

/// The states of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FileState {
    Pending,
    InStep,
    Evolved,
    Conflict,
    Fault,
}
