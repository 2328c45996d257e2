//! Keys of openclaw.json that users write themselves. Pure.
//!
//! | file | does |
//! |---|---|
//! | `owned` | knows the paths that only Creel writes, and what to use instead |
//! | `read` | what a user wrote → what is rendered, or what is wrong with it |
//! | `secret_inputs` | knows the places of secrets |
//! | `reload` | knows which keys a running gateway takes up |

pub mod owned;
mod read;
pub mod reload;
mod secret_inputs;

use serde_json::Value;
use serde_json::map::Entry;

pub use self::owned::{Place, remainder};
pub use self::read::{Passed, Refusal, Why, read};
use super::sections::Fields;
use crate::api::passthrough::{below, item};

/// Adds what users wrote to what Creel renders. Where both say something, Creel counts.
pub(super) fn add_under(rendered: &mut Value, of_user: Value) {
    let (Value::Object(rendered), Value::Object(of_user)) = (rendered, of_user) else { return };
    for (key, value) in of_user {
        match rendered.entry(key) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(place) => add_under(place.into_mut(), value),
        }
    }
}

/// The paths in a rendered document that users wrote, sorted.
#[must_use]
pub fn paths(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let empty = Fields::new();
    leaves("", &remainder(Place::Gateway, document.as_object().unwrap_or(&empty)), &mut found);
    let entries = document.pointer("/agents/entries").and_then(Value::as_object);
    for (id, entry) in entries.into_iter().flatten() {
        let fields = remainder(Place::Agent, entry.as_object().unwrap_or(&empty));
        leaves(&format!("agents.entries.{id}"), &fields, &mut found);
    }
    found.sort();
    found
}

fn leaves(path: &str, fields: &Fields, found: &mut Vec<String>) {
    for (key, value) in fields {
        let path = below(path, key);
        match value {
            // A SecretRef is a value.
            Value::Object(fields) if !fields.is_empty() && !read::is_secret_ref(fields) => leaves(&path, fields, found),
            _ => found.push(path),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
