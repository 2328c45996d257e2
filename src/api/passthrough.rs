//! Keys of openclaw.json as users write them: any depth, with references to Secrets as values.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::references::SecretSource;

/// The field of an object that stands for a value from elsewhere.
const VALUE_FROM: &str = "valueFrom";

/// Part of openclaw.json. What it may hold is OpenClaw's business, so the schema says nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Passthrough(pub Map<String, Value>);

/// What an object with the field `valueFrom` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    Secret(SecretSource),
    /// It is not `{valueFrom: {secretKeyRef: {name, key}}}`.
    Malformed,
}

impl Reference {
    /// `None`: the value is no reference.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let source = value.get(VALUE_FROM)?;
        let parsed: Option<SecretSource> = serde_json::from_value(source.clone()).ok();
        // Nothing that is written there may go unheard.
        let exact = parsed.filter(|source| json!({ VALUE_FROM: source }) == *value);
        Some(exact.map_or(Self::Malformed, Self::Secret))
    }
}

impl Passthrough {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every reference to a Secret and its path: `tools.web.search.apiKey`.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, SecretSource)> {
        let mut found = Vec::new();
        for (key, value) in &self.0 {
            collect(key.clone(), value, &mut found);
        }
        found
    }
}

fn collect(path: String, value: &Value, found: &mut Vec<(String, SecretSource)>) {
    match (Reference::of(value), value) {
        (Some(Reference::Secret(source)), _) => found.push((path, source)),
        (None, Value::Object(fields)) => {
            fields.iter().for_each(|(key, value)| collect(below(&path, key), value, found));
        }
        (None, Value::Array(items)) => {
            items.iter().enumerate().for_each(|(position, value)| collect(item(&path, position), value, found));
        }
        (Some(Reference::Malformed) | None, _) => {}
    }
}

/// The path of a field of the object at `path`.
#[must_use]
pub fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The path of an item of the list at `path`.
#[must_use]
pub fn item(path: &str, position: usize) -> String {
    format!("{path}[{position}]")
}

impl JsonSchema for Passthrough {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Passthrough".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 64,
            "x-kubernetes-preserve-unknown-fields": true
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_at_any_depth() {
        let reference = |key: &str| json!({"valueFrom": {"secretKeyRef": {"name": "keys", "key": key}}});
        let config = json!({"a": {"b": reference("one")}, "c": [1, {"d": reference("two")}], "e": "text"});
        let config: Passthrough = serde_json::from_value(config).unwrap();
        let found: Vec<_> =
            config.secrets().into_iter().map(|(path, source)| (path, source.secret_key_ref.key)).collect();
        assert_eq!(found, [("a.b".into(), "one".into()), ("c[1].d".into(), "two".into())]);
    }

    #[test]
    fn a_reference_with_anything_else_in_it_is_malformed() {
        let selector = json!({"name": "keys", "key": "one"});
        for malformed in [
            json!({"valueFrom": {"configMapKeyRef": selector}}),
            json!({"valueFrom": {"secretKeyRef": selector}, "value": "x"}),
            json!({"valueFrom": {"secretKeyRef": {"name": "keys", "key": "one", "optional": true}}}),
            json!({"valueFrom": "keys"}),
        ] {
            assert_eq!(Reference::of(&malformed), Some(Reference::Malformed), "{malformed}");
        }
        assert_eq!(Reference::of(&json!({"secretKeyRef": selector})), None);
    }
}
