//! Which Secrets and ConfigMaps a gateway reads on behalf of an Agent. What is gathered for a gateway and what triggers it both come from
//! here, so that nothing is read whose changes go unnoticed. Pure.

use std::sync::Arc;

use k8s_openapi::api::core::v1::EnvVar;

use super::digests::{Source, SourceKind, SourceName};
use super::read::Texts;
use super::sources;
use crate::api::{Agent, Provider};

/// Everything that the present spec of the Agent names: for the owner of a gateway the gateway's own environment, and for every Agent what
/// its features need. `provider` looks up a Provider of the Agent's namespace.
pub fn of_agent(agent: &Agent, provider: impl Fn(&str) -> Option<Arc<Provider>>) -> Vec<Source> {
    let gateway = agent.spec.gateway_ref.is_none().then(|| sources::of_gateway(agent));
    let clients = sources::of_clients(agent).map(|(_, source)| source);
    let providers = agent.spec.providers().into_iter().filter_map(|name| provider(&name));
    let models = providers.flat_map(|provider| sources::of_provider(&provider));
    let config = sources::of_config(agent).into_iter().chain(sources::of_gateway_config(agent));
    let channels = agent.spec.channels.iter().flat_map(|channel| sources::of_channel(agent, channel));
    let config = config.chain(channels);
    let texts = sources::of_workspace(agent).chain(sources::of_skills(agent));
    gateway.into_iter().flatten().chain(clients).chain(models).chain(config).chain(texts).collect()
}

/// The keys of ConfigMaps whose texts are files of these Agents, and all keys of those that are their skills.
pub fn texts<'a>(agents: impl Iterator<Item = &'a Agent>) -> Texts {
    let mut texts = Texts::new();
    for agent in agents {
        for source in sources::of_workspace(agent) {
            texts.entry(source.name).or_default().keys.extend(source.key);
        }
        for name in agent.spec.skill_maps() {
            texts.entry(name.to_owned()).or_default().all = true;
        }
    }
    texts
}

/// What a live gateway reads, the last good state of its Agents included: the environment of its container in the live Deployment.
pub fn of_live_gateway(environment: &[EnvVar]) -> impl Iterator<Item = SourceName> {
    environment.iter().filter_map(|variable| {
        let selector = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
        Some((SourceKind::Secret, selector.name.clone()))
    })
}
