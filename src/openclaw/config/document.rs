//! An openclaw.json as it lies in a ConfigMap: rendered once, or parsed once where it is read back. Pure.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::OfUsers;

/// One openclaw.json. Two are equal if their text is.
#[derive(Clone, Debug)]
pub struct ConfigDocument {
    value: Value,
    text: String,
    hash: String,
    of_users: Option<OfUsers>,
}

impl PartialEq for ConfigDocument {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ConfigDocument {}

impl ConfigDocument {
    /// The document that Creel rendered.
    #[must_use]
    pub fn new(value: Value) -> Self {
        let text = format!("{value:#}\n");
        Self { hash: hash(&text), value, text, of_users: None }
    }

    /// The document, of which users wrote this.
    #[must_use]
    pub fn written_by(self, of_users: OfUsers) -> Self {
        Self { of_users: Some(of_users), ..self }
    }

    /// The document in a live ConfigMap. Text that is not JSON has the value null: no entry can be read back from it, and the next
    /// apply replaces it.
    #[must_use]
    pub fn read_back(text: &str) -> Self {
        let value = serde_json::from_str(text).unwrap_or_default();
        Self { value, hash: hash(text), text: text.to_owned(), of_users: None }
    }

    /// What users wrote of it; `None`: it was read back, and that is not known for certain.
    #[must_use]
    pub fn of_users(&self) -> Option<&OfUsers> {
        self.of_users.as_ref()
    }

    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What the file holds, to the last byte.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names this text, 16 hex digits.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The ids of the agents in it.
    #[must_use]
    pub fn agents(&self) -> BTreeSet<String> {
        let entries = self.value.pointer("/agents/entries").and_then(Value::as_object);
        entries.map(|entries| entries.keys().cloned().collect()).unwrap_or_default()
    }
}

fn hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_read_back_is_the_one_that_was_rendered() {
        let rendered = ConfigDocument::new(json!({"agents": {"entries": {"concierge": {}, "writer": {}}}}));
        let read = ConfigDocument::read_back(rendered.text());
        assert_eq!((&read, read.value(), read.hash()), (&rendered, rendered.value(), rendered.hash()));
        assert_eq!(read.agents(), BTreeSet::from(["concierge".to_owned(), "writer".to_owned()]));
    }

    #[test]
    fn the_file_ends_with_a_line_break_and_has_a_line_for_each_value() {
        assert_eq!(ConfigDocument::new(json!({"a": {"b": 1}})).text(), "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n");
    }

    #[test]
    fn text_that_is_not_json_holds_no_agents() {
        let document = ConfigDocument::read_back("{\"agents\": ");
        assert_eq!((document.text(), document.agents()), ("{\"agents\": ", BTreeSet::new()));
    }
}
