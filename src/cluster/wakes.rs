//! Whom a change of one object concerns. Pure: looks only at the object and the stores.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};

use super::environment::{Source, SourceKind, SourceName};
use super::names::LABEL_GATEWAY;
use super::observed::Observed;
use super::sources;
use super::stores::{Stores, place, within};
use crate::api::{Agent, Provider};

/// One object to look at again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    Agent { namespace: String, name: String },
    Provider { namespace: String, name: String },
}

/// Knows whom a change of it concerns.
pub trait Wakes {
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake>;
}

/// The Agent whose gateway this Agent lives on.
#[must_use]
pub fn gateway_owner(agent: &Agent) -> String {
    agent.spec.gateway_ref.as_ref().map_or_else(|| agent.name_any(), |reference| reference.name.clone())
}

/// The names of the Providers that an Agent uses, sorted.
#[must_use]
pub fn providers_of(agent: &Agent) -> BTreeSet<String> {
    let model = &agent.spec.model;
    std::iter::once(&model.primary).chain(&model.fallbacks).map(|model| model.provider.clone()).collect()
}

impl Wakes for Agent {
    /// Itself, its gateway's owner, the Agents that joined it, and the Providers that it uses (they count their Agents).
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        let (namespace, name) = place(self);
        let mut wakes = BTreeSet::from([
            Wake::Agent { namespace: namespace.clone(), name: name.clone() },
            Wake::Agent { namespace: namespace.clone(), name: gateway_owner(self) },
        ]);
        let joined = within(&stores.agents, &namespace, |other| gateway_owner(other) == name);
        wakes.extend(joined.iter().map(|other| Wake::Agent { namespace: namespace.clone(), name: other.name_any() }));
        let used = providers_of(self).into_iter();
        wakes.extend(used.map(|name| Wake::Provider { namespace: namespace.clone(), name }));
        wakes
    }
}

impl Wakes for Provider {
    /// Itself, the Agents that use it and the owners of their gateways.
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        let (namespace, name) = place(self);
        let mut wakes = agents_using(stores, &namespace, &BTreeSet::from([name.clone()]));
        wakes.insert(Wake::Provider { namespace, name });
        wakes
    }
}

impl Wakes for PartialObjectMeta<Secret> {
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        let (namespace, name) = place(self);
        let source = (SourceKind::Secret, name);
        let providers: BTreeSet<_> =
            within(&stores.providers, &namespace, |provider| names(&sources::of_provider(provider), &source))
                .iter()
                .map(|provider| provider.name_any())
                .collect();
        let mut wakes = agents_using(stores, &namespace, &providers);
        wakes.extend(providers.into_iter().map(|name| Wake::Provider { namespace: namespace.clone(), name }));
        wakes.extend(gateways_reading(stores, &namespace, &source));
        wakes.extend(labelled_gateway(self));
        wakes
    }
}

impl Wakes for PartialObjectMeta<ConfigMap> {
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        let (namespace, name) = place(self);
        gateways_reading(stores, &namespace, &(SourceKind::ConfigMap, name))
    }
}

impl Wakes for Pod {
    fn wakes(&self, _: &Stores) -> BTreeSet<Wake> {
        labelled_gateway(self).into_iter().collect()
    }
}

impl<K: Resource> Wakes for Observed<K> {
    fn wakes(&self, _: &Stores) -> BTreeSet<Wake> {
        labelled_gateway(&self.object).into_iter().collect()
    }
}

/// The Agent in the label, which all children of a gateway carry.
fn labelled_gateway<K: Resource>(child: &K) -> Option<Wake> {
    let name = child.labels().get(LABEL_GATEWAY)?.clone();
    Some(Wake::Agent { namespace: child.namespace()?, name })
}

/// The Agents that use one of these Providers, and the owners of their gateways.
fn agents_using(stores: &Stores, namespace: &str, providers: &BTreeSet<String>) -> BTreeSet<Wake> {
    if providers.is_empty() {
        return BTreeSet::new();
    }
    within(&stores.agents, namespace, |agent| !providers_of(agent).is_disjoint(providers))
        .iter()
        .flat_map(|agent| [agent.name_any(), gateway_owner(agent)])
        .map(|name| Wake::Agent { namespace: namespace.to_owned(), name })
        .collect()
}

/// The owners of gateways whose own environment or token names this object.
fn gateways_reading(stores: &Stores, namespace: &str, source: &SourceName) -> BTreeSet<Wake> {
    within(&stores.agents, namespace, |agent| names(&sources::of_gateway(agent), source))
        .iter()
        .map(|agent| Wake::Agent { namespace: namespace.to_owned(), name: agent.name_any() })
        .collect()
}

fn names(sources: &[Source], (kind, name): &SourceName) -> bool {
    sources.iter().any(|source| source.kind == *kind && source.name == *name)
}
