//! A run as the gateway remembers it. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::api::runs::RunStatus;
use crate::openclaw::answer;
use crate::openclaw::redact::redact;

/// One run that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Run {
    #[serde(rename = "jobId", deserialize_with = "answer::id")]
    pub job: String,
    /// Only of a run that was asked for: `manual:<job>:<milliseconds>:<number>`. One that the gateway's end cut off has none.
    #[serde(deserialize_with = "answer::text")]
    pub run_id: Option<String>,
    #[serde(rename = "runAtMs", deserialize_with = "answer::integer")]
    pub(super) began_at_ms: Option<i64>,
    #[serde(deserialize_with = "answer::count")]
    pub(super) duration_ms: Option<u64>,
    #[serde(deserialize_with = "outcome")]
    pub status: Option<Outcome>,
    /// `succeeded`, `failed` or `unknown`: with the delivery of the answer.
    #[serde(deserialize_with = "answer::text")]
    pub completion_status: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    pub error: Option<String>,
    /// What kind of failure it was, where the gateway knows: `billing`, `rate_limit`, `timeout`, …
    #[serde(deserialize_with = "answer::text")]
    pub error_reason: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    pub delivery_error: Option<String>,
    /// The model that answered, without its provider.
    #[serde(deserialize_with = "answer::text")]
    pub model: Option<String>,
    /// The provider of the model, as openclaw.json names it.
    #[serde(deserialize_with = "answer::text")]
    pub provider: Option<String>,
    #[serde(deserialize_with = "answer::object")]
    pub usage: Option<Usage>,
}

/// How a run ended, in the gateway's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Error,
    Skipped,
    /// A word of another version.
    Unknown,
}

/// How a run ended, as the gateway says it.
pub(super) fn outcome<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Outcome>, D::Error> {
    let word = answer::text(deserializer)?;
    Ok(word.map(|word| match word.as_str() {
        "ok" => Outcome::Ok,
        "error" => Outcome::Error,
        "skipped" => Outcome::Skipped,
        _ => Outcome::Unknown,
    }))
}

/// Tokens of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    #[serde(rename = "input_tokens", deserialize_with = "tokens")]
    pub input: u64,
    #[serde(rename = "output_tokens", deserialize_with = "tokens")]
    pub output: u64,
}

/// More than any run takes.
const MOST_TOKENS: u64 = 1_000_000_000_000;

fn tokens<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(answer::count(deserializer)?.unwrap_or_default().min(MOST_TOKENS))
}

impl Run {
    /// What became of it, its delivery included.
    #[must_use]
    pub fn result(&self) -> RunStatus {
        match self.status {
            Some(Outcome::Ok) if self.completion_status.as_deref() == Some("failed") => RunStatus::NotDelivered,
            Some(Outcome::Ok) => RunStatus::Succeeded,
            Some(Outcome::Skipped) => RunStatus::Skipped,
            Some(Outcome::Error | Outcome::Unknown) | None => RunStatus::Failed,
        }
    }

    /// Why it did not succeed, in the gateway's words, on one line and without keys.
    #[must_use]
    pub fn error_message(&self) -> Option<String> {
        let words = match self.result() {
            RunStatus::Succeeded => None,
            RunStatus::NotDelivered => self.delivery_error.as_ref().or(self.error.as_ref()),
            RunStatus::Failed | RunStatus::Skipped => self.error.as_ref(),
        };
        let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
        words.map(|words| redact(words).chars().map(printable).collect())
    }

    /// When it began.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        answer::time(self.began_at_ms)
    }

    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.duration_ms.map(Duration::from_millis)
    }

    /// Whether somebody asked for it, as far as can be told.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.run_id.as_ref().is_some_and(|id| id.starts_with("manual:"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::openclaw::answer::END_OF_TIMES;

    #[test]
    fn runs_are_read_as_the_gateway_remembers_them() {
        let entries: serde_json::Value = serde_json::from_str(include_str!("../fixtures/cron_runs.json")).unwrap();
        let runs: Vec<Run> = serde_json::from_value(entries["entries"].clone()).unwrap();
        let [asked, undelivered, cut] = runs.as_slice() else { unreachable!("three runs") };
        assert!(asked.is_manual() && !undelivered.is_manual() && !cut.is_manual());
        assert_eq!(asked.usage, Some(Usage { input: 6267, output: 195 }));
        assert_eq!((asked.provider.as_deref(), asked.model.as_deref()), (Some("p-main"), Some("small")));
        assert_eq!(asked.duration(), Some(Duration::from_millis(5546)));
        assert_eq!((undelivered.status, undelivered.completion_status.as_deref()), (Some(Outcome::Ok), Some("failed")));
        assert_eq!(
            undelivered.delivery_error.as_deref(),
            Some("Blocked hostname or private/internal/special-use IP address")
        );
        assert_eq!(
            (cut.status, cut.error.as_deref()),
            (Some(Outcome::Error), Some("cron: job interrupted by gateway restart"))
        );
    }

    #[test]
    fn a_failure_is_told_without_the_key_that_the_endpoint_repeats() {
        let error = "401 Incorrect API key provided: sk-abcdefghij0123\nBearer k-1 refused";
        let entry = serde_json::json!({"jobId": "1", "runAtMs": 1, "status": "error", "error": error});
        let told = serde_json::from_value::<Run>(entry).unwrap().error_message();
        let expected = "401 Incorrect API key provided: [redacted] Bearer [redacted] refused";
        assert_eq!(told.as_deref(), Some(expected));
    }

    #[test]
    fn of_a_failure_that_tells_too_much_the_beginning_is_kept() {
        let entry = serde_json::json!({"jobId": "1", "runAtMs": 1, "status": "error", "error": "e".repeat(100_000)});
        assert_eq!(serde_json::from_value::<Run>(entry).unwrap().error.unwrap().len(), answer::WORDS);
    }

    #[test]
    fn a_time_that_cannot_be_is_none() {
        for time in [-62_200_000_000_000_i64, -1, END_OF_TIMES, i64::MAX, i64::MIN] {
            let run: Run = serde_json::from_value(serde_json::json!({"runAtMs": time})).unwrap();
            assert_eq!(run.started_at(), None, "{time}");
        }
    }
}
