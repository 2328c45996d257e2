//! Whom a change of an object concerns. Pure: looks only at the change and the stores. For facts, see
//! [`fact_triggers`](super::fact_triggers).

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector;
use kube::{Resource, ResourceExt};

use super::proxies::ProxyPod;
use super::queues::{Controller, Trigger};
use super::readers::readers_of;
pub use super::relations::{
    agents_on_gateway, gateway_owner, names_provider, pods_of_gateway, providers_of, sandbox_name,
};
use super::stores::{Stores, key_of, named, within};
use crate::api::{Agent, CronJob, Provider, Sandbox};
use crate::kubernetes::http_route::HttpRoute;
use crate::kubernetes::observed::Observed;
use crate::naming::{FENCE_NAME, LABEL_AGENT, LABEL_GATEWAY};
use crate::references::digests::SourceKind;

/// A watched object, which knows whom it concerns.
pub trait Watched {
    /// Whom it concerns as it is.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger>;

    /// Whether it may name other Secrets or ConfigMaps than it did before.
    fn names_other_sources(&self, _before: Option<&Self>) -> bool {
        false
    }

    /// Whom it concerns that an object of this name does not parse, or does again.
    #[must_use]
    fn parsing_concerns(_namespace: &str, _name: &str, _stores: &Stores) -> BTreeSet<Trigger> {
        BTreeSet::new()
    }

    /// Whom it concerns if nothing but its status differs from `before`; `None`: more than that differs.
    fn status_concerns(&self, _before: &Self) -> Option<Trigger> {
        None
    }
}

/// Whom the step from one state of an object to the next concerns. What it named before concerns as many as what it names now: an Agent
/// that leaves, a label edited by hand.
pub fn of_change<K: Watched + reflector::Lookup>(before: Option<&K>, after: &K, stores: &Stores) -> BTreeSet<Trigger> {
    if after.names_other_sources(before) {
        stores.readers.changed(&after.namespace().unwrap_or_default());
    }
    if let Some(trigger) = before.and_then(|before| after.status_concerns(before)) {
        return BTreeSet::from([trigger]);
    }
    let mut triggers = after.concerns(stores);
    triggers.extend(before.into_iter().flat_map(|before| before.concerns(stores)));
    triggers
}

/// Whether the object may name other Secrets or ConfigMaps than it did before: what it names is in its spec and its labels.
fn more_than_status_differs<K: Resource>(before: Option<&K>, after: &K) -> bool {
    !before.is_some_and(|before| differs_in_status_only(before, after))
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

/// The CronJobs of all Agents on a gateway.
#[must_use]
pub fn cron_jobs_on_gateway(stores: &Stores, namespace: &str, owner: &str) -> BTreeSet<Trigger> {
    let on_gateway = |agent: &str| {
        agent == owner || named(&stores.agents, namespace, agent).is_some_and(|agent| gateway_owner(&agent) == owner)
    };
    let jobs = within(&stores.cron_jobs, namespace, |job| on_gateway(&job.spec.agent_ref.name));
    jobs.iter().map(|job| Trigger::new(Controller::CronJob, namespace, job.name_any())).collect()
}

/// All gateways of a namespace, for these controllers.
fn gateways_in(stores: &Stores, namespace: &str, controllers: &[Controller]) -> BTreeSet<Trigger> {
    let owners = within(&stores.agents, namespace, |agent| agent.spec.gateway_ref.is_none());
    let trigger = |agent: &Arc<Agent>| {
        let name = agent.name_any();
        controllers.iter().map(move |controller| Trigger::new(*controller, namespace, name.clone()))
    };
    owners.iter().flat_map(trigger).collect()
}

impl Watched for Agent {
    fn names_other_sources(&self, before: Option<&Self>) -> bool {
        more_than_status_differs(before, self)
    }

    /// What it does not say it may want of any gateway. Those that joined it may have no gateway.
    fn parsing_concerns(namespace: &str, name: &str, stores: &Stores) -> BTreeSet<Trigger> {
        let mut triggers = gateways_in(stores, namespace, &[Controller::Gateway, Controller::Jobs]);
        triggers.insert(Trigger::fence(namespace));
        for agent in agents_on_gateway(stores, namespace, name) {
            triggers.insert(Trigger::new(Controller::Agent, namespace, agent.name_any()));
            triggers.insert(Trigger::new(Controller::Sandbox, namespace, agent.name_any()));
        }
        triggers
    }

    /// Its own status, its gateway and the devices and channels there, its sandbox, the jobs of its gateway, the Providers and the Sandbox that it uses
    /// (they count their Agents), and the fence, which goes after the last Agent. If others joined it: their status and sandboxes. And all
    /// CronJobs of the gateway: which models they may name depends on the Agents there.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let (namespace, name) = key_of(self);
        let owner = gateway_owner(self);
        let trigger = |controller, name: String| Trigger::new(controller, &namespace, name);
        let mut triggers = BTreeSet::from([
            trigger(Controller::Gateway, name.clone()),
            trigger(Controller::Gateway, owner.clone()),
            trigger(Controller::Jobs, owner.clone()),
            trigger(Controller::Devices, name.clone()),
            trigger(Controller::Channels, owner.clone()),
            Trigger::fence(&namespace),
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
    fn names_other_sources(&self, before: Option<&Self>) -> bool {
        more_than_status_differs(before, self)
    }

    /// Itself, the gateways of the Agents that name it with their CronJobs (what a run costs is in the Provider), and the CronJobs that
    /// name it.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let (namespace, name) = key_of(self);
        let users = within(&stores.agents, &namespace, |agent| names_provider(agent, &name));
        let owners: BTreeSet<String> = users.iter().map(|agent| gateway_owner(agent)).collect();
        let naming = |job: &CronJob| job.spec.model.as_ref().is_some_and(|model| model.providers().contains(&name));
        let cron_jobs = within(&stores.cron_jobs, &namespace, naming);
        let mut triggers: BTreeSet<Trigger> = cron_jobs.iter().flat_map(|job| job.concerns(stores)).collect();
        for owner in owners {
            triggers.extend(cron_jobs_on_gateway(stores, &namespace, &owner));
            triggers.insert(Trigger::new(Controller::Gateway, &namespace, owner));
        }
        triggers.insert(Trigger::new(Controller::Provider, &namespace, name));
        triggers
    }

    fn status_concerns(&self, before: &Self) -> Option<Trigger> {
        of_status(Controller::Provider, before, self)
    }
}

impl Watched for CronJob {
    /// What it does not say it may want of any gateway.
    fn parsing_concerns(namespace: &str, _name: &str, stores: &Stores) -> BTreeSet<Trigger> {
        gateways_in(stores, namespace, &[Controller::Jobs])
    }

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
    fn names_other_sources(&self, before: Option<&Self>) -> bool {
        more_than_status_differs(before, self)
    }

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
    /// Those that read it, and those that it belongs to.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let (namespace, name) = key_of(self);
        let mut triggers = readers_of(stores, &namespace, &(SourceKind::Secret, name));
        triggers.extend(labelled(self, stores));
        triggers
    }
}

impl Watched for PartialObjectMeta<ConfigMap> {
    /// Those that read it.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let (namespace, name) = key_of(self);
        readers_of(stores, &namespace, &(SourceKind::ConfigMap, name))
    }
}

