//! Values and where in openclaw.json they belong: in an agent's entry, or at a path. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Fields of an agent's entry by name.
pub type Fields = Map<String, Value>;

/// The keys from the top of the document down to a value.
pub type Path = Vec<String>;

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
