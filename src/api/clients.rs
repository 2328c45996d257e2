//! How callers of a gateway authenticate: with its own token, or as clients with tokens of their own.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::references::{SecretKeySelector, SecretSource};

/// How callers of the gateway authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.token) || !has(self.clients) || self.clients.all(client, client.secretRef.name != self.token.secretKeyRef.name || client.secretRef.key != self.token.secretKeyRef.key)").message("a client needs a token of its own: the token of the gateway opens every Agent"))]
pub struct Auth {
    /// The token of the gateway, which callers send as `Authorization: Bearer`. It opens everything: all Agents with all their tools, the
    /// Control UI and the WebSocket. A change recreates the Pod. Default: Creel generates a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
    /// Programs that may use the HTTP APIs for some Agents of the gateway, each with a token of its own, at most 32. They call port 18790
    /// of the Service, where a relay in the gateway's Pod passes on what they may ask. The first client and the removal of the last one
    /// recreate the Pod, because they bring and remove the relay; every other change reaches the running relay, usually within a minute
    /// and a half. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub clients: Vec<Client>,
}

/// A program that may use the HTTP APIs for some Agents of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// The name of the client, in logs and metrics. Conversations of a client belong to its name. Example: `open-webui`.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The Agents that it may use, 1 to 32: the one that owns the gateway, or those that joined it. Default: the one that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(max = 40), regex(pattern = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub agents: Option<Vec<String>>,
    /// The Secret and the key that hold its token, which the client sends as `Authorization: Bearer`. Without them the client is refused,
    /// and nothing else is affected. A line break at the end does not count.
    pub secret_ref: SecretKeySelector,
}
