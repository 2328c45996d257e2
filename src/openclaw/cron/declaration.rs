//! What Creel wants of one job, as the gateway takes it. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::job::Job;

/// One job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// See [`super::key`].
    pub key: String,
    pub name: String,
    /// For people who find the job at the gateway. It also tells one edit of the spec from the next.
    pub description: String,
    /// The OpenClaw agent id.
    pub agent: String,
    pub schedule: Schedule,
    pub work: Work,
    pub delivery: Delivery,
}

/// When a job runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    Cron { expression: String, time_zone: String },
    Every { interval: Duration, anchor: Timestamp },
    At(Timestamp),
}

/// What a run does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A turn in a session of its own.
    Isolated {
        message: String,
        /// As openclaw.json names models: the first choice, and what follows when it fails. Absent: the agent's.
        model: Option<(String, Vec<String>)>,
        thinking: Option<String>,
        timeout: Option<Duration>,
    },
    /// A reminder in the agent's main session.
    Main { message: String },
}

/// Where the answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    None,
    Announce { channel: String, to: String },
    Webhook { url: String },
}

impl Declaration {
    /// The parameters of `cron.add`. `enabled`: left out, a job that the gateway has stopped stays stopped.
    #[must_use]
    pub fn parameters(&self, enabled: Option<bool>) -> Value {
        let mut parameters = self.definition();
        parameters.insert("declarationKey".to_owned(), json!(self.key));
        parameters.insert("agentId".to_owned(), json!(self.agent));
        if let Some(enabled) = enabled {
            parameters.insert("enabled".to_owned(), json!(enabled));
        }
        Value::Object(parameters)
    }

    /// Whether the gateway's job says the same. What the gateway adds by itself does not count.
    #[must_use]
    pub fn is_held_by(&self, job: &Job) -> bool {
        job.agent.as_ref() == Some(&self.agent)
            && self.definition().iter().all(|(name, wanted)| {
                let present = job.definition.get(name);
                match (name.as_str(), present) {
                    ("payload", Some(present)) => without_additions(present) == *wanted,
                    (_, present) => present == Some(wanted),
                }
            })
    }

    /// Whether the gateway's job runs at the same times.
    #[must_use]
    pub fn is_due_with(&self, job: &Job) -> bool {
        job.definition.get("schedule") == Some(&self.schedule.value())
    }

    /// All that is the user's, but for whose job it is and whether it runs.
    fn definition(&self) -> Map<String, Value> {
        let mut definition = Map::from_iter([
            ("name".to_owned(), json!(self.name)),
            ("description".to_owned(), json!(self.description)),
            ("schedule".to_owned(), self.schedule.value()),
            ("wakeMode".to_owned(), json!("now")),
            ("delivery".to_owned(), self.delivery.value()),
            // Failures are told by the CronJob's status.
            ("failureAlert".to_owned(), json!(false)),
        ]);
        let (session, payload) = self.work.values();
        definition.insert("sessionTarget".to_owned(), json!(session));
        definition.insert("payload".to_owned(), payload);
        if matches!(self.schedule, Schedule::At(_)) {
            definition.insert("deleteAfterRun".to_owned(), json!(false));
        }
        definition
    }
}

/// The tools that a job may use are the gateway's to note, not ours.
fn without_additions(payload: &Value) -> Value {
    let mut payload = payload.clone();
    if let Some(payload) = payload.as_object_mut() {
        payload.retain(|name, _| !name.starts_with("toolsAllow"));
    }
    payload
}

impl Schedule {
    fn value(&self) -> Value {
        match self {
            // Without a stagger of 0 the gateway moves jobs of the full hour by up to five minutes.
            Self::Cron { expression, time_zone } => {
                json!({"kind": "cron", "expr": expression, "tz": time_zone, "staggerMs": 0})
            }
            Self::Every { interval, anchor } => {
                json!({"kind": "every", "everyMs": milliseconds(*interval), "anchorMs": anchor.as_millisecond()})
            }
            Self::At(time) => json!({"kind": "at", "at": time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()}),
        }
    }
}

impl Work {
    /// The session and the payload.
    fn values(&self) -> (&'static str, Value) {
        match self {
            Self::Main { message } => ("main", json!({"kind": "systemEvent", "text": message})),
            Self::Isolated { message, model, thinking, timeout } => {
                let mut payload = json!({"kind": "agentTurn", "message": message});
                if let Some((primary, fallbacks)) = model {
                    payload["model"] = json!(primary);
                    payload["fallbacks"] = json!(fallbacks);
                }
                if let Some(thinking) = thinking {
                    payload["thinking"] = json!(thinking);
                }
                if let Some(timeout) = timeout {
                    payload["timeoutSeconds"] = json!(timeout.as_secs().max(1));
                }
                ("isolated", payload)
            }
        }
    }
}

impl Delivery {
    fn value(&self) -> Value {
        match self {
            Self::None => json!({"mode": "none"}),
            Self::Announce { channel, to } => json!({"mode": "announce", "channel": channel, "to": to}),
            Self::Webhook { url } => json!({"mode": "webhook", "to": url}),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::job::listed;
    use super::*;

    fn declaration() -> Declaration {
        Declaration {
            key: "k8s:assistants/notes".into(),
            name: "notes".into(),
            description: "generation 1".into(),
            agent: "writer".into(),
            schedule: Schedule::Cron { expression: "0 4 * * *".into(), time_zone: "Europe/Paris".into() },
            work: Work::Isolated {
                message: "Compress notes".into(),
                model: Some(("p-main/small".into(), vec![])),
                thinking: Some("low".into()),
                timeout: Some(Duration::from_mins(10)),
            },
            delivery: Delivery::None,
        }
    }

    /// The job as the gateway lists it after `cron.add`.
    fn held(declaration: &Declaration) -> Value {
        let mut job = declaration.parameters(Some(true));
        job["id"] = json!("6115aada");
        job["state"] = json!({});
        job["createdAtMs"] = json!(1);
        job["payload"]["toolsAllow"] = json!(["*"]);
        job
    }

    #[test]
    fn a_job_that_was_just_declared_is_held() {
        let wanted = declaration();
        assert!(wanted.is_held_by(&listed(&held(&wanted)).unwrap()));
    }

    #[test]
    fn a_job_that_was_edited_by_hand_is_not_held() {
        let wanted = declaration();
        let edits: [fn(&mut Value); 5] = [
            |job| job["payload"]["message"] = json!("something else"),
            |job| job["payload"]["lightContext"] = json!(true),
            |job| job["schedule"]["expr"] = json!("0 5 * * *"),
            |job| job["agentId"] = json!("other"),
            |job| job["description"] = json!("generation 0"),
        ];
        for edit in edits {
            let mut job = held(&wanted);
            edit(&mut job);
            assert!(!wanted.is_held_by(&listed(&job).unwrap()), "{job}");
        }
    }

    #[test]
    fn a_time_is_written_as_the_gateway_writes_it() {
        let at = Schedule::At("2026-11-21T16:12:19+01:00".parse().unwrap());
        assert_eq!(at.value(), json!({"kind": "at", "at": "2026-11-21T15:12:19.000Z"}));
    }

    #[test]
    fn a_reminder_names_neither_model_nor_time_limit() {
        let main = Declaration { work: Work::Main { message: "Look".into() }, ..declaration() };
        let parameters = main.parameters(None);
        assert_eq!(parameters["payload"], json!({"kind": "systemEvent", "text": "Look"}));
        assert_eq!(parameters["sessionTarget"], "main");
        assert_eq!(parameters.get("enabled"), None);
    }
}
