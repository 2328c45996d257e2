//! Keys of openclaw.json that users write themselves. Pure.
//!
//! | file | does |
//! |---|---|
//! | `author` | knows who wrote what OpenClaw rejects |
//! | `owned` | knows the paths that only Creel writes, and what to use instead |
//! | `read` | what a user wrote → what is rendered, or what is wrong with it |
//! | `secret_inputs` | knows the places of secrets |
//! | `reload` | knows which keys a running gateway takes up |

pub mod author;
pub mod owned;
mod read;
pub mod reload;
mod secret_inputs;

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::map::Entry;

pub use self::owned::{Place, remainder};
pub use self::read::{Passed, Refusal, Why, read};
use super::OfUsers;
use super::channels;
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

/// What users wrote of a rendered document.
#[must_use]
pub fn read_back(document: &Value) -> OfUsers {
    let of_users = |place, rendered: &Value| rendered.as_object().map(|fields| remainder(place, fields));
    let entries = document.pointer("/agents/entries").and_then(Value::as_object);
    let agents = entries.into_iter().flatten();
    let mut channels: BTreeMap<String, Fields> = BTreeMap::new();
    for (id, account) in channels::read_back(document) {
        let keys = remainder(Place::Channels, &Fields::from_iter([(id.clone(), Value::Object(account.clone()))]));
        channels.entry(channels::agent_of(id).unwrap_or_default().to_owned()).or_default().extend(keys);
    }
    OfUsers {
        channels,
        gateway: of_users(Place::Gateway, document).unwrap_or_default(),
        agents: agents.filter_map(|(id, entry)| Some((id.clone(), of_users(Place::Agent, entry)?))).collect(),
    }
}

/// The paths in a rendered document that users wrote, sorted.
#[must_use]
pub fn paths(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let OfUsers { gateway, agents, channels } = read_back(document);
    leaves("", &gateway, &mut found);
    for keys in channels.values() {
        leaves("channels.telegram.accounts", keys, &mut found);
    }
    for (id, fields) in agents {
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
