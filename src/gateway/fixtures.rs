//! Gateways for tests, from the YAML that a user would write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::ResourceExt;
use serde::Deserialize;

use super::apply::Applied;
use super::build::{self, deployment, skills};
use super::config_sync::Synced;
use super::config_sync::state::ConfigState;
use super::files::Found;
use super::gather::{Gathered, Live, OwnSandbox};
use super::plan::Plan;
use super::pod::PodState;
use super::revision::ConfigRevision;
use super::rollout::Decision;
use super::rollout::trial::rejected;
use super::state::{Reconciled, observe};
use super::validate::validate;
use crate::api::sandbox::WorkspaceAccess;
use crate::api::{Agent, Provider, Sandbox};
use crate::kubernetes::observed::Observed;
use crate::naming::{AGENT_MANAGER, GatewayNames, SANDBOX_MANAGER};
use crate::references::digests::{KeyDigest, Read, SourceKind, Text};
use crate::settings::Settings;
use crate::world::gateway_state::GatewayState;

/// Two Providers, and an owner that uses both; the Secret `keys` holds both keys.
pub const COMPANY: &str = r#"
apiVersion: creel.dev/v1alpha1
kind: Provider
metadata: {name: openai, namespace: assistants}
spec:
  api: openai-completions
  baseURL: https://api.openai.com/v1
  credentials: {secretKeyRef: {name: keys, key: openai}}
  models: [{id: gpt-4o-mini, contextWindow: 128000, cost: {input: "0.15", output: "0.60"}}, {id: gpt-4o}]
---
apiVersion: creel.dev/v1alpha1
kind: Provider
metadata: {name: litellm, namespace: assistants}
spec:
  api: openai-completions
  baseURL: http://litellm.models.svc:4000/v1
  credentials: {secretKeyRef: {name: keys, key: litellm}}
  headers: [{name: X-Team, value: assistants}]
  models: [{id: deepseek-v3}]
---
apiVersion: creel.dev/v1alpha1
kind: Agent
metadata: {name: concierge, namespace: assistants, uid: concierge-uid, generation: 1}
spec:
  model: {primary: {provider: openai, model: gpt-4o-mini}, fallbacks: [{provider: litellm, model: deepseek-v3}]}
  gateway:
    env: [{name: HTTPS_PROXY, value: "http://proxy:3128"}]
---
apiVersion: creel.dev/v1alpha1
kind: Agent
metadata: {name: writer, namespace: assistants, uid: writer-uid, generation: 1}
spec:
  gatewayRef: {name: concierge}
  model: {primary: {provider: litellm, model: deepseek-v3}}
"#;

/// The settings of a fresh installation.
pub fn settings() -> Settings {
    #[derive(clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        settings: Settings,
    }
    <Arguments as clap::Parser>::parse_from(["creel", "--shell-image", "creel:test"]).settings
}

/// The gateway of `concierge` in [`COMPANY`], nothing of it made yet, and its Secrets with their data.
pub fn company() -> Gathered {
    let mut gathered = gathered(COMPANY);
    secret(&mut gathered, "keys", &[("openai", "one"), ("litellm", "two")]);
    secret(&mut gathered, "concierge-secret", &[("token", "t"), ("ssh-key", "k")]);
    gathered
}

/// The gateway of these resources, nothing of it made yet, without any Secret.
pub fn gathered(yaml: &str) -> Gathered {
    let mut gathered = Gathered {
        owner: Arc::new(Agent::new("none", serde_yaml::from_str("model: {primary: {provider: a, model: b}}").unwrap())),
        joined: Vec::new(),
        unparsable: BTreeSet::new(),
        providers: BTreeMap::new(),
        sandboxes: BTreeMap::new(),
        own_sandboxes: BTreeMap::new(),
        reads: BTreeMap::new(),
        proxies: BTreeSet::new(),
        existing_claim: None,
        live: Live::default(),
    };
    for document in serde_yaml::Deserializer::from_str(yaml) {
        let value = serde_json::Value::deserialize(document).unwrap();
        match value["kind"].as_str() {
            Some("Provider") => {
                let provider: Provider = serde_json::from_value(value).unwrap();
                gathered.providers.insert(provider.name_any(), Arc::new(provider));
            }
            Some("ConfigMap") => {
                let map: ConfigMap = serde_json::from_value(value).unwrap();
                let data = map.data.clone().unwrap_or_default();
                let data: Vec<_> = data.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                config_map(&mut gathered, &map.name_any(), &data);
            }
            Some("Sandbox") => {
                let sandbox: Sandbox = serde_json::from_value(value).unwrap();
                gathered.sandboxes.insert(sandbox.name_any(), Arc::new(sandbox));
            }
            Some("Agent") => {
                let agent: Arc<Agent> = Arc::new(serde_json::from_value(value).unwrap());
                if agent.spec.gateway_ref.is_some() { gathered.joined.push(agent) } else { gathered.owner = agent }
            }
            _ => {}
        }
    }
    gathered
}

/// Puts a Secret with this data into what was read.
pub fn secret(gathered: &mut Gathered, name: &str, data: &[(&str, &str)]) {
    let source = (SourceKind::Secret, name.to_owned());
    let keys =
        data.iter().map(|(key, value)| ((*key).to_owned(), KeyDigest::of(b"key", &source, key, value.as_bytes())));
    gathered.reads.insert(source.clone(), Read::Keys(keys.collect()));
}

