//! Who reads which Secret and ConfigMap: the reverse of what specs name. Memory only.
//!
//! After a lost watch every Secret of the cluster is listed anew: so this is looked up, and not searched for each of them in all specs.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt;

use super::queues::{Controller, Trigger};
use super::relations::{gateway_owner, sandbox_name};
use super::stores::{Index, Stores, named, within};
use crate::naming::{GatewayNames, LABEL_GATEWAY, SandboxNames};
use crate::references;
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
        let provider = |name: &str| named(&stores.providers, namespace, name);
        for source in references::agents::of_agent(&agent, provider) {
            add((source.kind, source.name), Controller::Gateway, gateway_owner(&agent));
        }
        let Some(used) = sandbox_name(&agent) else { continue };
        let secret = |name| (SourceKind::Secret, name);
        let keys = [SandboxNames::of(&agent.name_any()).sandbox, GatewayNames::of(&gateway_owner(&agent)).secret];
        let sandbox = named(&stores.sandboxes, namespace, &used);
        let environment = sandbox.iter().flat_map(|sandbox| sources::of_sandbox(sandbox));
        let files = sandbox.iter().flat_map(|sandbox| sources::of_files(sandbox));
        let named = environment.chain(files).map(|source| (source.kind, source.name));
        for source in named.chain(keys.map(secret)) {
            add(source, Controller::Sandbox, agent.name_any());
        }
        add(secret(SandboxNames::of(&agent.name_any()).sandbox), Controller::Gateway, gateway_owner(&agent));
    }
    for sandbox in within(&stores.sandboxes, namespace, |_| true) {
        for source in sources::of_sandbox(&sandbox).into_iter().chain(sources::of_files(&sandbox)) {
            add((source.kind, source.name), Controller::SandboxTemplate, sandbox.name_any());
        }
    }
    // What runs may go on with the last good state of an Agent, which no spec names any more.
    for deployment in within(&stores.deployments, namespace, |_| true) {
        let Some(owner) = deployment.labels().get(LABEL_GATEWAY) else { continue };
        for container in containers(&deployment.object) {
            for source in references::agents::of_live_gateway(container.env.as_deref().unwrap_or_default()) {
                add(source, Controller::Gateway, owner.clone());
            }
        }
    }
    index
}

fn containers(deployment: &Deployment) -> impl Iterator<Item = &Container> {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    pod.into_iter().flat_map(|pod| &pod.containers)
}
