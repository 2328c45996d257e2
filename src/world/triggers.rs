//! Whom a change of one object concerns. Pure: looks only at the object and the stores.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};

use super::stores::{Stores, named, place, within};
use crate::api::{Agent, CronJob, Provider, Sandbox};
use crate::kubernetes::observed::Observed;
use crate::naming::{LABEL_AGENT, LABEL_GATEWAY};
use crate::references::digests::{Source, SourceKind, SourceName};
use crate::references::sources;

/// One object to look at again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    Agent {
        namespace: String,
        name: String,
    },
    Provider {
        namespace: String,
        name: String,
    },
    /// The sandbox of one Agent: its Pod and what belongs to it.
    SandboxOf {
        namespace: String,
        agent: String,
    },
    /// A Sandbox, which counts the Pods made from it.
    Sandbox {
        namespace: String,
        name: String,
    },
    /// The jobs of one gateway, by the Agent that owns it.
    Schedule {
        namespace: String,
        owner: String,
    },
    CronJob {
        namespace: String,
        name: String,
    },
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
    agent.spec.model.providers()
}

impl Wakes for Agent {
    /// Itself, its gateway's owner, the Agents that joined it, the sandboxes of all of them, the schedule of its gateway and the CronJobs
    /// that it serves, and the Providers and the Sandbox that it uses (they count their Agents).
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        let (namespace, name) = place(self);
        let mut wakes = BTreeSet::from([
            Wake::Agent { namespace: namespace.clone(), name: name.clone() },
            Wake::Agent { namespace: namespace.clone(), name: gateway_owner(self) },
        ]);
        let joined = within(&stores.agents, &namespace, |other| gateway_owner(other) == name);
        for other in joined.iter().map(|other| other.name_any()).chain([name.clone()]) {
            wakes.insert(Wake::SandboxOf { namespace: namespace.clone(), agent: other.clone() });
            wakes.insert(Wake::Agent { namespace: namespace.clone(), name: other });
        }
        wakes.insert(Wake::Schedule { namespace: namespace.clone(), owner: gateway_owner(self) });
        wakes.extend(cron_jobs_of(stores, &namespace, &name));
        wakes.extend(sandbox_name(self).map(|name| Wake::Sandbox { namespace: namespace.clone(), name }));
        let used = providers_of(self).into_iter();
        wakes.extend(used.map(|name| Wake::Provider { namespace: namespace.clone(), name }));
        wakes
    }
}

impl Wakes for Provider {
    /// Itself, the Agents that use it and the owners of their gateways, and the CronJobs that name it.
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        let (namespace, name) = place(self);
        let mut wakes = agents_using(stores, &namespace, &BTreeSet::from([name.clone()]));
        let naming = |job: &CronJob| job.spec.model.as_ref().is_some_and(|model| model.providers().contains(&name));
        let cron_jobs = within(&stores.cron_jobs, &namespace, naming);
        wakes.extend(cron_jobs.iter().flat_map(|job| job.wakes(stores)));
        wakes.insert(Wake::Provider { namespace, name });
        wakes
    }
}

impl Wakes for CronJob {
    /// Itself, and the schedule of its Agent's gateway.
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        let (namespace, name) = place(self);
        let owner = named(&stores.agents, &namespace, &self.spec.agent_ref.name).map(|agent| gateway_owner(&agent));
        let schedule = owner.map(|owner| Wake::Schedule { namespace: namespace.clone(), owner });
        schedule.into_iter().chain([Wake::CronJob { namespace, name }]).collect()
    }
}

/// The CronJobs that an Agent serves, and those of the Agents on its gateway.
#[must_use]
pub fn cron_jobs_of(stores: &Stores, namespace: &str, agent: &str) -> BTreeSet<Wake> {
    let lives_there = |name: &str| {
        name == agent || named(&stores.agents, namespace, name).is_some_and(|served| gateway_owner(&served) == agent)
    };
    let jobs = within(&stores.cron_jobs, namespace, |job| lives_there(&job.spec.agent_ref.name));
    jobs.iter().map(|job| Wake::CronJob { namespace: namespace.to_owned(), name: job.name_any() }).collect()
}