/// Puts a ConfigMap with these texts into what was read.
pub fn config_map(gathered: &mut Gathered, name: &str, data: &[(&str, &str)]) {
    let source = (SourceKind::ConfigMap, name.to_owned());
    let keys = data.iter().map(|(key, value)| {
        let digest = KeyDigest::of(b"key", &source, key, value.as_bytes());
        ((*key).to_owned(), KeyDigest { text: Some(Text::of(value.as_bytes())), ..digest })
    });
    gathered.reads.insert(source.clone(), Read::Keys(keys.collect()));
}

/// A Sandbox of this name.
pub fn sandbox(name: &str, access: WorkspaceAccess) -> Arc<Sandbox> {
    let spec = serde_json::json!({"image": "docker.io/library/debian:bookworm-slim", "workspaceAccess": access});
    Arc::new(Sandbox::new(name, serde_json::from_value(spec).unwrap()))
}

/// Puts an Agent's own sandbox with a Service at this address into what was read.
pub fn own_sandbox(
    gathered: &mut Gathered,
    agent: &str,
    address: &str,
    host_key: Option<&str>,
    access: Option<WorkspaceAccess>,
) {
    let service = serde_json::json!({
        "metadata": {"name": format!("{agent}-sandbox")},
        "spec": {"clusterIP": address},
    });
    let service = Observed::new(serde_json::from_value::<Service>(service).unwrap(), SANDBOX_MANAGER);
    let own = OwnSandbox { service: Some(Arc::new(service)), access, host_key: host_key.map(str::to_owned) };
    gathered.own_sandboxes.insert(agent.to_owned(), own);
}

/// The plan of the gateway.
pub fn plan(gathered: &Gathered) -> Plan {
    validate(gathered, &settings())
}

/// What a reconcile that found everything in order leaves behind: the Deployment and the ConfigMap of its present plan.
pub fn settle(gathered: &mut Gathered) {
    let plan = plan(gathered);
    let names = GatewayNames::of(&gathered.owner.name_any());
    let pod = plan.pod.unwrap();
    let deployment = deployment::build(&gathered.owner, &names, &pod, &settings().shell_image, None);
    let config = plan.config.unwrap();
    let revision = ConfigRevision {
        name: names.config(&pod.hash()),
        current: Arc::clone(&config),
        desired: Some(Arc::clone(&config)),
        image: pod.image.clone(),
        ruling: None,
        rejections: gathered.live.rejections.clone(),
        digests: plan.digests,
    };
    let map = build::config_map::mounted(&gathered.owner, &names, &revision);
    let skills = plan.skills.map(|skills| skills::config_map(&gathered.owner, &names, &skills));
    let live = &mut gathered.live;
    live.environment = deployment.spec.clone().unwrap().template.spec.unwrap().containers[0].env.clone().unwrap();
    live.deployment = Some(Arc::new(Observed::new(deployment, AGENT_MANAGER)));
    live.image = Some(pod.image);
    live.digests = pod.digests;
    live.parts = pod.parts;
    live.config = Some(config);
    keep(live, map);
    if let Some(skills) = skills {
        keep(live, skills);
    }
}

/// Puts a ConfigMap among the live ones.
pub fn keep(live: &mut Live, map: ConfigMap) {
    live.config_maps.insert(map.name_any(), Arc::new(Observed::new(map, AGENT_MANAGER)));
}

/// Edits one Agent of the gateway.
pub fn edit(gathered: &mut Gathered, name: &str, change: impl FnOnce(&mut Agent)) {
    let slot = std::iter::once(&mut gathered.owner)
        .chain(&mut gathered.joined)
        .find(|agent| agent.name_any() == name)
        .unwrap();
    let mut agent = Agent::clone(slot);
    agent.metadata.generation = agent.metadata.generation.map(|generation| generation + 1);
    change(&mut agent);
    *slot = Arc::new(agent);
}

/// Edits one Provider of the namespace.
pub fn edit_provider(gathered: &mut Gathered, name: &str, change: impl FnOnce(&mut Provider)) {
    let slot = gathered.providers.get_mut(name).unwrap();
    let mut provider = Provider::clone(slot);
    change(&mut provider);
    *slot = Arc::new(provider);
}

/// The state of the gateway after a reconcile that applied everything and found this Pod and this answer.
pub fn observed(gathered: &Gathered, pod: Option<&PodState>, state: Option<&ConfigState>) -> GatewayState {
    observed_with(gathered, Synced { pod: pod.cloned(), state: state.cloned(), ..Synced::default() })
}

/// The same of a gateway that is well but for the credentials of this Provider.
pub fn observed_without(gathered: &Gathered, provider: &str) -> GatewayState {
    let (pod, state) = (Some(PodState::Ready), Some(ConfigState::Applied));
    observed_with(gathered, Synced { pod, state, unavailable: [provider.to_owned()].into(), ..Synced::default() })
}

fn observed_with(gathered: &Gathered, synced: Synced) -> GatewayState {
    let decision = Some(Decision::Apply { replaces_pod: false, rollout: None });
    let applied = Applied::unchanged(gathered);
    observe(&Reconciled { gathered, plan: &plan(gathered), decision, applied, synced, files: Found::default() })
}

/// The state of a gateway that is well, and whose next Pod the API server rejects. `held_back`: the configuration needs that Pod.
pub fn observed_rejected(gathered: &Gathered, held_back: bool) -> GatewayState {
    let mut plan = plan(gathered);
    plan.config = plan.config.filter(|_| !held_back);
    let fault = rejected(&gathered.owner, None, "no such class");
    let decision = Some(Decision::Rejected { fault, again_in: Duration::from_secs(2) });
    let synced = Synced { pod: Some(PodState::Ready), state: Some(ConfigState::Applied), ..Synced::default() };
    let (applied, files) = (Applied::unchanged(gathered), Found::default());
    observe(&Reconciled { gathered, plan: &plan, decision, applied, synced, files })
}
