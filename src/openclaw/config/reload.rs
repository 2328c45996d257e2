//! Whether OpenClaw restarts for an edit of its configuration. Pure.
//!
//! Most edits it takes up within seconds. For others it restarts in its process: once no turn runs, or five minutes later.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::openclaw::marker;

/// The sections that it takes up without a restart, whatever changes in them.
const LIVE: [&str; 11] =
    ["agents", "bindings", "cron", "hooks", "logging", "mcp", "models", "session", "skills", "tools", marker::SECTION];

/// Whether it may restart where `after` takes the place of `before`.
#[must_use]
pub fn restarts(before: &Value, after: &Value) -> bool {
    let sections = [before, after].into_iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
    let sections: BTreeSet<_> = sections.map(String::as_str).collect();
    sections.into_iter().any(|section| !LIVE.contains(&section) && before.get(section) != after.get(section))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_edit_of_agents_and_models_restarts_nothing_and_one_of_the_listener_does() {
        let before = json!({"agents": {"a": 1}, "gateway": {"port": 1}, "wizard": {"marker": 1}});
        let edit = |section: &str, value: Value| {
            let mut after = before.clone();
            after[section] = value;
            restarts(&before, &after)
        };
        assert!(!restarts(&before, &before));
        assert!(!edit("agents", json!({})) && !edit("models", json!({})) && !edit("wizard", json!({})));
        assert!(edit("gateway", json!({"port": 2})) && edit("env", json!({})));
    }
}
