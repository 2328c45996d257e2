//! The configuration of a gateway under test. Pure.

use serde_json::{Value, json};

/// Agents whose turns run.
pub const WRITER: &str = "writer";
pub const OTHER: &str = "other";
/// An agent with all that a configuration may hide. It never runs.
pub const SECRETIVE: &str = "secretary";
/// What all turns ask.
pub const MODEL: &str = "p-main/small";

/// What of the configuration depends on where the gateway runs. It has the variables `OPENCLAW_GATEWAY_TOKEN` and `CONTRACT_KEY`.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub port: u16,
    /// `loopback` or `lan`.
    pub bind: String,
    /// A directory of which each agent gets its own.
    pub workspaces: String,
    /// The base URL of the only provider's models. It has the API of chat completions.
    pub models: String,
}

impl Surroundings {
    /// Of a gateway that opens no port and asks no model by this configuration.
    #[must_use]
    pub fn none() -> Self {
        Self {
            port: 18_789,
            bind: "loopback".into(),
            workspaces: "/workspaces".into(),
            models: "http://127.0.0.1:1/v1".into(),
        }
    }
}

/// The configuration.
#[must_use]
pub fn document(surroundings: &Surroundings) -> Value {
    let secret = |id: &str| json!({"source": "env", "provider": "default", "id": id});
    let mut secretive = agent(surroundings, SECRETIVE);
    secretive["sandbox"] = json!({
        "mode": "all", "backend": "ssh", "scope": "agent", "workspaceAccess": "rw",
        "prune": {"idleHours": 0, "maxAgeDays": 0},
        "ssh": {
            "target": "sandbox@127.0.0.1:2222", "command": "/bin/true", "workspaceRoot": "/workspaces",
            "strictHostKeyChecking": true, "updateHostKeys": false, "identityData": secret("CONTRACT_KEY"),
            "knownHostsData": "[127.0.0.1]:2222 ssh-ed25519 AAAA",
        },
    });
    json!({
        "gateway": {
            "mode": "local", "port": surroundings.port, "bind": surroundings.bind,
            "auth": {"mode": "token", "token": secret("OPENCLAW_GATEWAY_TOKEN")},
            "controlUi": {"enabled": false}, "terminal": {"enabled": false}, "reload": {"mode": "hybrid"},
            "nodes": {"pairing": {"autoApproveLocal": false}},
        },
        "secrets": {"providers": {"default": {"source": "env"}}, "defaults": {"env": "default"}},
        "update": {"checkOnStart": false}, "telemetry": {"enabled": false}, "discovery": {"mdns": {"mode": "off"}},
        "logging": {"level": "info", "consoleLevel": "info", "consoleStyle": "json"},
        "models": {
            "mode": "merge", "catalogRefresh": {"enabled": false},
            "providers": {"p-main": {
                "baseUrl": surroundings.models, "api": "openai-completions", "apiKey": secret("CONTRACT_KEY"),
                "headers": {"X-Org": "acme", "X-Key": secret("CONTRACT_KEY")},
                "models": [{"id": "small", "name": "small", "contextWindow": 128_000, "maxTokens": 4096,
                    "input": ["text"], "reasoning": false}],
            }},
        },
        "mcp": {"servers": {"docs": {"url": "http://127.0.0.1:9/mcp", "transport": "streamable-http",
            "headers": {"Authorization": "Bearer b", "X-Variable": "${CONTRACT_KEY}"}}}},
        "agents": {
            "ownership": "explicit",
            "defaults": {"skipBootstrap": true, "systemAgent": {"agentId": WRITER}, "heartbeat": {"every": "0m"}},
            "entries": {
                WRITER: agent(surroundings, WRITER), OTHER: agent(surroundings, OTHER), SECRETIVE: secretive,
            },
        },
        "session": {"dmScope": "per-channel-peer"},
        "plugins": {"entries": {"admin-http-rpc": {"enabled": true}}},
        "wizard": {"lastRunCommand": "contract 1"},
    })
}

fn agent(surroundings: &Surroundings, name: &str) -> Value {
    json!({
        "name": name,
        "workspace": format!("{}/{name}", surroundings.workspaces),
        "model": {"primary": MODEL, "fallbacks": []},
        "tools": {"deny": ["exec", "process"], "exec": {"mode": "deny"}, "fs": {"workspaceOnly": true}},
    })
}

/// The leaves that `config.get` hides, as JSON pointers into [`document`].
pub const HIDDEN: [&str; 9] = [
    "/gateway/auth/token/id",
    "/secrets/providers/default/source",
    "/secrets/defaults/env",
    "/models/providers/p-main/apiKey/id",
    "/models/providers/p-main/headers/X-Org",
    "/models/providers/p-main/headers/X-Key/id",
    "/mcp/servers/docs/headers/Authorization",
    "/agents/entries/secretary/sandbox/ssh/identityData/id",
    "/agents/entries/secretary/sandbox/ssh/knownHostsData",
];
