//! Which keys a running gateway takes up. Pure.
//!
//! As OpenClaw's own table has it without plugins. What it does not name makes the gateway restart inside of its Pod; Creel recreates the
//! Pod instead, and says why. A test compares both tables.

use std::collections::BTreeMap;

use serde_json::Value;

use super::below;
use super::owned::is_within;
use crate::openclaw::config::sections::Fields;

/// Paths that are taken up without a restart, all that is below them included; one on a line.
const HOT: &str = include_str!("hot_keys.txt");

/// What is not taken up below one of them, and what is below that.
const COLD: &str = "mcp.apps";
const HOT_BELOW_COLD: &str = "mcp.apps.sandboxOrigin";

/// Whether a running gateway takes up a change at this path of openclaw.json.
#[must_use]
pub fn is_hot(path: &str) -> bool {
    let is_cold = is_within(path, COLD) && !is_within(path, HOT_BELOW_COLD);
    !is_cold && HOT.lines().any(|hot| is_within(path, hot))
}

/// What a running gateway does not take up of the gateway's keys, by the first key of the path.
#[must_use]
pub fn cold(config: &Fields) -> BTreeMap<String, Value> {
    config.iter().filter_map(|(key, value)| Some((key.clone(), cold_part(key, value)?))).collect()
}

fn cold_part(path: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let parts =
                fields.iter().filter_map(|(key, value)| Some((key.clone(), cold_part(&below(path, key), value)?)));
            let parts: Fields = parts.collect();
            (!parts.is_empty()).then_some(Value::Object(parts))
        }
        _ => (!is_hot(path)).then(|| value.clone()),
    }
}