impl Watched for Pod {
    /// Until it is gone it needs the fence, readable or not.
    fn parsing_concerns(namespace: &str, _name: &str, _stores: &Stores) -> BTreeSet<Trigger> {
        BTreeSet::from([Trigger::fence(namespace)])
    }

    /// A sandbox follows its gateway's Pod from node to node. The fence stays for the last Pod.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let mut triggers = labelled(self, stores);
        triggers.extend(sandboxes_of_gateway(self, stores));
        triggers.extend(self.namespace().as_deref().map(Trigger::fence));
        triggers
    }
}

impl Watched for ProxyPod {
    /// The gateways that are exposed to it.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let exposed = stores.agents.state_filter(|agent| self.serves(agent));
        let gateway = |agent: &Arc<Agent>| {
            let (namespace, name) = key_of(agent.as_ref());
            Trigger::new(Controller::Gateway, &namespace, name)
        };
        exposed.iter().map(gateway).collect()
    }
}

impl Watched for PartialObjectMeta<ReplicaSet> {
    /// It says whose a Pod is, which may have been seen before it.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let mut triggers = labelled(self, stores);
        triggers.extend(sandboxes_of_gateway(self, stores));
        triggers
    }
}

impl Watched for Observed<PersistentVolumeClaim> {
    /// How a sandbox mounts its gateway's claim depends on the access modes.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let mut triggers = labelled(&self.object, stores);
        triggers.extend(sandboxes_of_gateway(&self.object, stores));
        triggers
    }
}

impl Watched for Observed<Deployment> {
    fn names_other_sources(&self, before: Option<&Self>) -> bool {
        more_than_status_differs(before.map(|before| &before.object), &self.object)
    }

    /// Until it is gone it needs the fence, readable or not.
    fn parsing_concerns(namespace: &str, _name: &str, _stores: &Stores) -> BTreeSet<Trigger> {
        BTreeSet::from([Trigger::fence(namespace)])
    }

    /// It says whose a Pod is, which may have been seen before it. Until it is gone its Pod may come back, so the fence stays.
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let mut triggers = labelled(&self.object, stores);
        triggers.extend(sandboxes_of_gateway(&self.object, stores));
        triggers.extend(self.object.namespace().as_deref().map(Trigger::fence));
        triggers
    }
}

impl Watched for Observed<NetworkPolicy> {
    fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
        let mut triggers = labelled(&self.object, stores);
        if self.object.name_any() == FENCE_NAME
            && let Some(namespace) = self.object.namespace()
        {
            triggers.insert(Trigger::fence(&namespace));
            // Whose Pods are stopped while somebody keeps changing it.
            triggers.extend(gateways_in(stores, &namespace, &[Controller::Gateway]));
            let in_sandboxes = within(&stores.agents, &namespace, |agent| agent.spec.sandbox.is_some());
            triggers.extend(
                in_sandboxes.iter().map(|agent| Trigger::new(Controller::Sandbox, &namespace, agent.name_any())),
            );
        }
        triggers
    }
}

macro_rules! concerns_whom_its_labels_name {
    ($($kind:ty),*) => {
        $(impl Watched for Observed<$kind> {
            fn concerns(&self, stores: &Stores) -> BTreeSet<Trigger> {
                labelled(&self.object, stores)
            }
        })*
    };
}

concerns_whom_its_labels_name!(ConfigMap, HttpRoute, Ingress, Service, ServiceAccount);

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
