//! Where the data are on the claim of a gateway: where Creel keeps them, or where another installation of OpenClaw left them. Pure.
//!
//! The claim is mounted whole: Creel's own directories are made by the gateway, and those of others are told to it.

use super::paths::CLAIM_DIRECTORY;
use crate::api::adopt::Adopt;

/// The directories on a claim. All paths are from its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Creel's own.
    #[default]
    Creel,
    /// That of OpenClaw where nobody told it otherwise: workspaces are in the state directory.
    Adopted(Adopted),
}

/// What another installation left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The agent that owns the gateway.
    owner: String,
    /// Empty: the root of the claim.
    state: String,
    /// The workspace of the owner.
    workspace: String,
}

impl Layout {
    /// The claim of the gateway that this agent owns.
    #[must_use]
    pub fn new(owner: &str, adopt: Option<&Adopt>) -> Self {
        let Some(adopt) = adopt else { return Self::Creel };
        let state = adopt.state_sub_path.clone().unwrap_or_default();
        let workspace = adopt.workspace_sub_path.clone().unwrap_or_else(|| below(&state, "workspace"));
        Self::Adopted(Adopted { owner: owner.to_owned(), state, workspace })
    }

    /// The gateway's state as the gateway sees it: sessions, cron jobs, device pairings.
    #[must_use]
    pub fn state_directory(&self) -> String {
        below(
            CLAIM_DIRECTORY,
            match self {
                Self::Creel => "state",
                Self::Adopted(Adopted { state, .. }) => state,
            },
        )
    }

    /// The workspace of an agent.
    #[must_use]
    pub fn workspace(&self, agent: &str) -> String {
        match self {
            Self::Creel => format!("workspaces/{agent}"),
            Self::Adopted(Adopted { owner, workspace, .. }) if owner == agent => workspace.clone(),
            Self::Adopted(Adopted { state, .. }) => below(state, &format!("workspace-{agent}")),
        }
    }

    /// The same as the gateway sees it.
    #[must_use]
    pub fn workspace_directory(&self, agent: &str) -> String {
        below(CLAIM_DIRECTORY, &self.workspace(agent))
    }

    /// The directories without which OpenClaw would start anew, as if nothing had been there. It makes the first of them for each agent.
    #[must_use]
    pub fn left_by_others(&self) -> Vec<String> {
        match self {
            Self::Creel => Vec::new(),
            Self::Adopted(Adopted { owner, state, workspace }) => {
                vec![below(state, &format!("agents/{owner}")), workspace.clone()]
            }
        }
    }
}

/// `path` in `directory`; either may be empty.
fn below(directory: &str, path: &str) -> String {
    let separator = if directory.is_empty() || path.is_empty() { "" } else { "/" };
    format!("{directory}{separator}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adopted(state: Option<&str>, workspace: Option<&str>) -> Layout {
        let [state_sub_path, workspace_sub_path] = [state, workspace].map(|path| path.map(str::to_owned));
        Layout::new("main", Some(&Adopt { state_sub_path, workspace_sub_path }))
    }

    #[test]
    fn creel_keeps_state_and_workspaces_apart() {
        let layout = Layout::new("main", None);
        assert_eq!(layout.state_directory(), "/home/node/.openclaw/state");
        assert_eq!(layout.workspace("main"), "workspaces/main");
        assert_eq!(layout.workspace_directory("main"), "/home/node/.openclaw/workspaces/main");
        assert!(layout.left_by_others().is_empty());
    }

    /// With the claim where docker compose, the manifests and charts mount it: paths that OpenClaw noted stay what they were.
    #[test]
    fn an_adopted_claim_is_what_its_installation_saw() {
        let layout = adopted(None, None);
        assert_eq!(layout.state_directory(), "/home/node/.openclaw");
        assert_eq!(layout.workspace_directory("main"), "/home/node/.openclaw/workspace");
        assert_eq!(layout.workspace_directory("writer"), "/home/node/.openclaw/workspace-writer");
        assert_eq!(layout.left_by_others(), ["agents/main", "workspace"]);
    }

    #[test]
    fn state_and_workspace_may_be_anywhere_on_the_claim() {
        let layout = adopted(Some("data/openclaw"), None);
        assert_eq!(layout.state_directory(), "/home/node/.openclaw/data/openclaw");
        assert_eq!(layout.workspace("main"), "data/openclaw/workspace");
        assert_eq!(layout.workspace("writer"), "data/openclaw/workspace-writer");
        let layout = adopted(Some("state"), Some("clawd"));
        assert_eq!(layout.workspace("main"), "clawd");
        assert_eq!(layout.left_by_others(), ["state/agents/main", "clawd"]);
    }
}
