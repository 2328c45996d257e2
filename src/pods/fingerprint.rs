//! A plan in parts, one short hash each, so that a replacement of a Pod can name what changed. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The parts that the user set, hashed. A part that is null or an empty list stands for its default and is left out, so that a part
/// which a later version adds changes no plan.
#[must_use]
pub fn hashed<const N: usize>(parts: [(&str, Value); N]) -> BTreeMap<String, String> {
    parts
        .into_iter()
        .filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()))
        .map(|(part, value)| (part.to_owned(), hash(&value)))
        .collect()
}

/// The SHA-256 of a value's JSON, 16 hex digits. Maps are sorted, so equal values give equal text.
pub fn hash<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(&Sha256::digest(json)[..8])
}

/// The parts whose hashes differ, in words.
#[must_use]
pub fn changed(previous: &BTreeMap<String, String>, next: &BTreeMap<String, String>) -> Vec<String> {
    let all: BTreeSet<_> = previous.keys().chain(next.keys()).collect();
    all.into_iter()
        .filter(|part| previous.get(*part) != next.get(*part))
        .map(|part| format!("{part} changed"))
        .collect()
}
