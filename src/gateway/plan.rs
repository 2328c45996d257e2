//! The plan of a gateway: what its Pod consists of and what its configuration says. Pure values and their hash.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::EnvVar;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::build::skills::Document as Skills;
use super::files::document::Document;
use super::rejections::Rejections;
use crate::api::agent::{Gateway, ImagePullPolicy};
use crate::api::references::SecretKeySelector;
use crate::kubernetes::printable::excerpt;
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::layout::Layout;
use crate::openclaw::names::EnvName;
use crate::openclaw::paths;
use crate::pods::fingerprint;
pub use crate::pods::fingerprint::{changed as changed_parts, hash};
use crate::references::digests::{Digests, Fault};
use crate::references::reserved;
pub use crate::world::gateway_state::AgentFault;

/// The part of a plan that a new value of the annotation `creel.dev/restart` changes.
pub const RESTART_PART: &str = "the annotation creel.dev/restart";

/// How the parts begin whose keys a running gateway does not take up.
pub const COLD_PART: &str = "spec.gateway.config.";

/// The part of a plan that files bring about where the Pod is of a version of Creel that keeps none.
pub const FILES_PART: &str = "spec.workspace of an Agent";

/// The part of a plan that brings the volume for skills to a Pod without.
pub const SKILLS_PART: &str = "the volume for spec.skills";

/// Everything that a gateway consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the Pod consists of; `Err`: why it cannot be created now. What runs stays as it is.
    pub pod: Result<PodPlan, Fault>,
    /// openclaw.json; `None`: no Agent of the gateway can be rendered, so nothing is written.
    pub config: Option<Arc<ConfigDocument>>,
    /// Who may use which Agents with a token of its own; `None`: the gateway has no relay.
    pub clients: Option<Vec<RelayClient>>,
    /// The files of the Agents' workspaces; `None`: there are none to look after.
    pub files: Option<Document>,
    /// The skills of all workspaces; `None`: no Agent of the gateway ever had any.
    pub skills: Option<Skills>,
    /// What stands in each Agent's way, by Agent; the owner included. No entry: nothing.
    pub faults: BTreeMap<String, AgentFault>,
    /// The keys that the configuration does without, because the gateway rejected them.
    pub rejections: Rejections,
    /// Of the values behind the variables of the configuration, with which it counts as rejected or not.
    pub digests: Digests,
    /// What keeps channels off the gateway, by Agent and channel.
    pub channel_faults: BTreeMap<String, BTreeMap<String, Fault>>,
    /// What is wrong with the gateway's own environment and yet blocks nothing.
    pub warnings: Vec<Fault>,
    /// The same of what each Agent's Providers need, by Agent.
    pub agent_warnings: BTreeMap<String, Vec<Fault>>,
}

/// What decides a gateway's Pod, all of it the user's.
#[derive(Clone, Debug, PartialEq)]
pub struct PodPlan {
    pub image: String,
    /// The spec of the gateway, all defaults where the user left it out.
    pub gateway: Gateway,
    /// Where the token lies that callers send.
    pub token: SecretKeySelector,
    /// Where the key lies with which the gateway enters its sandboxes.
    pub ssh_key: SecretKeySelector,
    /// Variables that hold the secrets of Providers, sorted by name.
    pub provider_env: Vec<SecretVariable>,
    /// Variables that hold the Secrets of users' keys of openclaw.json, sorted by name.
    pub config_env: Vec<SecretVariable>,
    /// Variables that hold the tokens of channels, sorted by name.
    pub channel_env: Vec<SecretVariable>,
    /// What a running gateway does not take up of these keys, by the first key.
    pub cold: BTreeMap<String, Value>,
    /// The name of the claim.
    pub claim: String,
    /// Where the data are on it.
    pub layout: Layout,
    /// The value of the annotation `creel.dev/restart`.
    pub restart: Option<String>,
    pub digests: Digests,
    /// One short hash per part, so that a rollout can name what changed.
    pub parts: BTreeMap<String, String>,
}

/// A client, as the relay reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayClient {
    pub name: String,
    /// The ids of its agents.
    pub agents: Vec<String>,
    /// The digest of its token, in hexadecimal digits.
    pub digest: String,
}

/// A variable whose value is a key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SecretVariable {
    pub variable: String,
    pub secret: String,
    pub key: String,
}

impl SecretVariable {
    #[must_use]
    pub fn new(variable: &EnvName, secret: &str, key: &str) -> Self {
        Self { variable: variable.to_string(), secret: secret.to_owned(), key: key.to_owned() }
    }

    /// The name of its value among [`Digests`].
    #[must_use]
    pub fn id(&self) -> String {
        format!("Secret/{}/{}", self.secret, self.key)
    }

    /// A variable of a live container, if it reads a Secret.
    #[must_use]
    pub fn read_back(variable: &EnvVar) -> Option<Self> {
        let selector = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
        Some(Self { variable: variable.name.clone(), secret: selector.name.clone(), key: selector.key.clone() })
    }
}

