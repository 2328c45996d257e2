//! The skills that an Agent has.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::AgentSpec;
use super::references::{LocalReference, SecretSource};

/// A skill: instructions for a task, which OpenClaw names in the prompt and the Agent reads when it needs them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Skill {
    /// The name of the skill. If `SKILL.md` has a `name`, it must be this one. Example: `brew-notes`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The ConfigMap with the files of the skill, in the same namespace: each key is a file. `SKILL.md` is required. At most 32 files with
    /// 128 KiB of text together. A change is in the next turn, without a restart. Default: a skill that OpenClaw has itself, or that is in
    /// the workspace of the Agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<LocalReference>,
    /// Variables that turns of the Agent have because of this skill, at most 8, for skills that require them. They reach the gateway's process,
    /// not a sandbox: there, use `env` of the Sandbox. A variable whose Secret key is new to the gateway recreates its Pod. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<SkillVariable>,
}

/// A variable of a skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SkillVariable {
    /// The name of the variable. The names that `spec.gateway.env` reserves can't be used. Example: `NOTION_API_KEY`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    #[x_kube(validation = Rule::new("!self.matches('^(OPENCLAW_|CREEL_|LD_).*') && !(self in ['HOME', 'NODE_OPTIONS', 'XDG_CACHE_HOME', 'CHOKIDAR_USEPOLLING', 'NODE_DISABLE_COMPILE_CACHE'])").message("this variable is reserved: OPENCLAW_*, CREEL_*, LD_*, HOME, NODE_OPTIONS, NODE_DISABLE_COMPILE_CACHE, XDG_CACHE_HOME and CHOKIDAR_USEPOLLING are set by Creel"))]
    pub name: String,
    /// The Secret and the key that hold the value.
    pub value_from: SecretSource,
}

impl AgentSpec {
    /// The skills that the Agent lists.
    #[must_use]
    pub fn skills(&self) -> &[Skill] {
        self.skills.as_deref().unwrap_or_default()
    }

    /// The ConfigMaps with their files.
    pub fn skill_maps(&self) -> impl Iterator<Item = &str> {
        self.skills().iter().filter_map(|skill| Some(skill.config_map_ref.as_ref()?.name.as_str()))
    }
}
