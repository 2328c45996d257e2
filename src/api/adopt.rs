//! A claim that another installation of OpenClaw filled.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Rule of an Agent: where the data are cannot change under a gateway that has used them, nor by way of no adoption at all.
pub(super) const IS_UNCHANGED: &str = concat!(
    "!has(oldSelf.status) || !has(oldSelf.status.agentID) || ",
    "(!(has(self.spec.gateway) && has(self.spec.gateway.storage) && has(self.spec.gateway.storage.adopt)) && ",
    "!(has(oldSelf.spec.gateway) && has(oldSelf.spec.gateway.storage) && has(oldSelf.spec.gateway.storage.adopt))) || ",
    "(has(self.spec.gateway) && has(self.spec.gateway.storage) && has(self.spec.gateway.storage.adopt) && ",
    "has(oldSelf.spec.gateway) && has(oldSelf.spec.gateway.storage) && has(oldSelf.spec.gateway.storage.adopt) && ",
    "has(self.spec.gateway.storage.adopt.stateSubPath) == has(oldSelf.spec.gateway.storage.adopt.stateSubPath) && ",
    "(!has(self.spec.gateway.storage.adopt.stateSubPath) || ",
    "self.spec.gateway.storage.adopt.stateSubPath == oldSelf.spec.gateway.storage.adopt.stateSubPath) && ",
    "has(self.spec.gateway.storage.adopt.workspaceSubPath) == has(oldSelf.spec.gateway.storage.adopt.workspaceSubPath) && ",
    "(!has(self.spec.gateway.storage.adopt.workspaceSubPath) || ",
    "self.spec.gateway.storage.adopt.workspaceSubPath == oldSelf.spec.gateway.storage.adopt.workspaceSubPath))",
);

/// Rule of an Agent: `workspace-<id>` in the state directory is the workspace of the agent with this id, and of no other.
pub(super) const HAS_ITS_OWN_WORKSPACE: &str = concat!(
    "!has(self.spec.gateway) || !has(self.spec.gateway.storage) || !has(self.spec.gateway.storage.adopt) || ",
    "!has(self.spec.gateway.storage.adopt.workspaceSubPath) || ",
    "(has(self.spec.gateway.storage.adopt.stateSubPath) ",
    "? !self.spec.gateway.storage.adopt.workspaceSubPath.startsWith(self.spec.gateway.storage.adopt.stateSubPath + '/workspace-') || ",
    "self.spec.gateway.storage.adopt.workspaceSubPath == ",
    "self.spec.gateway.storage.adopt.stateSubPath + '/workspace-' + self.metadata.name ",
    ": !self.spec.gateway.storage.adopt.workspaceSubPath.startsWith('workspace-') || ",
    "self.spec.gateway.storage.adopt.workspaceSubPath == 'workspace-' + self.metadata.name)",
);

/// Where another installation of OpenClaw keeps its data on a claim. The gateway continues with them in place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.stateSubPath) || !has(self.workspaceSubPath) || !(self.stateSubPath + '/').startsWith(self.workspaceSubPath + '/')").message("the workspace must not be the state directory or contain it: the Agent would have access to its own sessions and credentials"))]
#[x_kube(validation = Rule::new("!has(self.workspaceSubPath) || !['agents', 'credentials', 'cron', 'devices', 'identity', 'state'].exists(name, (self.workspaceSubPath + '/').startsWith((has(self.stateSubPath) ? self.stateSubPath + '/' : '') + name + '/'))").message("the workspace must not be in agents, credentials, cron, devices, identity or state of the state directory: these are data of OpenClaw"))]
pub struct Adopt {
    /// The state directory of OpenClaw, as a path from the root of the claim: the directory that contains `agents`. Its openclaw.json
    /// stays as it is and is not used. Default: the root of the claim. Example: `openclaw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$') && !self.split('/').exists(name, name == '.' || name == '..')").message("stateSubPath must be a path from the root of the claim, for example data/openclaw: names of letters, digits, '.', '_' and '-', without '.' and '..' alone"))]
    pub state_sub_path: Option<String>,
    /// The workspace of this Agent, as a path from the root of the claim. That of each Agent that joins is `workspace-<agent>` in the state
    /// directory. Default: `workspace` in the state directory. Example: `openclaw/workspace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$') && !self.split('/').exists(name, name == '.' || name == '..')").message("workspaceSubPath must be a path from the root of the claim, for example data/workspace: names of letters, digits, '.', '_' and '-', without '.' and '..' alone"))]
    pub workspace_sub_path: Option<String>,
}
