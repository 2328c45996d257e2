//! The places of secrets in openclaw.json. Pure.
//!
//! As OpenClaw documents them. A test compares both lists.

use super::owned::Place;

/// Places that take a SecretRef, one on a line. Those below `channels.<channel>` are also below its `accounts.*`.
const REFERENCES: &str = include_str!("secret_inputs.txt");

/// Where the entries of agents are among them.
const ENTRIES: &str = "agents.entries.*.";

/// Places of secrets that take text alone.
const TEXT: &[&str] = &[
    "channels.discord.threadBindings.webhookToken",
    "hooks.gmail.pushToken",
    "hooks.token",
    "mcp.servers.*.headers.Authorization",
];

/// Whether OpenClaw takes a SecretRef at this path.
#[must_use]
pub fn takes_reference(place: Place, path: &str) -> bool {
    let path = of_channel(path);
    REFERENCES.lines().any(|line| match (place, line.strip_prefix(ENTRIES)) {
        (Place::Gateway, None) => fits(&path, line),
        (Place::Agent, Some(below)) => fits(&path, below),
        _ => false,
    })
}

/// Whether OpenClaw takes what is at this path for a secret.
#[must_use]
pub fn is_secret(place: Place, path: &str) -> bool {
    let keys = of_channel(path);
    takes_reference(place, path) || (place == Place::Gateway && TEXT.iter().any(|text| fits(&keys, text)))
}

/// The path with the account of a channel left out.
fn of_channel(path: &str) -> Vec<&str> {
    let mut keys: Vec<&str> = path.split('.').collect();
    if let ["channels", _, "accounts", _, _, ..] = keys.as_slice() {
        keys.drain(2..4);
    }
    keys
}

fn fits(path: &[&str], place: &str) -> bool {
    let place: Vec<&str> = place.split('.').collect();
    path.len() == place.len() && place.iter().zip(path).all(|(place, key)| *place == "*" || place == key)
}
