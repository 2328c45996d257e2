//! Why a gateway ended, from its exit code and its last log lines (the container's termination message under
//! `FallbackToLogsOnError`). Pure. The messages are those of OpenClaw 2026.9.6, as it was seen to die.

use serde_json::Value;

/// `EX_CONFIG`: OpenClaw's exit code for a refused configuration, but also for state that it cannot use.
const CONFIGURATION_EXIT_CODE: i32 = 78;

/// Characters of a message that go into a condition.
const MESSAGE_LIMIT: usize = 400;

/// What a terminated gateway container died of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// In the gateway's words.
    ConfigurationRefused(String),
    /// Another gateway process has the claim.
    StateInUse,
    /// The state directory belongs to someone else, is read-only or full; in the gateway's words.
    StateNotWritable(String),
    /// The state was written by a newer version of OpenClaw; in the gateway's words.
    StateNewer(String),
    /// Node's heap reached its limit.
    OutOfMemory,
    /// The token's variable is missing or empty.
    SecretsUnavailable,
    /// Anything else; the last word of the gateway, if there is one.
    Other(Option<String>),
}

/// Signs of a state directory that cannot be written, as Node and SQLite name them.
const NOT_WRITABLE: [&str; 6] =
    ["EACCES", "EROFS", "EPERM", "ENOSPC", "unable to open database file", "attempt to write a readonly database"];

/// Signs of databases that this version cannot read; of a long list of them the kubelet keeps the end.
const NEWER: [&str; 2] = ["database schema(s) are newer than this build", "; this build supports "];

/// Reads an exit. `message` is what the kubelet kept of the log, at most 2048 bytes, maybe cut at its beginning.
#[must_use]
pub fn read(code: i32, message: &str) -> Exit {
    let words = words(message);
    let all = words.join("\n");
    if all.contains("required secrets are unavailable") {
        return Exit::SecretsUnavailable;
    }
    if all.contains("JavaScript heap out of memory") {
        return Exit::OutOfMemory;
    }
    if code != CONFIGURATION_EXIT_CODE {
        return Exit::Other(last_failure(&words));
    }
    if all.contains("StateDatabaseCoordinatorContentionError") || all.contains("gateway already running") {
        return Exit::StateInUse;
    }
    // Before the state, because a refused value may quote anything.
    if let Some(refusal) = refusal(&words) {
        return Exit::ConfigurationRefused(refusal);
    }
    if NEWER.iter().any(|sign| all.contains(sign)) {
        return Exit::StateNewer(last_failure(&words).unwrap_or_default());
    }
    if NOT_WRITABLE.iter().any(|sign| all.contains(sign)) {
        return Exit::StateNotWritable(last_failure(&words).unwrap_or_default());
    }
    Exit::Other(last_failure(&words))
}

/// The messages of the log lines: JSON once the configuration says so, plain text before.
fn words(log: &str) -> Vec<String> {
    log.lines()
        .map(|line| match serde_json::from_str::<Value>(line) {
            Ok(entry) => entry.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
            Err(_) => line.to_owned(),
        })
        .collect()
}

/// What follows these words is what the gateway has against the configuration.
const REFUSALS: [&str; 3] = ["Invalid config at ", "Gateway start blocked: ", "Missing config. "];

fn refusal(words: &[String]) -> Option<String> {
    let word = words.iter().rev().find(|word| REFUSALS.iter().any(|refusal| word.contains(refusal)))?;
    let reasons = match word.split_once("Invalid config at ") {
        // `…: <path>:` and one line per issue, then advice for someone who may edit the file.
        Some((_, refused)) => refused
            .lines()
            .skip(1)
            .take_while(|line| !line.starts_with("Run \""))
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("; "),
        None => word.clone(),
    };
    Some(bounded(&reasons))
}

fn last_failure(words: &[String]) -> Option<String> {
    let failed = words.iter().rev().find(|word| word.contains("Gateway failed to start"));
    failed.or_else(|| words.iter().rev().find(|word| !word.trim().is_empty())).map(|word| bounded(word))
}

fn bounded(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(MESSAGE_LIMIT).collect()
}

#[cfg(test)]
mod tests;
