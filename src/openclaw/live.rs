//! Reads single entries back from an openclaw.json of ours, so that what is at fault keeps its last good state.
//! Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use super::config::sections::Fields;
use super::names::{EnvName, provider_id, substituted, unescape};

/// The entry of an agent.
#[must_use]
pub fn agent(document: &Value, id: &str) -> Option<Value> {
    document.get("agents")?.get("entries")?.get(id).cloned()
}

/// The entry of the Provider with this name.
#[must_use]
pub fn provider(document: &Value, name: &str) -> Option<Value> {
    document.get("models")?.get("providers")?.get(provider_id(name)).cloned()
}

/// The Providers of a document that have another endpoint in the one before: what is sent to them goes to somebody else.
#[must_use]
pub fn moved_providers<'a>(before: &Value, document: &'a Value) -> Vec<&'a Value> {
    let providers = document.pointer("/models/providers").and_then(Value::as_object);
    let origin_before = |id: &str| origin(before.get("models")?.get("providers")?.get(id)?);
    let moved = |(id, section): &(&String, &Value)| origin(section) != origin_before(id);
    providers.into_iter().flatten().filter(moved).map(|(_, section)| section).collect()
}

/// Scheme, host and port of a Provider's endpoint.
fn origin(provider: &Value) -> Option<String> {
    let (scheme, place) = provider.get("baseUrl")?.as_str()?.split_once("://")?;
    Some(format!("{scheme}://{}", place.split(['/', '?', '#']).next()?).to_lowercase())
}

/// These fields of an agent's entry, as far as it has them.
#[must_use]
pub fn fields(agent_entry: &Value, names: &[&str]) -> Fields {
    names.iter().filter_map(|name| Some(((*name).to_owned(), agent_entry.get(name)?.clone()))).collect()
}

/// These fields as those of the object `name` in an entry, which is not there without them.
#[must_use]
pub fn below(name: &str, fields: Fields) -> Fields {
    if fields.is_empty() { fields } else { Fields::from_iter([(name.to_owned(), Value::Object(fields))]) }
}

/// Where the sandbox of an agent's entry is.
#[must_use]
pub fn sandbox_address(agent_entry: &Value) -> Option<IpAddr> {
    let (_, place) = agent_entry.pointer("/sandbox/ssh/target")?.as_str()?.split_once('@')?;
    place.rsplit_once(':')?.0.parse().ok()
}

/// The models that an agent's entry names, its fallbacks' included, each as Provider name and model id.
#[must_use]
pub fn models_of(agent_entry: &Value) -> BTreeSet<(String, String)> {
    let model = agent_entry.get("model");
    let primary = model.and_then(|model| model.get("primary"));
    let fallbacks = model.and_then(|model| model.get("fallbacks")).and_then(Value::as_array);
    primary
        .into_iter()
        .chain(fallbacks.into_iter().flatten())
        .filter_map(Value::as_str)
        .filter_map(|reference| reference.strip_prefix("p-")?.split_once('/'))
        .map(|(provider, model)| (provider.to_owned(), unescape(model)))
        .collect()
}

/// The variables that the SecretRefs and texts anywhere in an entry or document read. A gateway whose environment lacks one of
/// them starts degraded and does not say so on its probes: render only what the running Pod has.
#[must_use]
pub fn variables(entry: &Value) -> BTreeSet<EnvName> {
    let mut found = BTreeSet::new();
    collect_variables(entry, &mut found);
    found
}

fn collect_variables(value: &Value, found: &mut BTreeSet<EnvName>) {
    match value {
        Value::Object(map) => {
            if map.get("source").and_then(Value::as_str) == Some("env")
                && let Some(id) = map.get("id").and_then(Value::as_str)
            {
                found.insert(EnvName::from(id));
            }
            map.values().for_each(|child| collect_variables(child, found));
        }
        Value::Array(list) => list.iter().for_each(|child| collect_variables(child, found)),
        Value::String(text) => found.extend(substituted(text).into_iter().map(EnvName::from)),
        _ => {}
    }
}
