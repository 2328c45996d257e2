//! Section `models`: the Providers of a gateway, and what their models can do. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::sections::Path;
use crate::openclaw::names::{EnvName, escape, provider_id, secret_ref};

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

/// Stands for the key of a server that wants none: without any, OpenClaw calls local servers only. It is sent, and ignored there.
const NO_KEY: &str = "unused";

/// Where the Provider of this name is in openclaw.json.
#[must_use]
pub fn path(provider: &str) -> Path {
    ["models".to_owned(), "providers".to_owned(), provider_id(provider)].into()
}

/// The Provider as openclaw.json has it.
#[must_use]
pub fn provider(provider: &Provider) -> Value {
    let mut rendered = json!({
        "baseUrl": escape(&provider.base_url),
        "api": provider.api,
        "models": provider.models.iter().map(model).collect::<Vec<_>>(),
    });
    match &provider.api_key {
        Some(key) => rendered["apiKey"] = secret_ref(key.as_str()),
        None if needs_no_key(&provider.base_url) => {}
        None => rendered["apiKey"] = json!(NO_KEY),
    }
    if !provider.headers.is_empty() {
        rendered["headers"] = provider.headers.iter().map(|(name, value)| (name.clone(), header(value))).collect();
    }
    rendered
}

/// Whether OpenClaw calls a server at this address without any key, because it takes it for a local one.
fn needs_no_key(base_url: &str) -> bool {
    let authority = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split_once(':').map_or(authority.as_str(), |(host, _)| host),
    };
    let is_private = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    let domain = host.rsplit_once('.').map(|(_, domain)| domain);
    host == "localhost" || domain == Some("local") || host.parse().is_ok_and(is_private)
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
mod tests {
    use super::*;

    fn api_key(base_url: &str) -> Value {
        let models = Vec::new();
        let server = Provider {
            base_url: base_url.to_owned(),
            api: Api::OpenaiCompletions,
            api_key: None,
            headers: BTreeMap::new(),
            models,
        };
        provider(&server)["apiKey"].clone()
    }

    /// As it was tried with the gateway: without a key it refuses to call the second kind.
    #[test]
    fn a_server_without_a_key_gets_a_placeholder_unless_openclaw_takes_it_for_a_local_one() {
        for local in [
            "http://vllm.team-a.svc.cluster.local:8000/v1",
            "http://10.96.0.10:8000/v1",
            "http://192.168.1.7",
            "http://127.0.0.1:8000/v1",
            "http://[::1]:8000/v1",
            "http://LocalHost/v1",
        ] {
            assert_eq!(api_key(local), Value::Null, "{local}");
        }
        for other in [
            "http://vllm:8000/v1",
            "http://vllm.team-a.svc:8000/v1",
            "http://vllm.local.:8000/v1",
            "http://8.8.8.8/v1",
            "http://[fd00::1]:8000/v1",
            "https://api.example.com/v1?x=.local",
        ] {
            assert_eq!(api_key(other), "unused", "{other}");
        }
    }
}
