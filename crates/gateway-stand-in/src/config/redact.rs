//! What `config.get` hides. Pure.

use serde_json::{Map, Value, json};

const REDACTED: &str = "__OPENCLAW_REDACTED__";

/// The document as `config.get` shows it.
pub fn redacted(document: &Value) -> Value {
    let mut shown = document.clone();
    hide(&mut shown, &mut Vec::new());
    shown
}

fn hide(value: &mut Value, path: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let is_reference = is_reference(map);
            for (key, child) in map.iter_mut() {
                path.push(key.clone());
                let hidden = is_reference && key == "id" || is_hidden(path);
                match child {
                    Value::String(text) if hidden && is_concrete(text) => *child = json!(REDACTED),
                    _ => hide(child, path),
                }
                path.pop();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|child| hide(child, path)),
        _ => {}
    }
}

/// Whether it is a SecretRef: `{"source": "env", "provider": "default", "id": "OPENAI_KEY"}`.
fn is_reference(map: &Map<String, Value>) -> bool {
    ["source", "provider", "id"].iter().all(|key| map.get(*key).is_some_and(Value::is_string))
}

fn is_hidden(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        path.as_slice(),
        ["secrets", "providers", _, "source"]
            | ["secrets", "defaults", _]
            | ["models", "providers", _, "headers", _]
            | ["mcp", "servers", _, "headers", _]
            | ["hooks", "token"]
            | ["agents", "entries", _, "sandbox", "ssh", "knownHostsData"]
    )
}

/// An empty string and the name of a variable are no secret.
fn is_concrete(text: &str) -> bool {
    let text = text.trim();
    let is_variable = text.starts_with("${") && text.ends_with('}');
    !text.is_empty() && !is_variable
}
