//! Renders openclaw.json for one gateway. Pure and deterministic: equal input gives equal text.
//!
//! | file | renders |
//! |---|---|
//! | `access` | how the gateway is reached: its page for browsers, proxies, HTTP APIs |
//! | `agents` | what an agent's entry says of its model, its heartbeat, its face and its sub-agents |
//! | `channels` | accounts of channels, and the agents that they are bound to |
//! | `document` | the rendered file: value, text and hash |
//! | `models` | Providers and their models |
//! | `passthrough` | keys that users write themselves |
//! | `sandbox` | where an agent's commands run, as its entry says it |
//! | `process` | what has nothing to do with agents: the listener, and what no agent may do |
//! | `sections` | where in the document a value belongs |
//! | `tools` | which tools an agent may use, as its entry says it |
//! | `reload` | nothing: whether OpenClaw restarts for an edit |
//!
//! Fail closed: secrets are SecretRefs (a `${VAR}` of a missing variable is only a warning to OpenClaw, and for the
//! token it then invents one), an agent has no shell outside of its sandbox and no files outside its workspace, and no agent
//! reaches the sessions of another. What is refused here was tried through the model's tool calls on the real gateway.

pub mod access;
pub mod agents;
pub mod channels;
pub mod document;
pub mod models;
pub mod passthrough;
mod process;
pub mod reload;
pub mod sandbox;
pub mod sections;
pub mod tools;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::channels::Accounts;
use self::sections::{Fields, Sections};
use super::layout::Layout;
use super::marker;

/// Everything that decides a gateway's openclaw.json.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// The agent for work that no one asked for; with several agents OpenClaw wants it named. The gateway's owner.
    pub system_agent: String,
    /// Where the workspaces are.
    pub layout: Layout,
    /// By OpenClaw agent id, which is the Agent's name: the fields of its entry.
    pub agents: BTreeMap<String, Fields>,
    /// What the agents need outside of their entries.
    pub sections: Sections,
    /// The accounts of the agents' channels.
    pub accounts: Accounts,
    /// Keys that users wrote, all of which Creel does without.
    pub of_users: OfUsers,
}

/// Keys of openclaw.json that users wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfUsers {
    pub gateway: Fields,
    /// Keys of entries by agent; of an agent that has none, too.
    pub agents: BTreeMap<String, Fields>,
    /// Keys of accounts of channels, by agent and account.
    pub channels: BTreeMap<String, Fields>,
}

impl OfUsers {
    /// As a document.
    fn document(&self) -> Value {
        let mut document = Value::Object(self.gateway.clone());
        if !self.agents.is_empty() {
            document["agents"]["entries"] = json!(self.agents);
        }
        let accounts: Fields = self.channels.values().flatten().map(|(id, keys)| (id.clone(), keys.clone())).collect();
        if !accounts.is_empty() {
            passthrough::add_under(&mut document, channels::below_channels(&Value::Object(accounts)));
        }
        document
    }
}

/// The whole openclaw.json, marker included.
#[must_use]
pub fn render(gateway: &Gateway) -> Value {
    let agents: Fields =
        gateway.agents.iter().map(|(id, fields)| (id.clone(), entry(id, fields, &gateway.layout))).collect();
    let mut document = json!({
        "gateway": process::gateway(),
        "secrets": {"providers": {"default": {"source": "env"}}, "defaults": {"env": "default"}},
        "update": {"checkOnStart": false},
        "telemetry": {"enabled": false},
        "discovery": {"mdns": {"mode": "off"}},
        "logging": {"level": "info", "consoleLevel": "info", "consoleStyle": "json"},
        "models": {"mode": "merge", "catalogRefresh": {"enabled": false}, "providers": {}},
        "agents": {
            "ownership": "explicit",
            "defaults": {
                "skipBootstrap": true,
                "systemAgent": {"agentId": gateway.system_agent},
                "heartbeat": {"every": "0m"},
            },
            "entries": agents,
        },
        "tools": process::tools(),
        "session": {"dmScope": "per-channel-peer"},
        // Jobs that an agent schedules for itself could else run a command (`stream`) or a script in the gateway's
        // process, whatever `tools.exec` says.
        "cron": {"triggers": {"enabled": false}},
        "commands": {
            "bash": false, "config": false, "debug": false, "mcp": false, "plugins": false, "restart": false,
        },
        "acp": {"enabled": false},
        // Nothing here is of an older schema. Unsaid, OpenClaw suspects it, and a refusal at start then speaks of a
        // legacy configuration instead of the faulty key.
        "meta": {"migrations": {"modelPolicyAllowlist": true, "utilityModelSeparation": true}},
        "plugins": {"entries": {"admin-http-rpc": {"enabled": true}}},
    });
    gateway.sections.write(&mut document);
    channels::write(&mut document, &gateway.accounts);
    let of_users = gateway.of_users.document();
    channels::add_bindings(&mut document, &of_users);
    passthrough::add_under(&mut document, of_users);
    marker::with_marker(document)
}

/// The entry of one agent. An agent of which nothing says where its commands run has no shell.
fn entry(id: &str, fields: &Fields, layout: &Layout) -> Value {
    let mut entry = if sandbox::is_confined(fields) { Fields::new() } else { sandbox::confine(None) };
    sections::add(&mut entry, fields.clone());
    entry.insert("name".to_owned(), json!(id));
    entry.insert("workspace".to_owned(), json!(layout.workspace_directory(id)));
    Value::Object(entry)
}

#[cfg(test)]
pub(in crate::openclaw) mod tests;
