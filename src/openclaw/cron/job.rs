//! A job as the gateway lists it. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::OUR_KEYS;
use super::json_hash::JsonHash;
use super::run::{Outcome, Run, outcome};
use crate::openclaw::answer;

/// One job of the gateway, ours or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: String,
    /// Under which it was declared; jobs that an agent or a person made have none.
    pub key: Option<String>,
    pub agent: Option<String>,
    pub enabled: bool,
    pub state: JobState,
    /// What of it is compared with what is wanted, by the name of the field.
    definition: BTreeMap<&'static str, JsonHash>,
}

/// What the gateway's scheduler knows of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobState {
    #[serde(deserialize_with = "answer::integer")]
    next_run_at_ms: Option<i64>,
    #[serde(deserialize_with = "answer::integer")]
    running_at_ms: Option<i64>,
    #[serde(deserialize_with = "answer::integer")]
    last_run_at_ms: Option<i64>,
    #[serde(deserialize_with = "outcome")]
    pub last_run_status: Option<Outcome>,
    #[serde(deserialize_with = "answer::text")]
    pub last_error: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    last_error_reason: Option<String>,
    #[serde(deserialize_with = "answer::count")]
    last_duration_ms: Option<u64>,
    #[serde(deserialize_with = "answer::text")]
    last_delivery_status: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    last_delivery_error: Option<String>,
    #[serde(deserialize_with = "failures")]
    pub consecutive_errors: u32,
    #[serde(deserialize_with = "answer::object")]
    pub auto_disabled: Option<AutoDisabled>,
}

fn failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let failures = answer::count(deserializer)?.unwrap_or_default();
    Ok(u32::try_from(failures).unwrap_or(u32::MAX))
}

/// That the gateway has stopped a job on its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoDisabled {
    /// `consecutive-failures` or `schedule-errors`.
    #[serde(deserialize_with = "answer::id")]
    pub reason: String,
    #[serde(deserialize_with = "answer::integer")]
    at_ms: Option<i64>,
}

impl AutoDisabled {
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        answer::time(self.at_ms)
    }
}

impl JobState {
    #[must_use]
    pub fn next_run(&self) -> Option<Timestamp> {
        answer::time(self.next_run_at_ms)
    }

    /// Since when a run is in progress.
    #[must_use]
    pub fn running_since(&self) -> Option<Timestamp> {
        answer::time(self.running_at_ms)
    }

    /// The last run as far as the state tells: without its model and its tokens.
    #[must_use]
    pub fn last(&self, job: &str) -> Option<Run> {
        let undelivered =
            self.last_delivery_status.as_deref() == Some("not-delivered") && self.last_delivery_error.is_some();
        self.last_run_at_ms.map(|began| Run {
            job: job.to_owned(),
            began_at_ms: Some(began),
            duration_ms: self.last_duration_ms,
            status: self.last_run_status,
            completion_status: undelivered.then(|| "failed".to_owned()),
            error: self.last_error.clone(),
            error_reason: self.last_error_reason.clone(),
            delivery_error: self.last_delivery_error.clone(),
            ..Run::default()
        })
    }

    /// When the last run began.
    #[must_use]
    pub fn last_run(&self) -> Option<Timestamp> {
        answer::time(self.last_run_at_ms)
    }
}

impl Job {
    /// Whether it is of the edit that gave it this name to display. One without such a name was declared by a Creel that gave none.
    #[must_use]
    pub fn is_of_same_edit(&self, display_name: &str) -> bool {
        self.definition.get("displayName").is_none_or(|displayed| *displayed == JsonHash::of(&json!(display_name)))
    }

    /// Whether this field of its definition has this value. What the gateway adds to the payload does not count.
    #[must_use]
    pub fn holds(&self, field: &str, value: &Value) -> bool {
        self.definition.get(field) == Some(&JsonHash::of(value))
    }

    /// Whether it was declared by Creel.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.starts_with(OUR_KEYS))
    }

    /// The agent whose heartbeat it is.
    #[must_use]
    pub fn heartbeat_of(&self) -> Option<&str> {
        self.key.as_deref()?.strip_prefix("heartbeat:")
    }
}

/// A job as the gateway shows it, as far as it is read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Listed {
    #[serde(deserialize_with = "answer::name")]
    id: Option<String>,
    #[serde(deserialize_with = "answer::name")]
    declaration_key: Option<String>,
    #[serde(deserialize_with = "answer::name")]
    agent_id: Option<String>,
    #[serde(deserialize_with = "answer::flag")]
    enabled: Option<bool>,
    #[serde(deserialize_with = "answer::object")]
    state: Option<JobState>,
    name: Option<JsonHash>,
    display_name: Option<JsonHash>,
    description: Option<JsonHash>,
    session_target: Option<JsonHash>,
    wake_mode: Option<JsonHash>,
    failure_alert: Option<JsonHash>,
    delete_after_run: Option<JsonHash>,
    schedule: Option<JsonHash>,
    #[serde(deserialize_with = "payload")]
    payload: Option<JsonHash>,
    delivery: Option<JsonHash>,
}

/// The tools that a job may use are the gateway's to note, not ours.
fn payload<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<JsonHash>, D::Error> {
    JsonHash::without("toolsAllow", deserializer).map(Some)
}

impl Listed {
    /// The job; what is not understood is none.
    pub(super) fn job(self) -> Option<Job> {
        let agent = self.agent_id.as_ref().map(|agent| JsonHash::of(&json!(agent)));
        let definition = [
            ("agentId", agent),
            ("name", self.name),
            ("displayName", self.display_name),
            ("description", self.description),
            ("sessionTarget", self.session_target),
            ("wakeMode", self.wake_mode),
            ("failureAlert", self.failure_alert),
            ("deleteAfterRun", self.delete_after_run),
            ("schedule", self.schedule),
            ("payload", self.payload),
            ("delivery", self.delivery),
        ];
        Some(Job {
            id: self.id?,
            key: self.declaration_key,
            agent: self.agent_id,
            enabled: self.enabled?,
            state: self.state?,
            definition: definition.into_iter().filter_map(|(name, hash)| Some((name, hash?))).collect(),
        })
    }
}

/// One entry of `cron.list`.
#[cfg(test)]
#[must_use]
pub fn listed(entry: &Value) -> Option<Job> {
    Listed::deserialize(entry).ok()?.job()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_failed_is_read_as_the_gateway_lists_it() {
        let entries: Value = serde_json::from_str(include_str!("../fixtures/cron_list.json")).unwrap();
        let jobs: Vec<Job> = entries["jobs"].as_array().unwrap().iter().filter_map(listed).collect();
        assert_eq!(jobs.len(), 4);
        let poor = jobs.iter().find(|job| job.key.as_deref() == Some("k8s:assistants/poor")).unwrap();
        assert!(poor.is_ours() && poor.enabled);
        assert_eq!(poor.state.last_run_status, Some(Outcome::Error));
        assert_eq!(poor.state.consecutive_errors, 9);
        assert_eq!(poor.state.last_run().unwrap().to_string(), "2026-11-21T15:13:01.029Z");
        let heartbeat = jobs.iter().find_map(Job::heartbeat_of);
        assert_eq!(heartbeat, Some("writer"));
        assert_eq!(jobs.iter().filter(|job| job.is_ours()).count(), 2);
    }
}
