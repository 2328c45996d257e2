//! What a call says of a job: read, checked, and taken over. Pure.
//!
//! An upsert by `declarationKey` replaces the display name, the schedule, the payload and the delivery, and says `enabled` only if the call
//! does. It leaves all else as it was at first, the description and the session too. An update changes whatever it names.

use serde_json::{Map, Value, json};

use super::job::Job;
use super::schedule::{Schedule, iso};
use crate::refusal::Refusal;

/// What may stand in `cron.add`.
const FIELDS: &str = "id agentId owner declarationKey displayName name description enabled deleteAfterRun schedule sessionTarget sessionKey \
    wakeMode payload delivery failureAlert pacing trigger state";
/// What may not stand in the patch of `cron.update`.
const FIXED: [&str; 3] = ["id", "owner", "declarationKey"];
/// The fields that an upsert replaces, but for the schedule.
pub const DECLARATIVE: [&str; 3] = ["displayName", "payload", "delivery"];

/// Keys that only the gateway declares.
const SYSTEM: [&str; 2] = ["heartbeat:", "skill-collection-review:"];

/// How long ago a single time may be, and how far ahead.
const GRACE_MS: i64 = 60_000;
const FARTHEST_MS: i64 = 10 * 31_557_600_000;

/// A job as a call describes it.
#[derive(Clone, Debug)]
pub struct Definition {
    pub agent: Option<String>,
    pub enabled: Option<bool>,
    pub schedule: Schedule,
    pub fields: Map<String, Value>,
}

impl Definition {
    /// Reads the parameters of `cron.add`.
    pub fn read(params: &Value, now_ms: i64) -> Result<Self, Refusal> {
        let invalid = |message: &str| Refusal::invalid_params("cron.add", message);
        let given = params.as_object().ok_or_else(|| invalid("at root: must be object"))?;
        for required in ["name", "schedule", "sessionTarget", "payload"] {
            if !given.contains_key(required) {
                return Err(invalid(&format!("must have required property '{required}'")));
            }
        }
        if let Some(unknown) = unknown(given) {
            return Err(invalid(&format!("at root: unexpected property '{unknown}'")));
        }
        let key = given.get("declarationKey").and_then(Value::as_str).unwrap_or_default();
        if let Some(system) = SYSTEM.iter().find(|system| key.starts_with(*system)) {
            let message =
                format!("cron declarationKey namespace \"{system}\" is system-owned; jobs cannot be created with it");
            return Err(invalid(&message));
        }
        let schedule = read_schedule("cron.add", &given["schedule"], now_ms, now_ms)?;
        let mut fields = given.clone();
        for known in ["agentId", "enabled", "schedule", "state", "id"] {
            fields.remove(known);
        }
        fields.entry("wakeMode").or_insert_with(|| json!("now"));
        fields.entry("delivery").or_insert_with(|| json!({"mode": "announce"}));
        if matches!(schedule, Schedule::At { .. }) {
            fields.entry("deleteAfterRun").or_insert(json!(true));
        }
        complete(&mut fields);
        check_payload(&fields).map_err(|message| invalid(&message))?;
        Ok(Self {
            agent: given.get("agentId").and_then(Value::as_str).map(str::to_owned),
            enabled: given.get("enabled").and_then(Value::as_bool),
            schedule,
            fields,
        })
    }

    /// Brings the job in line, as far as an upsert does; whether that changed anything.
    pub fn converge(self, job: &mut Job, now_ms: i64) -> Result<bool, Refusal> {
        let mut next = job.clone();
        // The session stays, so the payload must be one of that session. Inside the gateway that is an error without a word.
        next.fields.insert("payload".to_owned(), self.fields["payload"].clone());
        check_payload(&next.fields).map_err(|_| Refusal::without_a_reason())?;
        for field in DECLARATIVE {
            match self.fields.get(field) {
                Some(value) => next.fields.insert(field.to_owned(), value.clone()),
                None => next.fields.remove(field),
            };
        }
        next.schedule = self.schedule;
        if let Some(enabled) = self.enabled {
            if enabled && (!next.enabled || next.state.auto_disabled.is_some()) {
                next.state.start_over();
            }
            next.enabled = enabled;
        }
        if next.declared() == job.declared() {
            return Ok(false);
        }
        settle(job, next, now_ms);
        Ok(true)
    }
}

