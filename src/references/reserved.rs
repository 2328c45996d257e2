//! Variables that Creel alone sets. `env` cannot name them, by its schema; what `envFrom` loads is not known before it is read, so its keys
//! of these names are overridden. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;

use super::digests::{Digests, Fault, SourceKind};
use crate::api::environment::EnvFromSource;
use crate::kubernetes::conditions::reason;

const PREFIXES: [&str; 3] = ["CREEL_", "LD_", "OPENCLAW_"];
const NAMES: [&str; 5] =
    ["CHOKIDAR_USEPOLLING", "HOME", "NODE_DISABLE_COMPILE_CACHE", "NODE_OPTIONS", "XDG_CACHE_HOME"];

/// Whether Creel alone sets the variable.
#[must_use]
pub fn is_reserved(variable: &str) -> bool {
    PREFIXES.iter().any(|prefix| variable.starts_with(prefix)) || NAMES.contains(&variable)
}

/// The reserved variables that `envFrom` would set, each with the object that holds it: `OPENCLAW_GATEWAY_PORT` → `Secret "team"`.
/// `digests`: of all keys of these objects.
#[must_use]
pub fn loaded(env_from: &[EnvFromSource], digests: &Digests) -> BTreeMap<String, String> {
    let mut loaded = BTreeMap::new();
    for source in env_from {
        let (kind, reference) = match (&source.secret_ref, &source.config_map_ref) {
            (Some(reference), _) => (SourceKind::Secret.as_str(), reference),
            (None, Some(reference)) => (SourceKind::ConfigMap.as_str(), reference),
            (None, None) => continue,
        };
        let object = format!("{kind}/{}/", reference.name);
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let variables = digests.0.keys().filter_map(|id| Some(format!("{prefix}{}", id.strip_prefix(&object)?)));
        let holder = format!("{kind} \"{}\"", reference.name);
        loaded.extend(variables.filter(|variable| is_reserved(variable)).map(|variable| (variable, holder.clone())));
    }
    loaded
}

/// Says which variables have no effect; `field`: where users wrote `envFrom`.
#[must_use]
pub fn ignored(loaded: &BTreeMap<String, String>, field: &str) -> Option<Fault> {
    let named: Vec<String> = loaded.iter().map(|(variable, holder)| format!("{variable} of {holder}")).collect();
    let message =
        format!("Reserved variables that {field} loads have no effect: {}. Remove them there", named.join(", "));
    (!named.is_empty()).then_some(Fault { reason: reason::VARIABLES_IGNORED, message, carried: true })
}

/// The variable as if it was not there: programs take an empty value for none.
#[must_use]
pub fn emptied(variable: &str) -> EnvVar {
    EnvVar { name: variable.to_owned(), value: Some(String::new()), value_from: None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_reserved_variables_are_overridden_under_the_name_that_their_prefix_gives_them() {
        let env_from = json!([
            {"secretRef": {"name": "team"}},
            {"prefix": "OPENCLAW_", "configMapRef": {"name": "settings"}},
            {"prefix": "MY_", "secretRef": {"name": "team"}},
        ]);
        let env_from: Vec<EnvFromSource> = serde_json::from_value(env_from).unwrap();
        let ids = [
            "Secret/team/OPENCLAW_GATEWAY_PORT",
            "Secret/team/LD_PRELOAD",
            "Secret/team/HOME",
            "Secret/team/API_KEY",
            "Secret/team-2/OPENCLAW_SKIP_CRON",
            "ConfigMap/settings/PROFILE",
            "ConfigMap/team/NODE_OPTIONS",
        ];
        let digests = Digests(ids.iter().map(|id| ((*id).to_owned(), String::new())).collect());
        let loaded = loaded(&env_from, &digests);
        let expected = [
            ("HOME", "Secret \"team\""),
            ("LD_PRELOAD", "Secret \"team\""),
            ("OPENCLAW_GATEWAY_PORT", "Secret \"team\""),
            ("OPENCLAW_PROFILE", "ConfigMap \"settings\""),
        ];
        assert!(
            loaded.iter().map(|(variable, holder)| (variable.as_str(), holder.as_str())).eq(expected),
            "{loaded:?}"
        );
    }

    #[test]
    fn what_has_no_effect_is_named_with_its_holder_and_its_field() {
        let loaded = [("OPENCLAW_GATEWAY_PORT".to_owned(), "Secret \"team\"".to_owned())].into();
        let fault = ignored(&loaded, "spec.gateway.envFrom of Agent \"a\"").unwrap();
        let expected = "Reserved variables that spec.gateway.envFrom of Agent \"a\" loads have no effect: OPENCLAW_GATEWAY_PORT of Secret \"team\". Remove them there";
        assert_eq!(fault.message, expected);
        assert_eq!(ignored(&BTreeMap::new(), "spec.envFrom"), None);
    }

    /// The schema lists the same names, in words of its own.
    #[test]
    fn the_schema_of_env_refuses_what_is_reserved_here() {
        let source = include_str!("../api/environment.rs");
        assert!(NAMES.iter().all(|name| source.contains(&format!("'{name}'"))));
        assert!(source.contains("'^(OPENCLAW_|CREEL_|LD_).*'"));
    }
}
