//! Whom a change of an object concerns. Pure: looks only at the change and the stores. For facts, see
//! [`fact_triggers`](super::fact_triggers).

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};

use super::queues::{Controller, Trigger};
use super::stores::{Stores, key_of, named, within};
use crate::api::{Agent, CronJob, Provider, Sandbox};
use crate::kubernetes::observed::Observed;
use crate::naming::{LABEL_AGENT, LABEL_GATEWAY};
use crate::references::digests::{Source, SourceKind, SourceName};
use crate::references::sources;

/// A watched object, which knows whom it concerns.
pub trait Watched {
    /// Whom it concerns as it is.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger>;

    /// Whom it concerns if nothing but its status differs from `before`; `None`: more than that differs.
    fn status_concerns(&self, _before: &Self) -> Option<Trigger> {
        None
    }
}

/// Whom the step from one state of an object to the next concerns. What it named before concerns as many as what it names now: an Agent
/// that leaves, a label edited by hand.
pub fn of_change<K: Watched>(before: Option<&K>, after: &K, stores: &Stores) -> BTreeSet<Trigger> {
    if let Some(trigger) = before.and_then(|before| after.status_concerns(before)) {
        return BTreeSet::from([trigger]);
    }
    let mut triggers = after.concerns(stores);
    triggers.extend(before.into_iter().flat_map(|before| before.concerns(stores)));
    triggers
}

/// Whether nothing but the status differs: no controller reads the status of an object that another one reports.
fn differs_in_status_only<K: Resource>(before: &K, after: &K) -> bool {
    let (before, after) = (before.meta(), after.meta());
    before.uid == after.uid
        && before.generation == after.generation
        && before.deletion_timestamp == after.deletion_timestamp
        && before.labels == after.labels
        && before.annotations == after.annotations
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

/// The name of the Sandbox that an Agent uses.
#[must_use]
pub fn sandbox_name(agent: &Agent) -> Option<String> {
    agent.spec.sandbox.as_ref().map(|sandbox| sandbox.reference.name.clone())
}

/// The Agents on the gateway of `owner`, its own included, whether they are about to go or not.
#[must_use]
pub fn agents_on_gateway(stores: &Stores, namespace: &str, owner: &str) -> Vec<Arc<Agent>> {
    within(&stores.agents, namespace, |agent| gateway_owner(agent) == owner)
}

/// The CronJobs of all Agents on a gateway.
#[must_use]
pub fn cron_jobs_on_gateway(stores: &Stores, namespace: &str, owner: &str) -> BTreeSet<Trigger> {
    let on_gateway = |agent: &str| {
        agent == owner || named(&stores.agents, namespace, agent).is_some_and(|agent| gateway_owner(&agent) == owner)
    };
    let jobs = within(&stores.cron_jobs, namespace, |job| on_gateway(&job.spec.agent_ref.name));
    jobs.iter().map(|job| Trigger::new(Controller::CronJob, namespace, job.name_any())).collect()
}

impl Watched for Agent {
    /// Its own status, its gateway, its sandbox, the jobs of its gateway, and the Providers and the Sandbox that it uses (they count their
    /// Agents). If others joined it: their status and sandboxes. And all CronJobs of the gateway: which models they may name depends on
    /// the Agents there.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let (namespace, name) = key_of(self);
        let owner = gateway_owner(self);
        let trigger = |controller, name: String| Trigger::new(controller, &namespace, name);
        let mut triggers = BTreeSet::from([
            trigger(Controller::Gateway, name.clone()),
            trigger(Controller::Gateway, owner.clone()),
            trigger(Controller::Jobs, owner.clone()),
        ]);
        let joined = agents_on_gateway(stores, &namespace, &name);
        for other in joined.iter().map(|other| other.name_any()).chain([name.clone()]) {
            triggers.insert(trigger(Controller::Sandbox, other.clone()));
            triggers.insert(trigger(Controller::Agent, other));
        }
        triggers.extend(cron_jobs_on_gateway(stores, &namespace, &owner));
        // Those of an Agent that just left the store are found by its name.
        triggers.extend(cron_jobs_on_gateway(stores, &namespace, &name));
        triggers.extend(sandbox_name(self).map(|name| trigger(Controller::SandboxTemplate, name)));
        triggers.extend(providers_of(self).into_iter().map(|name| trigger(Controller::Provider, name)));
        triggers
    }

    fn status_concerns(&self, before: &Self) -> Option<Trigger> {
        of_status(Controller::Agent, before, self)
    }
}

