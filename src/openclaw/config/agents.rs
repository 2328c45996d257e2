//! What an agent's entry says of its model, its heartbeat, its face and its sub-agents. Pure.

use std::time::Duration;

use serde_json::{Value, json};

use super::sections::Fields;
use crate::api::identity::Identity;
use crate::openclaw::names::{escape, provider_id};

/// The field of an entry that says which model answers.
pub const MODEL: &str = "model";

/// The field of an entry with the agent's heartbeat.
pub const HEARTBEAT: &str = "heartbeat";

/// The fields of an entry that say who the agent is.
pub const IDENTITY: [&str; 2] = ["description", "identity"];

/// The agents that an agent may start as its sub-agents, as a path below its entry.
pub const SUBAGENTS: [&str; 2] = ["subagents", "allowAgents"];

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

/// Turns that an agent takes at regular times, in its main session.
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

/// The fields of an entry for this model.
#[must_use]
pub fn model(choice: &ModelChoice) -> Fields {
    // Without `fallbacks` of its own OpenClaw gives an agent none: always written, also when empty.
    let rendered = json!({
        "primary": choice.primary.reference(),
        "fallbacks": choice.fallbacks.iter().map(ModelName::reference).collect::<Vec<_>>(),
    });
    one(MODEL, rendered)
}

/// The fields of an entry for this heartbeat.
#[must_use]
pub fn heartbeat(heartbeat: &Heartbeat) -> Fields {
    // Without a target OpenClaw waits for a channel to answer on before the first turn.
    let mut rendered = json!({"every": format!("{}ms", heartbeat.every.as_millis()), "target": "none"});
    if let Some(hours) = &heartbeat.active_hours {
        rendered["activeHours"] = json!({"start": hours.start, "end": hours.end, "timezone": hours.time_zone});
    }
    if let Some(prompt) = &heartbeat.prompt {
        rendered["prompt"] = json!(escape(prompt));
    }
    one(HEARTBEAT, rendered)
}

/// The fields of an entry for who the agent is.
#[must_use]
pub fn identity(description: Option<&str>, identity: Option<&Identity>) -> Fields {
    let [description_field, identity_field] = IDENTITY;
    let mut fields = Fields::new();
    fields.extend(description.map(|text| (description_field.to_owned(), json!(escape(text)))));
    fields.extend(identity.map(|identity| {
        let Identity { name, emoji, theme, avatar } = identity;
        let texts = [("name", name), ("emoji", emoji), ("theme", theme), ("avatar", avatar)];
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(escape(text.as_ref()?)))));
        (identity_field.to_owned(), Value::Object(texts.collect()))
    }));
    fields
}

/// The fields of an entry for the agents that may be its sub-agents.
#[must_use]
pub fn subagents<'a>(agents: impl Iterator<Item = &'a str>) -> Fields {
    let [subagents, allowed] = SUBAGENTS;
    one(subagents, json!({ allowed: agents.collect::<Vec<_>>() }))
}

fn one(field: &str, value: Value) -> Fields {
    Fields::from_iter([(field.to_owned(), value)])
}
