//! The configuration: the file as it was seen last, and the one in force.
//!
//! | module   | does                                                  |
//! |----------|-------------------------------------------------------|
//! | `redact` | what `config.get` hides                               |
//! | `schema` | which keys are accepted, as far as tests need to know |

mod redact;
mod schema;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use schema::Issue;

/// How far the gateway gets with a file that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reload {
    /// It does not notice: the kubelet has not brought it yet, or the file watcher is dead.
    Unseen,
    /// It shows it and goes on with the one before.
    Seen,
    #[default]
    Applied,
}

#[derive(Debug)]
pub struct Configuration {
    reload: Reload,
    written: String,
    seen: Seen,
    applied: Value,
    /// Digests of two gateways are never the same.
    key: [u8; 16],
}

#[derive(Debug)]
struct Seen {
    text: String,
    document: Result<Value, Vec<Issue>>,
}

impl Seen {
    fn read(text: &str) -> Self {
        Self { text: text.to_owned(), document: schema::read(text) }
    }
}

impl Configuration {
    /// The configuration of a gateway that starts with this file; `Err`: it refuses to start.
    pub fn new(text: &str) -> Result<Self, String> {
        let seen = Seen::read(text);
        let applied = seen.document.clone().map_err(|issues| issues[0].message.clone())?;
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|error| error.to_string())?;
        Ok(Self { reload: Reload::default(), written: text.to_owned(), seen, applied, key })
    }

    pub fn write(&mut self, text: &str) {
        text.clone_into(&mut self.written);
        self.look();
    }

    pub fn set_reload(&mut self, reload: Reload) {
        self.reload = reload;
        self.look();
    }

    fn look(&mut self) {
        if self.reload >= Reload::Seen && self.seen.text != self.written {
            self.seen = Seen::read(&self.written);
        }
        if self.reload == Reload::Applied
            && let Ok(document) = &self.seen.document
        {
            self.applied = document.clone();
        }
    }

    /// The agents in force, with the entry of each.
    pub fn agents(&self) -> Map<String, Value> {
        self.applied.pointer("/agents/entries").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// Whose all is that names no agent.
    pub fn system_agent(&self) -> Option<String> {
        self.applied.pointer("/agents/defaults/systemAgent/agentId").and_then(Value::as_str).map(str::to_owned)
    }

    pub fn has_channel(&self, channel: &str) -> bool {
        self.applied.get("channels").is_some_and(|channels| channels.get(channel).is_some())
    }

    /// How often the heartbeat of an agent beats, in milliseconds, if it does.
    pub fn heartbeat(&self, entry: &Value) -> Option<u64> {
        let own = entry.pointer("/heartbeat/every");
        let every = own.or_else(|| self.applied.pointer("/agents/defaults/heartbeat/every"))?.as_str()?;
        let (number, unit) = every.split_at(every.find(|letter: char| !letter.is_ascii_digit())?);
        let unit = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        number.parse::<u64>().ok().map(|number| number * unit).filter(|every| *every > 0)
    }

    /// The payload of `config.get`.
    pub fn payload(&self) -> Value {
        let shown = self.seen.document.as_ref().ok().map(redact::redacted);
        let revision = self.seen.document.as_ref().ok().map(|document| self.digest(&document.to_string()));
        let issues = self.seen.document.as_ref().err().into_iter().flatten();
        let issues: Vec<_> = issues.map(|Issue { path, message }| json!({"path": path, "message": message})).collect();
        json!({
            "exists": true,
            "raw": null,
            "parsed": shown,
            "sourceConfig": shown.clone().unwrap_or_else(|| json!({})),
            "valid": shown.is_some(),
            "issues": issues,
            "warnings": [],
            "legacyIssues": [],
            "hash": self.digest(&self.seen.text),
            "configRevisionHash": revision,
            "appliedConfigHash": self.digest(&self.applied.to_string()),
        })
    }

    fn digest(&self, text: &str) -> String {
        let digest = Sha256::new().chain_update(self.key).chain_update(text).finalize();
        format!("hmac-sha256:v1:{}", URL_SAFE_NO_PAD.encode(digest))
    }
}