/// The controller that reports the status, if nothing else differs: it may have to be put right.
fn of_status<K: Resource>(controller: Controller, before: &K, after: &K) -> Option<Trigger> {
    let (namespace, name) = key_of(after);
    differs_in_status_only(before, after).then(|| Trigger::new(controller, &namespace, name))
}

impl Watched for Provider {
    /// Itself, the gateways of the Agents that use it, and the CronJobs that name it.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let (namespace, name) = key_of(self);
        let mut triggers = gateways_using(stores, &namespace, &BTreeSet::from([name.clone()]));
        let naming = |job: &CronJob| job.spec.model.as_ref().is_some_and(|model| model.providers().contains(&name));
        let cron_jobs = within(&stores.cron_jobs, &namespace, naming);
        triggers.extend(cron_jobs.iter().flat_map(|job| job.concerns(stores)));
        triggers.insert(Trigger::new(Controller::Provider, &namespace, name));
        triggers
    }

    fn status_concerns(&self, before: &Self) -> Option<Trigger> {
        of_status(Controller::Provider, before, self)
    }
}

impl Watched for CronJob {
    /// Itself, and the jobs of its Agent's gateway.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let (namespace, name) = key_of(self);
        let owner = named(&stores.agents, &namespace, &self.spec.agent_ref.name).map(|agent| gateway_owner(&agent));
        let jobs = owner.map(|owner| Trigger::new(Controller::Jobs, &namespace, owner));
        jobs.into_iter().chain([Trigger::new(Controller::CronJob, &namespace, name)]).collect()
    }

    fn status_concerns(&self, before: &Self) -> Option<Trigger> {
        of_status(Controller::CronJob, before, self)
    }
}

impl Watched for Sandbox {
    /// Itself, and of the Agents that name it the sandboxes and the gateways.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let (namespace, name) = key_of(self);
        let users = within(&stores.agents, &namespace, |agent| sandbox_name(agent).as_ref() == Some(&name));
        let mut triggers: BTreeSet<Trigger> = users
            .iter()
            .flat_map(|agent| {
                [
                    Trigger::new(Controller::Sandbox, &namespace, agent.name_any()),
                    Trigger::new(Controller::Gateway, &namespace, gateway_owner(agent)),
                ]
            })
            .collect();
        triggers.insert(Trigger::new(Controller::SandboxTemplate, &namespace, name));
        triggers
    }

    fn status_concerns(&self, before: &Self) -> Option<Trigger> {
        of_status(Controller::SandboxTemplate, before, self)
    }
}

impl Watched for PartialObjectMeta<Secret> {
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let (namespace, name) = key_of(self);
        let source = (SourceKind::Secret, name);
        let providers: BTreeSet<_> =
            within(&stores.providers, &namespace, |provider| names(&sources::of_provider(provider), &source))
                .iter()
                .map(|provider| provider.name_any())
                .collect();
        let mut triggers = gateways_using(stores, &namespace, &providers);
        triggers.extend(providers.into_iter().map(|name| Trigger::new(Controller::Provider, &namespace, name)));
        triggers.extend(gateways_reading(stores, &namespace, &source));
        triggers.extend(sandboxes_reading(stores, &namespace, &source));
        triggers.extend(labelled(self, stores));
        // The key with which a gateway enters its sandboxes is in its generated Secret.
        triggers.extend(sandboxes_of_gateway(self, stores));
        triggers
    }
}

