//! How an Agent presents itself.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The name and the face of an Agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Identity {
    /// The name for people. OpenClaw can put it before messages, and reacts to it in group chats. Default: none. Example: `Ada`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub name: Option<String>,
    /// The emoji with which the Agent acknowledges messages. Default: OpenClaw's own. Example: `🛟`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub emoji: Option<String>,
    /// The theme of the Agent in a few words. Default: none. Example: `calm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub theme: Option<String>,
    /// The picture of the Agent: an `http` or `https` URL, a `data:` URI, or the path of a file in its workspace; at most 16,384 characters.
    /// Default: none. Example: `avatars/ada.png`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.startsWith('http://') || self.startsWith('data:') || self.matches('^([A-Za-z0-9_][A-Za-z0-9._-]*/)*[A-Za-z0-9_][A-Za-z0-9._-]*$')").message("avatar must be an http or https URL, a data: URI, or the path of a file in the workspace, for example avatars/ada.png"))]
    pub avatar: Option<String>,
}
