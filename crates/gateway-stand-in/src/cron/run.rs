//! Runs: in progress, waiting for a slot, and those that have ended.

use serde_json::{Value, json};

use super::job::{AutoDisabled, Job, Last};
use super::schedule::{Schedule, backoff_ms};

/// Errors in a row of scheduled runs after which a job is disabled.
const MOST_ERRORS: u32 = 10;

/// What becomes of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// The turn failed: the gateway's words, and its word for the kind of failure.
    Failed {
        error: String,
        reason: Option<String>,
    },
}

impl Outcome {
    /// What a provider's HTTP status 400 leads to.
    #[must_use]
    pub fn rejected() -> Self {
        Self::Failed {
            error: "LLM request failed: provider rejected the request schema or tool payload.".to_owned(),
            reason: Some("format".to_owned()),
        }
    }

    #[must_use]
    pub fn agent_missing(agent: &str) -> Self {
        Self::Failed { error: format!("cron job agent is unavailable: {agent}"), reason: None }
    }
}

/// A run that has begun, or waits to.
#[derive(Clone, Debug)]
pub struct Run {
    pub job: String,
    /// Of one that was asked for.
    pub id: Option<String>,
    pub began_ms: i64,
}

/// Whether an answer could be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    NotRequested,
    Delivered,
    Failed(String),
}

impl Delivery {
    const fn status(&self) -> &'static str {
        match self {
            Self::NotRequested => "not-requested",
            Self::Delivered => "delivered",
            Self::Failed(_) => "not-delivered",
        }
    }

    fn error(&self) -> Option<&String> {
        match self {
            Self::Failed(error) => Some(error),
            Self::NotRequested | Self::Delivered => None,
        }
    }
}

impl Run {
    /// The entry of `cron.runs`. Pure.
    pub fn entry(&self, job: &Job, outcome: &Outcome, delivery: &Delivery, now_ms: i64) -> Value {
        let mut entry = json!({
            "ts": now_ms, "jobId": self.job, "action": "finished", "runAtMs": self.began_ms,
            "durationMs": now_ms - self.began_ms, "deliveryStatus": delivery.status(),
        });
        let is_turn = job.text("sessionTarget") != Some("main");
        match outcome {
            Outcome::Done => {
                let is_complete = delivery.error().is_none();
                entry["status"] = json!("ok");
                entry["completionStatus"] = json!(if is_complete { "succeeded" } else { "failed" });
                entry["summary"] = json!("done");
                if is_turn {
                    entry["usage"] = json!({"input_tokens": 10, "output_tokens": 2, "total_tokens": 12});
                    entry["delivered"] = json!(*delivery == Delivery::Delivered);
                }
            }
            Outcome::Failed { error, reason } => {
                entry["status"] = json!("error");
                entry["completionStatus"] = json!("failed");
                entry["error"] = json!(error);
                if let Some(reason) = reason {
                    entry["errorReason"] = json!(reason);
                }
            }
        }
        let model = job.fields.get("payload").and_then(|payload| payload.get("model")).and_then(Value::as_str);
        if let Some((provider, model)) = model.and_then(|model| model.split_once('/')) {
            (entry["provider"], entry["model"]) = (json!(provider), json!(model));
        }
        if let Some(error) = delivery.error() {
            entry["deliveryError"] = json!(error);
        }
        if let Some(id) = &self.id {
            entry["runId"] = json!(id);
        }
        if let Some(next) = job.state.next_run_at_ms {
            entry["nextRunAtMs"] = json!(next);
        }
        entry
    }

    /// What the job remembers of the run. One that was asked for counts, but neither puts off the next one nor disables the job. Pure.
    pub fn settle(&self, job: &mut Job, outcome: &Outcome, delivery: &Delivery, now_ms: i64) {
        let state = &mut job.state;
        state.running_at_ms = None;
        let (status, errors) = match outcome {
            Outcome::Done => ("ok", 0),
            Outcome::Failed { .. } => ("error", state.consecutive_errors.unwrap_or(0) + 1),
        };
        state.last = Last {
            run_at_ms: Some(self.began_ms),
            run_status: Some(status.to_owned()),
            status: Some(status.to_owned()),
            duration_ms: Some(now_ms - self.began_ms),
            delivery_status: Some(delivery.status().to_owned()),
            delivery_error: delivery.error().cloned(),
            delivered: matches!(outcome, Outcome::Done).then_some(*delivery == Delivery::Delivered),
            ..Last::default()
        };
        if let Outcome::Failed { error, reason } = outcome {
            (state.last.error, state.last.error_reason) = (Some(error.clone()), reason.clone());
        }
        (state.consecutive_errors, state.consecutive_skipped) = (Some(errors), Some(0));
        job.updated_ms = now_ms;
        if self.id.is_none() {
            reschedule(job, errors, now_ms);
        }
    }
}

/// After a scheduled run.
fn reschedule(job: &mut Job, errors: u32, now_ms: i64) {
    if matches!(job.schedule, Schedule::At { .. }) || errors >= MOST_ERRORS {
        job.enabled = false;
    }
    if errors >= MOST_ERRORS && !matches!(job.schedule, Schedule::At { .. }) {
        let reason = "consecutive-failures".to_owned();
        job.state.auto_disabled = Some(AutoDisabled { reason, at_ms: now_ms, consecutive_errors: errors });
    }
    let next = job.due_after(now_ms);
    job.state.next_run_at_ms = next.map(|next| if errors > 0 { next.max(now_ms + backoff_ms(errors)) } else { next });
}