/// Changes what the patch of `cron.update` names. `has_agent`: whether the gateway has that agent.
pub fn update(job: &mut Job, patch: &Value, has_agent: impl Fn(&str) -> bool, now_ms: i64) -> Result<(), Refusal> {
    const METHOD: &str = "cron.update";
    let invalid = |message: &str| Refusal::invalid_params(METHOD, message);
    let patch = patch.as_object().ok_or_else(|| invalid("must have required property 'patch'"))?;
    let fixed = FIXED.iter().find(|field| patch.contains_key(**field)).map(|field| (*field).to_owned());
    if let Some(unexpected) = unknown(patch).or(fixed) {
        return Err(invalid(&format!("at /patch: unexpected property '{unexpected}'")));
    }
    let mut next = job.clone();
    for (field, value) in patch {
        match (field.as_str(), value) {
            ("enabled", _) => next.enabled = value.as_bool().unwrap_or(next.enabled),
            ("agentId", _) => next.agent = value.as_str().map(str::to_owned),
            ("schedule", _) => next.schedule = read_schedule(METHOD, value, job.created_ms, now_ms)?,
            ("state", _) => next.state.patch(value),
            ("payload", _) => {
                let merged = merged(next.fields.get("payload"), value);
                next.fields.insert(field.clone(), merged);
            }
            (_, Value::Null) => drop(next.fields.remove(field)),
            _ => drop(next.fields.insert(field.clone(), value.clone())),
        }
    }
    if patch.contains_key("agentId") && next.agent.as_deref().is_some_and(|agent| !has_agent(agent)) {
        return Err(Refusal::without_a_reason());
    }
    complete(&mut next.fields);
    check_payload(&next.fields).map_err(|message| invalid(&message))?;
    if patch.get("enabled") == Some(&json!(true)) {
        next.state.start_over();
    }
    settle(job, next, now_ms);
    Ok(())
}

fn unknown(given: &Map<String, Value>) -> Option<String> {
    given.keys().find(|field| !FIELDS.split_whitespace().any(|known| known == *field)).cloned()
}

fn read_schedule(method: &str, value: &Value, anchor_ms: i64, now_ms: i64) -> Result<Schedule, Refusal> {
    let schedule =
        Schedule::read(value, anchor_ms, now_ms).map_err(|message| Refusal::invalid_params(method, &message))?;
    match schedule {
        Schedule::At { at_ms } if at_ms < now_ms - GRACE_MS => {
            Err(Refusal::invalid(format!("schedule.at is in the past: {}", iso(at_ms))))
        }
        Schedule::At { at_ms } if at_ms > now_ms + FARTHEST_MS => {
            let message = format!("schedule.at is too far in the future: {}. Maximum allowed: 10 years", iso(at_ms));
            Err(Refusal::invalid(message))
        }
        schedule => Ok(schedule),
    }
}

/// What the gateway adds, and what it trims.
fn complete(fields: &mut Map<String, Value>) {
    let in_session_of_its_own = fields.get("sessionTarget").is_some_and(|target| target != "main");
    if let Some(payload) = fields.get_mut("payload").and_then(Value::as_object_mut) {
        for words in ["message", "text"] {
            if let Some(text) = payload.get(words).and_then(Value::as_str).map(|text| text.trim().to_owned()) {
                payload.insert(words.to_owned(), json!(text));
            }
        }
        if in_session_of_its_own {
            payload.entry("toolsAllow").or_insert_with(|| json!(["*"]));
        }
    }
    if in_session_of_its_own {
        fields.insert("scheduledToolPolicy".to_owned(), json!({"version": 1, "mode": "trusted"}));
    } else {
        fields.remove("scheduledToolPolicy");
    }
}

/// Whether the payload is one for the session.
fn check_payload(fields: &Map<String, Value>) -> Result<(), String> {
    let payload = fields.get("payload").unwrap_or(&Value::Null);
    let text = |key| payload.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let is_main = fields.get("sessionTarget").is_some_and(|target| target == "main");
    match payload.get("kind").and_then(Value::as_str) {
        Some("agentTurn") if is_main => {
            Err("main cron jobs require payload.kind=\"systemEvent\" or \"script\"".to_owned())
        }
        Some("systemEvent") if !is_main => {
            Err("isolated/current/session cron jobs require payload.kind=\"agentTurn\"".to_owned())
        }
        Some("agentTurn") if text("message") => Ok(()),
        Some("systemEvent") if text("text") => Ok(()),
        Some("agentTurn") => Err("at /payload/message: must not have fewer than 1 characters".to_owned()),
        Some("systemEvent") => Err("at /payload: must have required property 'text'".to_owned()),
        _ => Err("at /payload/kind: must be equal to constant".to_owned()),
    }
}

/// A patch of the same kind of payload is merged into it, one of another kind replaces it.
fn merged(payload: Option<&Value>, patch: &Value) -> Value {
    let mut merged = match payload {
        Some(payload) if payload.get("kind") == patch.get("kind") => payload.clone(),
        _ => json!({}),
    };
    if let (Some(merged), Some(patch)) = (merged.as_object_mut(), patch.as_object()) {
        for (key, value) in patch {
            if value.is_null() {
                merged.remove(key);
            } else {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    merged
}

/// Puts the changed job in the place of the one before, with the time of its next run.
fn settle(job: &mut Job, mut next: Job, now_ms: i64) {
    next.updated_ms = now_ms;
    if (next.enabled, &next.schedule) != (job.enabled, &job.schedule) {
        next.state.schedule_activated_at_ms = Some(now_ms);
        next.state.next_run_at_ms = next.due_after(now_ms);
    }
    *job = next;
}

impl Job {
    /// When it is due after this time, if it is enabled.
    pub fn due_after(&self, now_ms: i64) -> Option<i64> {
        self.schedule.next(self.state.last.run_at_ms, now_ms).filter(|_| self.enabled)
    }
}
