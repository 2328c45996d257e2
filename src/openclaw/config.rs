//! Renders openclaw.json for one gateway. Pure and deterministic: equal input gives equal text.
//!
//! Fail closed: secrets are SecretRefs (a `${VAR}` of a missing variable is only a warning to OpenClaw, and for the
//! token it then invents one), an agent has no shell outside of its sandbox and no files outside its workspace, and no agent
//! reaches the sessions of another. What is refused here was tried through the model's tool calls on the real gateway.

pub mod document;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::marker;
use super::names::{EnvName, escape, provider_id, secret_ref};
use super::paths;
use super::sandbox::{self, Sandbox};

/// Everything that decides a gateway's openclaw.json.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// The agent for work that no one asked for; with several agents OpenClaw wants it named. The gateway's owner.
    pub system_agent: String,
    /// By OpenClaw agent id, which is the Agent's name.
    pub agents: BTreeMap<String, AgentEntry>,
    /// By the Provider's name; rendered as [`provider_id`].
    pub providers: BTreeMap<String, ProviderEntry>,
}

/// One agent of the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentEntry {
    Rendered(Agent),
    /// The last good entry, read back from the live file (see [`super::live`]) while the Agent itself is at fault. Where its
    /// commands run is never taken from there.
    Kept {
        entry: Value,
        sandbox: Option<Sandbox>,
    },
}

/// One agent as its present spec has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub model: ModelChoice,
    /// Where its commands run; `None`: it has no shell.
    pub sandbox: Option<Sandbox>,
    /// `None`: it takes no turn by itself.
    pub heartbeat: Option<Heartbeat>,
}

/// Turns that an agent takes by itself, in its main session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    pub every: Duration,
    /// `None`: all day.
    pub active_hours: Option<ActiveHours>,
    /// `None`: OpenClaw's own words.
    pub prompt: Option<String>,
}

/// A part of each day; over midnight where the end comes before the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveHours {
    /// `08:00`.
    pub start: String,
    /// Up to `24:00`.
    pub end: String,
    /// Its IANA name.
    pub time_zone: String,
}

/// The model of an agent and what follows when it fails, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChoice {
    pub primary: ModelName,
    pub fallbacks: Vec<ModelName>,
}

/// A model of a Provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName {
    /// The Provider's name, without OpenClaw's prefix.
    pub provider: String,
    pub model: String,
}

impl ModelName {
    /// As OpenClaw writes it: `p-openai/gpt-4o-mini`.
    fn reference(&self) -> String {
        format!("{}/{}", provider_id(&self.provider), escape(&self.model))
    }
}

/// One provider of the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum ProviderEntry {
    Rendered(Provider),
    /// The last good entry, read back from the live file while the Provider itself is at fault.
    Kept(Value),
}

/// Where models come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    pub base_url: String,
    pub api: Api,
    /// The variable with the API key; `None` for a server that wants none.
    pub api_key: Option<EnvName>,
    /// By header name.
    pub headers: BTreeMap<String, HeaderValue>,
    pub models: Vec<Model>,
}

/// The protocols that OpenClaw speaks, in its own spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    OpenaiCompletions,
    OpenaiResponses,
    AnthropicMessages,
    GoogleGenerativeAi,
    Ollama,
    AzureOpenaiResponses,
}

/// The value of a header that goes with every request to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    Literal(String),
    /// The variable that holds it.
    Secret(EnvName),
}

/// A model that agents may use. What is left out, OpenClaw fills with its defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub id: String,
    /// Tokens.
    pub context_window: Option<u64>,
    /// Tokens.
    pub max_tokens: Option<u64>,
    pub reasoning: bool,
    pub input: Vec<Input>,
    pub cost: Option<Cost>,
}

/// What a model can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    Text,
    Image,
}

/// US dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub input: f64,
    pub output: f64,
}

