//! Which keys the gateway accepts: at the top and in an agent's entry, where the contract tries a wrong one. What stands below is accepted
//! unread: it is the real gateway that proves a configuration. Pure.

use serde_json::{Map, Value};

/// The keys at the top, as the gateway's own schema lists them.
const TOP: &str = "$schema accessGroups acp agents approvals attachments auth bindings broadcast browser channels cloudWorkers commands cron \
    desktop diagnostics discovery env gateway hooks logging mcp memory messages meta models nodeHost plugins proxy secrets security session \
    skills surfaces talk telemetry tools transcripts tts ui update wizard worktreeAcceleration worktreeRoot";

/// The keys of an agent's entry.
const AGENT: &str = "agentDir bootstrapMaxChars bootstrapTotalMaxChars contextInjection contextLimits cwd decisionModel default description \
    embeddedAgent experimental fastModeDefault groupChat heartbeat humanDelay identity memory model modelPolicy models name params \
    reasoningDefault runtime sandbox skills skillsLimits subagents thinkingDefault toolProgressDetail tools tts typingMode utilityModel \
    verboseDefault workspace";

/// One thing that is wrong with a file.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Empty for the file itself.
    pub path: String,
    pub message: String,
}

/// The document, or what is wrong with it.
pub fn read(text: &str) -> Result<Value, Vec<Issue>> {
    let document: Value = serde_json::from_str(text).map_err(|error| {
        vec![Issue { path: String::new(), message: format!("JSON5 parse failed: SyntaxError: {error}") }]
    })?;
    let entries = document.pointer("/agents/entries").and_then(Value::as_object);
    let agents = entries.into_iter().flatten().filter_map(|(id, entry)| {
        let message = unknown(entry.as_object()?, AGENT)?;
        Some(Issue { path: format!("agents.entries.{id}"), message })
    });
    let top = document.as_object().and_then(|document| unknown(document, TOP));
    let top = top.map(|message| Issue { path: String::new(), message });
    let issues: Vec<Issue> = agents.chain(top).collect();
    if issues.is_empty() { Ok(document) } else { Err(issues) }
}

fn unknown(map: &Map<String, Value>, known: &str) -> Option<String> {
    let is_unknown = |key: &&String| !known.split_whitespace().any(|known| known == *key);
    let unknown: Vec<String> = map.keys().filter(is_unknown).map(|key| format!("\"{key}\"")).collect();
    match unknown.as_slice() {
        [] => None,
        [key] => Some(format!("Unrecognized key: {key}")),
        keys => Some(format!("Unrecognized keys: {}", keys.join(", "))),
    }
}
