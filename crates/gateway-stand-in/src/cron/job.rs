//! One job, and how the gateway shows it. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::schedule::Schedule;

#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub agent: Option<String>,
    pub enabled: bool,
    pub schedule: Schedule,
    /// All else that a call may set: name, payload, delivery, …
    pub fields: Map<String, Value>,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub state: State,
}

/// What the scheduler knows of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_activated_at_ms: Option<i64>,
    #[serde(flatten)]
    pub last: Last,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_errors: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_skipped: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_error_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_disabled: Option<AutoDisabled>,
}

/// The run that ended last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Last {
    #[serde(rename = "lastRunAtMs", skip_serializing_if = "Option::is_none")]
    pub run_at_ms: Option<i64>,
    #[serde(rename = "lastRunStatus", skip_serializing_if = "Option::is_none")]
    pub run_status: Option<String>,
    #[serde(rename = "lastStatus", skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(rename = "lastDurationMs", skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    #[serde(rename = "lastError", skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(rename = "lastErrorReason", skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    #[serde(rename = "lastDelivered", skip_serializing_if = "Option::is_none")]
    pub delivered: Option<bool>,
    #[serde(rename = "lastDeliveryStatus", skip_serializing_if = "Option::is_none")]
    pub delivery_status: Option<String>,
    #[serde(rename = "lastDeliveryError", skip_serializing_if = "Option::is_none")]
    pub delivery_error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoDisabled {
    pub reason: String,
    pub at_ms: i64,
    pub consecutive_errors: u32,
}

impl State {
    /// Forgets the failures before.
    pub fn start_over(&mut self) {
        self.auto_disabled = None;
        self.consecutive_errors = Some(0);
        self.schedule_error_count = Some(0);
    }

    /// Takes over what a patch says of it, as tests do that cannot wait for nine failures.
    pub fn patch(&mut self, patch: &Value) {
        let mut state = serde_json::to_value(&*self).unwrap_or_default();
        if let (Some(state), Some(patch)) = (state.as_object_mut(), patch.as_object()) {
            state.extend(patch.clone());
        }
        *self = serde_json::from_value(state).unwrap_or_default();
    }
}

impl Job {
    pub fn key(&self) -> Option<&str> {
        self.text("declarationKey")
    }

    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// The job as `cron.get` and the answers to changes show it.
    pub fn value(&self) -> Value {
        let mut value = self.definition();
        let revision = URL_SAFE_NO_PAD.encode(Sha256::digest(Value::Object(value.clone()).to_string()));
        let state = serde_json::to_value(&self.state).unwrap_or_default();
        let last = &self.state.last;
        for (key, shown) in [
            ("configRevision", Some(json!(format!("sha256:{revision}")))),
            ("createdAtMs", Some(json!(self.created_ms))),
            ("updatedAtMs", Some(json!(self.updated_ms))),
            ("state", Some(state)),
            ("nextRunAtMs", self.state.next_run_at_ms.map(|at| json!(at))),
            ("lastRunAtMs", last.run_at_ms.map(|at| json!(at))),
            ("lastRunStatus", last.run_status.as_ref().map(|status| json!(status))),
            ("lastRunError", last.error.as_ref().map(|error| json!(error))),
        ] {
            if let Some(shown) = shown {
                value.insert(key.to_owned(), shown);
            }
        }
        Value::Object(value)
    }

    /// The job as `cron.list` shows it. `fallback`: whose a job is that names no agent.
    pub fn listed(&self, fallback: Option<&str>) -> Value {
        let mut value = self.value();
        if let Some(agent) = self.agent.as_deref().or(fallback) {
            value["effectiveAgentId"] = json!(agent);
        }
        value
    }

    fn definition(&self) -> Map<String, Value> {
        let mut definition = self.fields.clone();
        definition.insert("id".to_owned(), json!(self.id));
        definition.insert("enabled".to_owned(), json!(self.enabled));
        definition.insert("schedule".to_owned(), self.schedule.value());
        if let Some(agent) = &self.agent {
            definition.insert("agentId".to_owned(), json!(agent));
        }
        definition
    }

    /// What an upsert may change, so that it can be told whether it did.
    pub fn declared(&self) -> (bool, &Schedule, Vec<Option<&Value>>) {
        let fields = super::definition::DECLARATIVE.iter().map(|field| self.fields.get(*field)).collect();
        (self.enabled, &self.schedule, fields)
    }
}