impl Wakes for Sandbox {
    /// Itself, and the Agents that name it: their sandboxes, and their gateways' configuration.
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        let (namespace, name) = place(self);
        let users = within(&stores.agents, &namespace, |agent| sandbox_name(agent).as_ref() == Some(&name));
        let mut wakes: BTreeSet<Wake> = users
            .iter()
            .flat_map(|agent| {
                let (namespace, agent, owner) = (namespace.clone(), agent.name_any(), gateway_owner(agent));
                [
                    Wake::SandboxOf { namespace: namespace.clone(), agent: agent.clone() },
                    Wake::Agent { namespace: namespace.clone(), name: agent },
                    Wake::Agent { namespace, name: owner },
                ]
            })
            .collect();
        wakes.insert(Wake::Sandbox { namespace, name });
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
        wakes.extend(sandboxes_reading(stores, &namespace, &source));
        wakes.extend(labelled(self, stores));
        // The key with which a gateway enters its sandboxes lies in its generated Secret.
        wakes.extend(sandboxes_of_gateway(self, stores));
        wakes
    }
}

impl Wakes for PartialObjectMeta<ConfigMap> {
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        let (namespace, name) = place(self);
        let source = (SourceKind::ConfigMap, name);
        let mut wakes = gateways_reading(stores, &namespace, &source);
        wakes.extend(sandboxes_reading(stores, &namespace, &source));
        wakes
    }
}

impl Wakes for Pod {
    /// A sandbox follows its gateway's Pod from node to node.
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        let mut wakes = labelled(self, stores);
        wakes.extend(sandboxes_of_gateway(self, stores));
        wakes
    }
}

impl<K: Resource> Wakes for Observed<K> {
    fn wakes(&self, stores: &Stores) -> BTreeSet<Wake> {
        labelled(&self.object, stores)
    }
}

/// The sandboxes that the gateway to which the object belongs connects to.
fn sandboxes_of_gateway<K: Resource>(child: &K, stores: &Stores) -> BTreeSet<Wake> {
    let (Some(owner), Some(namespace)) = (child.labels().get(LABEL_GATEWAY), child.namespace()) else {
        return BTreeSet::new();
    };
    let with_sandbox =
        within(&stores.agents, &namespace, |agent| gateway_owner(agent) == *owner && agent.spec.sandbox.is_some());
    with_sandbox.iter().map(|agent| Wake::SandboxOf { namespace: namespace.clone(), agent: agent.name_any() }).collect()
}

/// The name of the Sandbox that an Agent uses.
#[must_use]
pub fn sandbox_name(agent: &Agent) -> Option<String> {
    agent.spec.sandbox.as_ref().map(|sandbox| sandbox.reference.name.clone())
}

/// Whom the labels name: the Agent whose gateway it is part of; or the Agent whose sandbox it is part of, and, because the
/// configuration says where the sandbox is, the owner of that Agent's gateway.
fn labelled<K: Resource>(child: &K, stores: &Stores) -> BTreeSet<Wake> {
    let Some(namespace) = child.namespace() else { return BTreeSet::new() };
    let mut wakes = BTreeSet::new();
    if let Some(name) = child.labels().get(LABEL_GATEWAY) {
        wakes.insert(Wake::Agent { namespace: namespace.clone(), name: name.clone() });
    }
    if let Some(name) = child.labels().get(LABEL_AGENT) {
        wakes.insert(Wake::SandboxOf { namespace: namespace.clone(), agent: name.clone() });
        let owner = named(&stores.agents, &namespace, name).map(|agent| gateway_owner(&agent));
        wakes.extend(owner.map(|name| Wake::Agent { namespace, name }));
    }
    wakes
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

/// The Sandboxes whose environment names this object, and the sandboxes of the Agents that use them.
fn sandboxes_reading(stores: &Stores, namespace: &str, source: &SourceName) -> BTreeSet<Wake> {
    let reading = within(&stores.sandboxes, namespace, |sandbox| names(&sources::of_sandbox(sandbox), source));
    let reading: BTreeSet<_> = reading.iter().map(|sandbox| sandbox.name_any()).collect();
    let using =
        within(&stores.agents, namespace, |agent| sandbox_name(agent).is_some_and(|name| reading.contains(&name)));
    let sandboxes =
        using.iter().map(|agent| Wake::SandboxOf { namespace: namespace.to_owned(), agent: agent.name_any() });
    let counts = reading.into_iter().map(|name| Wake::Sandbox { namespace: namespace.to_owned(), name });
    sandboxes.chain(counts).collect()
}

fn names(sources: &[Source], (kind, name): &SourceName) -> bool {
    sources.iter().any(|source| source.kind == *kind && source.name == *name)
}
