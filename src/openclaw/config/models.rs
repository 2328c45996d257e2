//! Section `models`: the Providers of a gateway, and what their models can do. Pure.

use std::collections::BTreeMap;

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