impl Watched for PartialObjectMeta<ConfigMap> {
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let (namespace, name) = key_of(self);
        let source = (SourceKind::ConfigMap, name);
        let mut triggers = gateways_reading(stores, &namespace, &source);
        triggers.extend(sandboxes_reading(stores, &namespace, &source));
        triggers
    }
}

impl Watched for Pod {
    /// A sandbox follows its gateway's Pod from node to node.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let mut triggers = labelled(self, stores);
        triggers.extend(sandboxes_of_gateway(self, stores));
        triggers
    }
}

impl<K: Resource> Watched for Observed<K> {
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        labelled(&self.object, stores)
    }
}

/// The sandboxes that the gateway to which the object belongs connects to.
fn sandboxes_of_gateway<K: Resource>(child: &K, stores: &Stores) -> BTreeSet<Trigger> {
    let (Some(owner), Some(namespace)) = (child.labels().get(LABEL_GATEWAY), child.namespace()) else {
        return BTreeSet::new();
    };
    let with_sandbox =
        within(&stores.agents, &namespace, |agent| gateway_owner(agent) == *owner && agent.spec.sandbox.is_some());
    with_sandbox.iter().map(|agent| Trigger::new(Controller::Sandbox, &namespace, agent.name_any())).collect()
}

/// Whom the labels name: the gateway that it is part of; or the sandbox that it is part of, and, because the configuration says where
/// the sandbox is, the gateway of its Agent.
fn labelled<K: Resource>(child: &K, stores: &Stores) -> BTreeSet<Trigger> {
    let Some(namespace) = child.namespace() else { return BTreeSet::new() };
    let mut triggers = BTreeSet::new();
    if let Some(name) = child.labels().get(LABEL_GATEWAY) {
        triggers.insert(Trigger::new(Controller::Gateway, &namespace, name));
    }
    if let Some(name) = child.labels().get(LABEL_AGENT) {
        triggers.insert(Trigger::new(Controller::Sandbox, &namespace, name));
        let owner = named(&stores.agents, &namespace, name).map(|agent| gateway_owner(&agent));
        triggers.extend(owner.map(|name| Trigger::new(Controller::Gateway, &namespace, name)));
    }
    triggers
}

/// The gateways of the Agents that use one of these Providers.
fn gateways_using(stores: &Stores, namespace: &str, providers: &BTreeSet<String>) -> BTreeSet<Trigger> {
    if providers.is_empty() {
        return BTreeSet::new();
    }
    within(&stores.agents, namespace, |agent| !providers_of(agent).is_disjoint(providers))
        .iter()
        .map(|agent| Trigger::new(Controller::Gateway, namespace, gateway_owner(agent)))
        .collect()
}

/// The gateways whose own environment or token names this object.
fn gateways_reading(stores: &Stores, namespace: &str, source: &SourceName) -> BTreeSet<Trigger> {
    within(&stores.agents, namespace, |agent| names(&sources::of_gateway(agent), source))
        .iter()
        .map(|agent| Trigger::new(Controller::Gateway, namespace, agent.name_any()))
        .collect()
}

/// The Sandboxes whose environment names this object, and the sandboxes of the Agents that use them.
fn sandboxes_reading(stores: &Stores, namespace: &str, source: &SourceName) -> BTreeSet<Trigger> {
    let reading = within(&stores.sandboxes, namespace, |sandbox| names(&sources::of_sandbox(sandbox), source));
    let reading: BTreeSet<_> = reading.iter().map(|sandbox| sandbox.name_any()).collect();
    let using =
        within(&stores.agents, namespace, |agent| sandbox_name(agent).is_some_and(|name| reading.contains(&name)));
    let sandboxes = using.iter().map(|agent| Trigger::new(Controller::Sandbox, namespace, agent.name_any()));
    let templates = reading.into_iter().map(|name| Trigger::new(Controller::SandboxTemplate, namespace, name));
    sandboxes.chain(templates).collect()
}

fn names(sources: &[Source], (kind, name): &SourceName) -> bool {
    sources.iter().any(|source| source.kind == *kind && source.name == *name)
}