impl PodPlan {
    /// The parts that the user set, hashed. The image counts only where the user named it: a new default rolls nothing.
    #[must_use]
    pub fn with_parts(mut self) -> Self {
        let gateway = &self.gateway;
        let policy = gateway.image_pull_policy.map(ImagePullPolicy::as_str);
        self.parts = fingerprint::hashed([
            ("spec.gateway.image", json!(gateway.image)),
            ("spec.gateway.imagePullPolicy", json!(policy)),
            ("spec.gateway.imagePullSecrets", json!(gateway.image_pull_secrets)),
            ("spec.gateway.resources", json!(gateway.resources)),
            ("spec.gateway.auth", gateway.token().map_or(Value::Null, |token| json!({"token": token}))),
            ("the relay for spec.gateway.auth.clients", json!((!gateway.clients().is_empty()).then_some(true))),
            ("spec.gateway.env", json!(gateway.env)),
            ("spec.gateway.envFrom", json!(gateway.env_from)),
            ("spec.gateway.podTemplate", json!(gateway.pod_template)),
            ("spec.gateway.storage.existingClaim", json!(gateway.storage.existing_claim)),
            ("spec.gateway.storage.adopt", json!(gateway.storage.adopt)),
            ("the set of Provider credentials", json!(self.provider_env)),
            ("the reserved variables of spec.gateway.envFrom", json!(self.overridden())),
            ("the set of Secrets in spec.gateway.config and spec.config", json!(self.config_env)),
            ("the set of Secrets in spec.channels", json!(self.channel_env)),
            (RESTART_PART, json!(self.restart)),
        ]);
        let cold = self.cold.iter().map(|(key, value)| (format!("{COLD_PART}{}", excerpt(key)), hash(value)));
        self.parts.extend(cold);
        self
    }

    /// The variables that Agents and their Providers need.
    pub fn of_agents(&self) -> impl Iterator<Item = &SecretVariable> {
        self.provider_env.iter().chain(&self.config_env).chain(&self.channel_env)
    }

    /// Reserved variables that `envFrom` would set, and that Creel sets only because of that.
    #[must_use]
    pub fn overridden(&self) -> Vec<String> {
        let of_agents = |name: &String| self.of_agents().any(|variable| variable.variable == *name);
        let loaded = reserved::loaded(&self.gateway.env_from, &self.digests).into_keys();
        loaded.filter(|name| !paths::is_set(name) && !of_agents(name)).collect()
    }

    /// The hash of everything that decides the Pod: 16 hex digits. It holds nothing of the operator's version, its shell image
    /// or its default image, so that an upgrade of Creel rolls nothing.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(&(&self.parts, &self.digests))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pod() -> PodPlan {
        PodPlan {
            image: "ghcr.io/openclaw/openclaw:2026.9.6-slim".into(),
            gateway: Gateway::default(),
            token: SecretKeySelector { name: "concierge-secret".into(), key: "token".into() },
            ssh_key: SecretKeySelector { name: "concierge-secret".into(), key: "ssh-key".into() },
            provider_env: vec![SecretVariable::new(&EnvName::provider_key("openai"), "openai", "api-key")],
            config_env: Vec::new(),
            channel_env: Vec::new(),
            cold: BTreeMap::new(),
            claim: "concierge-claim".into(),
            layout: Layout::default(),
            restart: None,
            digests: Digests::default(),
            parts: BTreeMap::new(),
        }
        .with_parts()
    }

    /// A changed hash recreates every gateway in the world at the next upgrade of Creel: change it only on purpose.
    #[test]
    fn the_hash_of_a_plan_stays_the_same_from_version_to_version() {
        assert_eq!(pod().hash(), "556766026392403d");
    }

    #[test]
    fn a_new_default_image_does_not_change_the_plan() {
        let other = PodPlan { image: "ghcr.io/openclaw/openclaw:2027.1.1-slim".into(), ..pod() }.with_parts();
        assert_eq!(other.hash(), pod().hash());
    }

    #[test]
    fn a_changed_part_is_named() {
        let restarted = PodPlan { restart: Some("1".into()), ..pod() }.with_parts();
        assert_eq!(changed_parts(&pod().parts, &restarted.parts), ["the annotation creel.dev/restart changed"]);
    }

    /// Every part of the plan, from a spec with every field set: a field that is renamed or written otherwise changes its part.
    fn full() -> PodPlan {
        let gateway = serde_yaml::from_str(include_str!("plan/full_spec.yaml")).unwrap();
        let digests = Digests([("Secret/openai/api-key".to_owned(), "0123456789abcdef".to_owned())].into());
        PodPlan { gateway, restart: Some("2026-11-27".into()), digests, ..pod() }.with_parts()
    }

    /// A changed part recreates gateways at the next upgrade of Creel: change it only on purpose.
    #[test]
    fn no_part_of_a_full_plan_changes_from_version_to_version() {
        let parts = full().parts;
        let parts: Vec<(&str, &str)> = parts.iter().map(|(part, hash)| (part.as_str(), hash.as_str())).collect();
        assert_eq!(
            parts,
            [
                ("spec.gateway.auth", "3d9b11b77c6fc7c2"),
                ("spec.gateway.env", "c147ef23cffed6b3"),
                ("spec.gateway.envFrom", "310cdbb5e10a215c"),
                ("spec.gateway.image", "598962a76e7faa2d"),
                ("spec.gateway.imagePullPolicy", "35543ac7f01172ad"),
                ("spec.gateway.imagePullSecrets", "3ee5905cbe2b6f22"),
                ("spec.gateway.podTemplate", "9e31abbe9df2a354"),
                ("spec.gateway.resources", "db3db42b9542cdef"),
                ("spec.gateway.storage.adopt", "f4168855b02a6711"),
                ("spec.gateway.storage.existingClaim", "8a3f24772e7131c7"),
                ("the annotation creel.dev/restart", "da3bbc3fc2e390fa"),
                ("the set of Provider credentials", "0df91ed3257188cb"),
            ]
        );
        assert_eq!(full().hash(), "7ff54f36f3cd5dde");
    }
}
