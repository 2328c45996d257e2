//! What the cluster looks like, as far as Creel looks: one store a kind, shared by all controllers. Memory only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::{Resource, ResourceExt};

use super::memo::Memo;
use super::proxies::ProxyPod;
use super::queues::Trigger;
use super::unparsable::Unparsable;
use crate::api::{Agent, CronJob, Provider, Sandbox};
use crate::kubernetes::http_route::HttpRoute;
use crate::kubernetes::observed::Observed;
use crate::references::digests::{SourceKind, SourceName};
use crate::references::read::{Versions, version};

/// Whom a change of each Secret and ConfigMap concerns.
pub type Index = BTreeMap<SourceName, BTreeSet<Trigger>>;

/// The stores. [`registry`](super::registry) says how each is filled.
pub struct Stores {
    pub agents: Store<Agent>,
    pub providers: Store<Provider>,
    pub sandboxes: Store<Sandbox>,
    pub cron_jobs: Store<CronJob>,
    /// Names and versions only: memory stays flat whatever the Secrets hold.
    pub secrets: Store<PartialObjectMeta<Secret>>,
    /// Names and versions only.
    pub config_map_metadata: Store<PartialObjectMeta<ConfigMap>>,
    pub deployments: Store<Observed<Deployment>>,
    /// Whose they are, and no more.
    pub replica_sets: Store<PartialObjectMeta<ReplicaSet>>,
    pub config_maps: Store<Observed<ConfigMap>>,
    pub services: Store<Observed<Service>>,
    pub service_accounts: Store<Observed<ServiceAccount>>,
    pub network_policies: Store<Observed<NetworkPolicy>>,
    pub ingresses: Store<Observed<Ingress>>,
    /// Empty in a cluster without the Gateway API.
    pub http_routes: Store<Observed<HttpRoute>>,
    pub claims: Store<Observed<PersistentVolumeClaim>>,
    pub pods: Store<Pod>,
    /// One for each namespace of proxies.
    pub proxies: Vec<Store<ProxyPod>>,
    pub unparsable: Arc<Unparsable>,
    /// Who reads which Secret and ConfigMap, by namespace.
    pub readers: Arc<Memo<Index>>,
}

/// An object of one of these kinds that does not parse may be what a job at a gateway is there for.
const WANTING_JOBS: [&str; 2] = ["Agent", "CronJob"];

impl Stores {
    /// Whether it is unknown which jobs of this namespace are still wanted, so that those that seem unowned stay.
    #[must_use]
    pub fn keeps_unowned_jobs(&self, namespace: &str) -> bool {
        self.unparsable.any_in(namespace, &WANTING_JOBS)
    }
}

impl Versions for Stores {
    fn of(&self, namespace: &str, (kind, name): &SourceName) -> Option<String> {
        match kind {
            SourceKind::Secret => version(&named(&self.secrets, namespace, name)?.metadata),
            SourceKind::ConfigMap => version(&named(&self.config_map_metadata, namespace, name)?.metadata),
        }
    }
}

/// The objects of a store in this namespace that satisfy the predicate.
pub fn within<K>(store: &Store<K>, namespace: &str, predicate: impl Fn(&K) -> bool) -> Vec<Arc<K>>
where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + std::hash::Hash + Clone,
{
    store.state_filter(|object| object.namespace().as_deref() == Some(namespace) && predicate(object))
}

/// The object of this name, if the store has it.
#[must_use]
pub fn named<K>(store: &Store<K>, namespace: &str, name: &str) -> Option<Arc<K>>
where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + std::hash::Hash + Clone + Default,
{
    store.get(&ObjectRef::new(name).within(namespace))
}

/// The namespace and name of an object.
pub fn key_of<K: Resource>(object: &K) -> (String, String) {
    (ResourceExt::namespace(object).unwrap_or_default(), object.name_any())
}
