//! A job as the gateway lists it. Pure.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::OUR_KEYS;
use super::run::{Outcome, Run, time};

/// One job of the gateway, ours or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: String,
    /// Under which it was declared; jobs that an agent or a person made have none.
    pub key: Option<String>,
    pub agent: Option<String>,
    pub enabled: bool,
    /// The whole job, to be compared with what is wanted.
    pub definition: Value,
    pub state: JobState,
}

/// What the gateway's scheduler knows of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobState {
    next_run_at_ms: Option<i64>,
    running_at_ms: Option<i64>,
    last_run_at_ms: Option<i64>,
    pub last_run_status: Option<Outcome>,
    pub last_error: Option<String>,
    last_error_reason: Option<String>,
    last_duration_ms: Option<u64>,
    last_delivery_status: Option<String>,
    last_delivery_error: Option<String>,
    pub consecutive_errors: u32,
    pub auto_disabled: Option<AutoDisabled>,
}

/// That the gateway has stopped a job on its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoDisabled {
    /// `consecutive-failures` or `schedule-errors`.
    pub reason: String,
    at_ms: i64,
}

impl AutoDisabled {
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.at_ms).unwrap_or_default()
    }
}

impl JobState {
    #[must_use]
    pub fn next_run(&self) -> Option<Timestamp> {
        time(self.next_run_at_ms)
    }

    /// Since when a run is in progress.
    #[must_use]
    pub fn running_since(&self) -> Option<Timestamp> {
        time(self.running_at_ms)
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
        time(self.last_run_at_ms)
    }
}

impl Job {
    /// Whether it is of the edit that gave it this name to display. One without such a name was declared by a Creel that gave none.
    #[must_use]
    pub fn is_of_same_edit(&self, display_name: &str) -> bool {
        self.definition.get("displayName").and_then(Value::as_str).is_none_or(|displayed| displayed == display_name)
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

/// One entry of `cron.list`.
#[must_use]
pub fn listed(entry: &Value) -> Option<Job> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Job {
        id: text("id")?,
        key: text("declarationKey"),
        agent: text("agentId"),
        enabled: entry.get("enabled").and_then(Value::as_bool)?,
        state: serde_json::from_value(entry.get("state")?.clone()).unwrap_or_default(),
        definition: entry.clone(),
    })
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
