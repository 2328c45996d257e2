//! Who reads which Secret and ConfigMap: the reverse of what specs name. Memory only.
//!
//! After a lost watch every Secret of the cluster is listed anew: so this is looked up, and not searched for each of them in all specs.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::EnvVar;
use kube::ResourceExt;

use super::queues::{Controller, Trigger};
use super::relations::{gateway_owner, sandbox_name};
use super::stores::{Index, Stores, named, within};
use crate::naming::{GatewayNames, LABEL_GATEWAY, SandboxNames};
use crate::references::digests::{SourceKind, SourceName};
use crate::references::sources;

/// Whom a change of this Secret or ConfigMap concerns.
#[must_use]
pub fn readers_of(stores: &Stores, namespace: &str, source: &SourceName) -> BTreeSet<Trigger> {
    let index = stores.readers.of(namespace, || index(stores, namespace));
    index.get(source).cloned().unwrap_or_default()
}

fn index(stores: &Stores, namespace: &str) -> Index {
    let mut index = Index::new();
    let mut add = |source: SourceName, controller, name: String| {
        index.entry(source).or_default().insert(Trigger::new(controller, namespace, name));
    };
    for provider in within(&stores.providers, namespace, |_| true) {
        for source in sources::of_provider(&provider) {
            add((source.kind, source.name), Controller::Provider, provider.name_any());
        }
    }
    for agent in within(&stores.agents, namespace, |_| true) {
        let providers = agent.spec.model.providers();
        let providers = providers.iter().filter_map(|name| named(&stores.providers, namespace, name));
        let owns = agent.spec.gateway_ref.is_none();
        let of_gateway = owns.then(|| sources::of_gateway(&agent)).unwrap_or_default();
        for source in providers.flat_map(|provider| sources::of_provider(&provider)).chain(of_gateway) {
            add((source.kind, source.name), Controller::Gateway, gateway_owner(&agent));
        }
        let Some(used) = sandbox_name(&agent) else { continue };
        let secret = |name| (SourceKind::Secret, name);
        let keys = [SandboxNames::of(&agent.name_any()).sandbox, GatewayNames::of(&gateway_owner(&agent)).secret];
        let sandbox = named(&stores.sandboxes, namespace, &used);
        let environment = sandbox.iter().flat_map(|sandbox| sources::of_sandbox(sandbox));
        for source in environment.map(|source| (source.kind, source.name)).chain(keys.map(secret)) {
            add(source, Controller::Sandbox, agent.name_any());
        }
    }
    for sandbox in within(&stores.sandboxes, namespace, |_| true) {
        for source in sources::of_sandbox(&sandbox) {
            add((source.kind, source.name), Controller::SandboxTemplate, sandbox.name_any());
        }
    }
    // What runs may go on with the last good state of an Agent, which no spec names any more.
    for deployment in within(&stores.deployments, namespace, |_| true) {
        let Some(owner) = deployment.labels().get(LABEL_GATEWAY) else { continue };
        for source in environment(&deployment.object).filter_map(source_of) {
            add(source, Controller::Gateway, owner.clone());
        }
    }
    index
}

fn environment(deployment: &Deployment) -> impl Iterator<Item = &EnvVar> {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    pod.into_iter().flat_map(|pod| &pod.containers).filter_map(|container| container.env.as_ref()).flatten()
}

fn source_of(variable: &EnvVar) -> Option<SourceName> {
    let from = variable.value_from.as_ref()?;
    let secret = from.secret_key_ref.as_ref().map(|selector| (SourceKind::Secret, selector.name.clone()));
    secret.or_else(|| Some((SourceKind::ConfigMap, from.config_map_key_ref.as_ref()?.name.clone())))
}
