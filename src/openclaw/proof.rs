//! Does `config.get` prove that the gateway runs our file? Pure.
//!
//! OpenClaw answers with the file that it saw last (`parsed`, secrets redacted) and with two hashes that are equal once
//! it runs with that file. Equal hashes alone prove nothing: they are equal, too, before a change is seen.

use serde_json::Value;

use super::marker;

/// What OpenClaw shows instead of a leaf that may be secret.
const REDACTED: &str = "__OPENCLAW_REDACTED__";

/// Bounds for what goes into a condition.
const ISSUES_LIMIT: usize = 8;
const ISSUE_LENGTH_LIMIT: usize = 200;

/// Where a gateway stands with our file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The gateway runs with exactly this file.
    Applied,
    /// It has not read the file yet.
    Pending,
    /// It has read exactly this file and does not run with it: it works on it, or cannot.
    Read,
    /// It saw a file that it refuses and goes on with what it had.
    Refused(Refusal),
}

/// A refused file, in the gateway's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Each as `agents.entries.writer: Unrecognized key: "modle"`; at most 8 of at most 200 characters.
    pub issues: Vec<String>,
    /// Which file was refused; see [`file`].
    pub file: Option<String>,
}

/// The gateway's name for the content of the file that it saw last. Comparable only with other answers of the same
/// Pod: it is keyed with a secret of the gateway.
///
/// A refused file is shown to nobody, so this alone tells whether a refusal is about ours or still about the file
/// before. Whoever writes a file remembers the name of the one before.
#[must_use]
pub fn file(payload: &Value) -> Option<&str> {
    payload.get("hash")?.as_str()
}

/// Compares our document with the payload of `config.get`. `before` is what [`file`] said before ours was written, if
/// that is known: a refusal of that one is not about ours.
#[must_use]
pub fn compare(ours: &Value, payload: &Value, before: Option<&str>) -> Verdict {
    let seen = file(payload);
    match payload.get("valid").and_then(Value::as_bool) {
        Some(true) if shows(ours, payload) => {
            if is_in_force(payload) {
                Verdict::Applied
            } else {
                Verdict::Read
            }
        }
        Some(false) if before.is_none() || before != seen => {
            Verdict::Refused(Refusal { issues: issues(payload), file: seen.map(str::to_owned) })
        }
        _ => Verdict::Pending,
    }
}

fn shows(ours: &Value, payload: &Value) -> bool {
    payload.get("parsed").is_some_and(|seen| marker::of(seen) == marker::of(ours) && same(ours, seen))
}

fn is_in_force(payload: &Value) -> bool {
    let revision = payload.get("configRevisionHash").and_then(Value::as_str);
    let applied = payload.get("appliedConfigHash").and_then(Value::as_str);
    revision.is_some() && revision == applied
}

/// Structural equality, where a redacted leaf equals any string and 1 equals 1.0, as JavaScript has it.
fn same(ours: &Value, seen: &Value) -> bool {
    match (ours, seen) {
        (Value::Object(ours), Value::Object(seen)) => {
            ours.len() == seen.len()
                && ours.iter().all(|(key, value)| seen.get(key).is_some_and(|seen| same(value, seen)))
        }
        (Value::Array(ours), Value::Array(seen)) => {
            ours.len() == seen.len() && ours.iter().zip(seen).all(|(ours, seen)| same(ours, seen))
        }
        (Value::Number(ours), Value::Number(seen)) => ours == seen || ours.as_f64() == seen.as_f64(),
        (_, Value::String(seen)) if seen == REDACTED => true,
        _ => ours == seen,
    }
}

fn issues(payload: &Value) -> Vec<String> {
    let list = payload.get("issues").and_then(Value::as_array).into_iter().flatten();
    let mut issues: Vec<String> = list.take(ISSUES_LIMIT).map(issue).collect();
    if issues.is_empty() {
        issues.push("the gateway gave no reason".to_owned());
    }
    issues
}

fn issue(issue: &Value) -> String {
    let text = |key| issue.get(key).and_then(Value::as_str).unwrap_or_default();
    let path = if text("path").is_empty() { "openclaw.json" } else { text("path") };
    format!("{path}: {}", text("message"))
        .chars()
        .filter(|letter| !letter.is_control())
        .take(ISSUE_LENGTH_LIMIT)
        .collect()
}

#[cfg(test)]
mod tests;
