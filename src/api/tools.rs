//! The tools that an Agent can use, in OpenClaw's words.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The tools that an Agent can use. A tool must pass all that is set here. Whatever is set, an Agent has none of the tools that change the
/// gateway, read its secrets or run commands outside of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tools {
    #[serde(flatten)]
    pub policy: ToolPolicy,
    /// Further limits while a model of a certain Provider answers, at most 16 entries. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["provider".into()]))]
    pub by_provider: Vec<ProviderTools>,
}

/// Limits while a model of one Provider answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ProviderTools {
    /// The name of the Provider. Example: `llama`.
    #[schemars(length(min = 1, max = 63))]
    pub provider: String,
    #[serde(flatten)]
    pub policy: ToolPolicy,
}

/// A choice of tools. Names are those of tools (`web_fetch`), of groups (`group:fs`), or patterns (`docs__*`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ToolPolicy {
    /// The set of tools to start from, by OpenClaw's names: `minimal`, `messaging`, `coding` or `full`. Default: no limit but that of
    /// `tools.profile` in `spec.gateway.config` of the gateway's owner, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ToolProfile>,
    /// Of these tools, the ones to keep, at most 64. It adds none. Default: all of them. Example: `[web_fetch, "group:fs"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_:*./@-]+$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allow: Vec<String>,
    /// Tools to remove, at most 64. Default: none. Example: `[web_search]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_:*./@-]+$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub deny: Vec<String>,
}

/// A set of tools that OpenClaw has under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolProfile {
    Minimal,
    Messaging,
    Coding,
    Full,
}
