//! The marker: a visible leaf of openclaw.json with a digest of the whole document. Pure.
//!
//! `config.get` shows some leaves as `__OPENCLAW_REDACTED__`: the ids of SecretRefs, header values, and every string
//! below a key whose name looks secret (an agent called `secretary` is enough). An edit of only such a leaf would be
//! invisible there; with the marker it is not. OpenClaw reads the leaf nowhere in a gateway and reloads nothing for it.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Where the marker stands: the history of OpenClaw's set-up wizard, which never runs here.
pub const SECTION: &str = "wizard";
const LEAF: &str = "lastRunCommand";

/// Hex digits of the digest that are kept.
const DIGITS: usize = 32;

/// The document with its marker. Must be the last step: whoever changes the document calls it again.
#[must_use]
pub fn with_marker(mut document: Value) -> Value {
    if let Some(sections) = document.as_object_mut() {
        sections.remove(SECTION);
    }
    let digest = hex::encode(Sha256::digest(document.to_string()));
    document[SECTION] = json!({ LEAF: format!("creel {}", digest.get(..DIGITS).unwrap_or(&digest)) });
    document
}

/// The marker of a document, if it has one.
#[must_use]
pub fn of(document: &Value) -> Option<&str> {
    document.get(SECTION)?.get(LEAF)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_follows_every_leaf() {
        let one = with_marker(json!({"a": {"id": "X"}}));
        let other = with_marker(json!({"a": {"id": "Y"}}));
        assert_ne!(of(&one), of(&other));
    }

    #[test]
    fn marking_twice_changes_nothing() {
        let once = with_marker(json!({"a": 1}));
        assert_eq!(with_marker(once.clone()), once);
    }

    #[test]
    fn a_document_without_marker_has_none() {
        assert_eq!(of(&json!({"a": 1})), None);
    }
}
