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
    /// Shown in place of the name; at most 200 characters. It tells one edit of the spec from the next.
    pub display_name: String,
    /// For people who find the job at the gateway.
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
        let mut parameters = self.declared();
        parameters.extend(self.fixed());
        parameters.insert("declarationKey".to_owned(), json!(self.key));
        if let Some(enabled) = enabled {
            parameters.insert("enabled".to_owned(), json!(enabled));
        }
        Value::Object(parameters)
    }

    /// Whether the gateway's job says the same, as far as `cron.add` brings it in line. What the gateway adds does not count.
    #[must_use]
    pub fn is_held_by(&self, job: &Job) -> bool {
        self.declared().iter().all(|(name, wanted)| job.holds(name, wanted))
    }

    /// What of the gateway's job has to be changed by `cron.update`; `None`: nothing.
    #[must_use]
    pub fn amendment(&self, job: &Job) -> Option<Value> {
        let mut patch = self.fixed();
        // It only tells people where to edit the job.
        patch.remove("description");
        patch.retain(|name, wanted| !job.holds(name, wanted));
        // The payload of the one session is none of the other.
        if patch.contains_key("sessionTarget") {
            patch.insert("payload".to_owned(), self.work.values().1);
        }
        (!patch.is_empty()).then_some(Value::Object(patch))
    }

    /// Whether the gateway's job runs at the same times.
    #[must_use]
    pub fn is_due_with(&self, job: &Job) -> bool {
        job.holds("schedule", &self.schedule.value())
    }

    /// What `cron.add` brings in line when the gateway has the job, beside whether it runs.
    fn declared(&self) -> Map<String, Value> {
        Map::from_iter([
            ("displayName".to_owned(), json!(self.display_name)),
            ("schedule".to_owned(), self.schedule.value()),
            ("payload".to_owned(), self.work.values().1),
            ("delivery".to_owned(), self.delivery.value()),
        ])
    }

    /// What `cron.add` reads only when it makes the job.
    fn fixed(&self) -> Map<String, Value> {
        let mut fixed = Map::from_iter([
            ("agentId".to_owned(), json!(self.agent)),
            ("name".to_owned(), json!(self.name)),
            ("description".to_owned(), json!(self.description)),
            ("sessionTarget".to_owned(), json!(self.work.values().0)),
            ("wakeMode".to_owned(), json!("now")),
            // The CronJob's status shows failures.
            ("failureAlert".to_owned(), json!(false)),
        ]);
        if matches!(self.schedule, Schedule::At(_)) {
            fixed.insert("deleteAfterRun".to_owned(), json!(false));
        }
        fixed
    }
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
            display_name: "notes, generation 1".into(),
            description: "edit it elsewhere".into(),
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
        let edits: [fn(&mut Value); 4] = [
            |job| job["payload"]["message"] = json!("something else"),
            |job| job["payload"]["lightContext"] = json!(true),
            |job| job["schedule"]["expr"] = json!("0 5 * * *"),
            |job| job["displayName"] = json!("notes, generation 0"),
        ];
        for edit in edits {
            let mut job = held(&wanted);
            edit(&mut job);
            assert!(!wanted.is_held_by(&listed(&job).unwrap()), "{job}");
        }
    }

    #[test]
    fn what_the_gateway_takes_from_no_declaration_is_amended() {
        let wanted = declaration();
        let amendment = |name: &str, value: &str| {
            let mut job = held(&wanted);
            job[name] = json!(value);
            let job = listed(&job).unwrap();
            assert!(wanted.is_held_by(&job), "{name}");
            wanted.amendment(&job)
        };
        assert_eq!(wanted.amendment(&listed(&held(&wanted)).unwrap()), None);
        assert_eq!(amendment("agentId", "other"), Some(json!({"agentId": "writer"})));
        assert_eq!(amendment("description", "mine"), None);
        let payload = wanted.parameters(None)["payload"].clone();
        assert_eq!(amendment("sessionTarget", "main"), Some(json!({"sessionTarget": "isolated", "payload": payload})));
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