/// The whole openclaw.json, marker included.
#[must_use]
pub fn render(gateway: &Gateway) -> Value {
    let agents: Map<String, Value> =
        gateway.agents.iter().map(|(id, entry)| (id.clone(), agent_entry(id, entry))).collect();
    let providers: Map<String, Value> =
        gateway.providers.iter().map(|(name, entry)| (provider_id(name), provider_entry(entry))).collect();
    let document = json!({
        "gateway": gateway_section(),
        "secrets": {"providers": {"default": {"source": "env"}}, "defaults": {"env": "default"}},
        "update": {"checkOnStart": false},
        "telemetry": {"enabled": false},
        "discovery": {"mdns": {"mode": "off"}},
        "logging": {"level": "info", "consoleLevel": "info", "consoleStyle": "json"},
        "models": {"mode": "merge", "catalogRefresh": {"enabled": false}, "providers": providers},
        "agents": {
            "ownership": "explicit",
            "defaults": {
                "skipBootstrap": true,
                "systemAgent": {"agentId": gateway.system_agent},
                "heartbeat": {"every": "0m"},
            },
            "entries": agents,
        },
        "tools": tools_section(),
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
    marker::with_marker(document)
}

/// What has nothing to do with agents: the listener, its authentication and what it serves.
fn gateway_section() -> Value {
    json!({
        "mode": "local",
        "port": paths::PORT,
        // In a container nothing but `lan` is reachable from outside of it.
        "bind": "lan",
        "auth": {
            "mode": "token",
            "token": secret_ref(paths::TOKEN_VARIABLE),
            "rateLimit": {"maxAttempts": 20, "windowMs": 60_000, "lockoutMs": 300_000, "exemptLoopback": true},
        },
        "controlUi": {"enabled": false},
        "terminal": {"enabled": false},
        "reload": {"mode": "hybrid"},
        "nodes": {"pairing": {"autoApproveLocal": false}},
        "http": {"endpoints": {"responses": {"enabled": true}}},
    })
}

/// What no agent may do, sandbox or not, because it happens in the gateway's own process.
fn tools_section() -> Value {
    json!({
        // Another agent's sessions stay its own.
        "sessions": {"visibility": "tree"},
        "agentToAgent": {"enabled": false},
        "elevated": {"enabled": false},
        // `plugins` installs code into the gateway; `gateway` and `openclaw` change what the operator owns; `portal`,
        // `secrets` and `terminal` reach the gateway's network, variables and shell.
        "deny": ["gateway", "openclaw", "plugins", "portal", "secrets", "terminal"],
    })
}

fn agent_entry(id: &str, entry: &AgentEntry) -> Value {
    let agent = match entry {
        AgentEntry::Rendered(agent) => agent,
        AgentEntry::Kept { entry, sandbox } => return sandbox::confine(entry.clone(), sandbox.as_ref()),
    };
    let mut rendered = json!({
        "name": id,
        "workspace": paths::workspace(id),
        // Without `fallbacks` of its own OpenClaw gives an agent none: always written, also when empty.
        "model": {
            "primary": agent.model.primary.reference(),
            "fallbacks": agent.model.fallbacks.iter().map(ModelName::reference).collect::<Vec<_>>(),
        },
    });
    if let Some(turns) = &agent.heartbeat {
        rendered["heartbeat"] = heartbeat(turns);
    }
    sandbox::confine(rendered, agent.sandbox.as_ref())
}

fn heartbeat(turns: &Heartbeat) -> Value {
    // Without a target OpenClaw waits for a channel to answer on before the first turn.
    let mut rendered = json!({"every": format!("{}ms", turns.every.as_millis()), "target": "none"});
    if let Some(hours) = &turns.active_hours {
        rendered["activeHours"] = json!({"start": hours.start, "end": hours.end, "timezone": hours.time_zone});
    }
    if let Some(prompt) = &turns.prompt {
        rendered["prompt"] = json!(escape(prompt));
    }
    rendered
}

fn provider_entry(entry: &ProviderEntry) -> Value {
    let provider = match entry {
        ProviderEntry::Rendered(provider) => provider,
        ProviderEntry::Kept(live) => return live.clone(),
    };
    let mut rendered = json!({
        "baseUrl": escape(&provider.base_url),
        "api": provider.api,
        "models": provider.models.iter().map(model).collect::<Vec<_>>(),
    });
    if let Some(key) = &provider.api_key {
        rendered["apiKey"] = secret_ref(key.as_str());
    }
    if !provider.headers.is_empty() {
        rendered["headers"] = provider.headers.iter().map(|(name, value)| (name.clone(), header(value))).collect();
    }
    rendered
}

fn header(value: &HeaderValue) -> Value {
    match value {
        HeaderValue::Literal(text) => json!(escape(text)),
        HeaderValue::Secret(variable) => secret_ref(variable.as_str()),
    }
}

fn model(model: &Model) -> Value {
    let mut rendered = json!({
        "id": escape(&model.id),
        "name": escape(&model.id),
        "reasoning": model.reasoning,
        "input": model.input,
    });
    if let Some(tokens) = model.context_window {
        rendered["contextWindow"] = json!(tokens);
    }
    if let Some(tokens) = model.max_tokens {
        rendered["maxTokens"] = json!(tokens);
    }
    if let Some(cost) = model.cost {
        rendered["cost"] = json!({"input": cost.input, "output": cost.output, "cacheRead": 0, "cacheWrite": 0});
    }
    rendered
}

#[cfg(test)]
pub(super) mod tests;
