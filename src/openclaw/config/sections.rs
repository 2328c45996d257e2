//! Values and where in openclaw.json they belong: in an agent's entry, or at a path. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Fields of an agent's entry by name.
pub type Fields = Map<String, Value>;

/// The keys from the top of the document down to a value.
pub type Path = Vec<String>;

/// Adds fields to those that are there: objects are merged, lists get the items that they lack, and of anything else the new value counts.
pub fn add(fields: &mut Fields, more: Fields) {
    for (name, value) in more {
        match (fields.get_mut(&name), value) {
            (Some(Value::Object(there)), Value::Object(value)) => add(there, value),
            (Some(Value::Array(there)), Value::Array(items)) => {
                for item in items {
                    if !there.contains(&item) {
                        there.push(item);
                    }
                }
            }
            (_, value) => {
                fields.insert(name, value);
            }
        }
    }
}

/// Values outside of the agents' entries, each at its path. Agents share them: what several of them need is there once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sections(BTreeMap<Path, Value>);

impl Sections {
    /// Adds a value, in place of one that has the path already.
    pub fn insert(&mut self, path: Path, value: Value) {
        self.0.insert(path, value);
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    #[must_use]
    pub fn contains(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    pub(super) fn write(&self, document: &mut Value) {
        for (path, value) in &self.0 {
            put(document, path, value.clone());
        }
    }
}

fn put(place: &mut Value, path: &[String], value: Value) {
    let Some((key, below)) = path.split_first() else {
        *place = value;
        return;
    };
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    if let Value::Object(fields) = place {
        put(fields.entry(key.clone()).or_insert(Value::Null), below, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Fields {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn features_add_to_one_object_and_to_one_list_and_take_nothing_away() {
        let mut fields =
            object(&json!({"tools": {"deny": ["browser", "exec"], "fs": {"workspaceOnly": true}}, "name": "a"}));
        add(&mut fields, object(&json!({"tools": {"deny": ["exec", "web_fetch"], "profile": "coding"}, "name": "b"})));
        let wanted = json!({
            "tools": {"deny": ["browser", "exec", "web_fetch"], "fs": {"workspaceOnly": true}, "profile": "coding"},
            "name": "b",
        });
        assert_eq!(fields, object(&wanted));
    }

    #[test]
    fn a_value_is_written_at_its_path_and_leaves_its_neighbours_alone() {
        let mut document = json!({"models": {"mode": "merge", "providers": {}}});
        let mut sections = Sections::default();
        sections.insert(vec!["models".into(), "providers".into(), "p-openai".into()], json!({"api": "ollama"}));
        sections.insert(vec!["channels".into(), "telegram".into()], json!(true));
        sections.write(&mut document);
        let wanted = json!({
            "models": {"mode": "merge", "providers": {"p-openai": {"api": "ollama"}}},
            "channels": {"telegram": true},
        });
        assert_eq!(document, wanted);
    }
}
