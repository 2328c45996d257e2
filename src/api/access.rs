//! How a gateway is reached: its page for browsers, the proxies in front of it, its HTTP APIs.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// OpenClaw's page for browsers, and the pages that may connect to the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlUi {
    /// Serves the Control UI at the address of the gateway. A browser needs the token of the gateway, and its device must be approved.
    /// Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
    /// The origins of pages that may open a WebSocket to the gateway, the Control UI or another dashboard, at most 32: scheme, host and,
    /// if it is not the default, port. Without any, only a page at `localhost:18789` may, through `kubectl port-forward`. Clients that
    /// are not browsers send no origin. Default: none. Example: `https://claw.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 300)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("self.all(origin, origin.matches('^https?://[^/?#@*\\\\s]+$') && !(origin.startsWith('https://') && origin.endsWith(':443')) && !(origin.startsWith('http://') && origin.endsWith(':80')))").message("an origin is a scheme, a host and, if it is not the default, a port, without a path or wildcards: https://claw.example.com or http://localhost:8080"))]
    pub allowed_origins: Vec<String>,
}

/// The HTTP APIs of a gateway. Whoever has the token of the gateway can use them for every Agent on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpApis {
    /// Serves `/v1/chat/completions`, the API that most programs speak. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chat_completions: bool,
    /// Serves `/v1/responses`. Default: `true`.
    #[serde(default = "served")]
    pub responses: bool,
}

impl Default for HttpApis {
    fn default() -> Self {
        Self { chat_completions: false, responses: served() }
    }
}

const fn served() -> bool {
    true
}
