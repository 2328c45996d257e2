//! The registry of watched kinds: what of each kind is watched, and what its store keeps. Touches the network (watches).

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, future};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::store::{Writer, WriterDropped};
use kube::runtime::reflector::{Lookup, Store};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::memo::Memo;
use super::proxies::ProxyPod;
use super::pruning;
use super::queues::Queues;
use super::stores::{Index, Stores};
use super::triggers::{Watched, of_change};
use super::unparsable::Unparsable;
use super::watch::Need::{self, Optional, Required};
use super::watch::{Change, Watch};
use crate::kubernetes::apply::Child;
use crate::kubernetes::errors::brief;
use crate::kubernetes::observed::Observed;
use crate::kubernetes::received::{Received, Unreadable};
use crate::naming::{LABEL_MANAGED_BY, MANAGED_BY};

/// Every watched kind, one line each.
fn register(kinds: &mut Kinds, proxy_namespaces: &[String]) -> Stores {
    Stores {
        agents: kinds.ours(Required),
        providers: kinds.ours(Required),
        sandboxes: kinds.ours(Required),
        cron_jobs: kinds.ours(Required),
        secrets: kinds.metadata(Required, all(), pruning::metadata),
        config_map_metadata: kinds.metadata(Required, all(), pruning::metadata),
        deployments: kinds.children(Required),
        replica_sets: kinds.metadata(Required, labelled(), pruning::identity),
        config_maps: kinds.children(Required),
        services: kinds.children(Required),
        service_accounts: kinds.children(Required),
        network_policies: kinds.children(Required),
        ingresses: kinds.children(Required),
        http_routes: kinds.children(Optional),
        claims: kinds.children(Required),
        pods: kinds.pods(Required),
        // An empty name would be that of all namespaces.
        proxies: proxy_namespaces.iter().filter(|name| !name.is_empty()).map(|name| kinds.proxies(name)).collect(),
        unparsable: Arc::clone(&kinds.unparsable),
        readers: Arc::clone(&kinds.readers),
    }
}

/// A watched kind.
#[derive(Clone, Debug)]
pub struct Kind {
    pub resource: ApiResource,
    pub need: Need,
}

impl Kind {
    fn of<K: Resource<DynamicType = ()>>(need: Need) -> Self {
        Self { resource: ApiResource::erase::<K>(&()), need }
    }
}

/// Every watched kind. Proxies are Pods.
#[must_use]
pub fn kinds(client: &Client) -> Vec<Kind> {
    let mut kinds = Kinds::new(client.clone());
    register(&mut kinds, &[]);
    kinds.watched
}

/// A required kind can't be listed.
#[derive(Debug, Error)]
#[error("cannot list {} of {}: {}", kind.plural, kind.api_version, brief(source))]
pub struct NotServed {
    pub kind: ApiResource,
    pub source: kube::Error,
}

/// Whether the API server serves every required kind.
pub async fn served(client: &Client) -> Result<(), NotServed> {
    let required = kinds(client).into_iter().filter(|kind| kind.need == Required);
    future::try_join_all(required.map(async |Kind { resource: kind, .. }| {
        let api = Api::<Received<PartialObjectMeta<DynamicObject>>>::all_with(client.clone(), &kind);
        match api.list(&ListParams::default().limit(1)).await {
            Ok(_) => Ok(()),
            Err(source) => Err(NotServed { kind, source }),
        }
    }))
    .await
    .map(drop)
}

/// The stores, and what keeps them true.
pub struct Watching {
    pub stores: Arc<Stores>,
    pub filling: Vec<Filling>,
    /// Drives every watch and never ends; drop it to stop.
    pub watches: BoxFuture<'static, ()>,
}

/// A store that is being filled.
pub struct Filling {
    /// The plural of its kind.
    pub kind: String,
    /// Ends once the store has seen the whole cluster once.
    pub filled: BoxFuture<'static, Result<(), WriterDropped>>,
}

/// Starts every watch. Proxies are looked for in these namespaces.
#[must_use]
pub fn watch(client: &Client, queues: &Queues, proxy_namespaces: &[String]) -> Watching {
    let mut kinds = Kinds::new(client.clone());
    let stores = Arc::new(register(&mut kinds, proxy_namespaces));
    let started = kinds.pending.into_iter().map(|start| start(Arc::clone(&stores), queues.clone()));
    let watches = future::join_all(started.collect::<Vec<_>>()).map(drop).boxed();
    Watching { stores, filling: kinds.filling, watches }
}

type Start = Box<dyn FnOnce(Arc<Stores>, Queues) -> BoxFuture<'static, ()> + Send>;

/// The kinds that are described and not yet watched: whom an object concerns depends on all stores.
pub struct Kinds {
    client: Client,
    watched: Vec<Kind>,
    pending: Vec<Start>,
    filling: Vec<Filling>,
    unparsable: Arc<Unparsable>,
    readers: Arc<Memo<Index>>,
}

impl Kinds {
    fn new(client: Client) -> Self {
        Self {
            client,
            watched: Vec::new(),
            pending: Vec::new(),
            filling: Vec::new(),
            unparsable: Arc::default(),
            readers: Arc::default(),
        }
    }

    /// A kind of ours.
    pub fn ours<K>(&mut self, need: Need) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Watched + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        self.store(need, self.cluster(), all(), |object: Received<K>| {
            let mut object = parsed(object)?;
            object.meta_mut().managed_fields = None;
            Ok(object)
        })
    }

    /// A kind of our children: only what carries our label, pruned.
    pub fn children<K>(&mut self, need: Need) -> Store<Observed<K>>
    where
        K: Child + 'static,
        Observed<K>: Watched,
    {
        self.store(need, self.cluster(), labelled(), |child: Received<K>| parsed(child).map(pruning::child))
    }

    pub fn pods(&mut self, need: Need) -> Store<Pod> {
        self.store(need, self.cluster(), labelled(), |pod: Received<Pod>| parsed(pod).map(pruning::pod))
    }

    /// The Pods in a namespace of proxies, whoever made them. The namespace need not exist.
    pub fn proxies(&mut self, namespace: &str) -> Store<ProxyPod> {
        let api = Api::namespaced(self.client.clone(), namespace);
        self.store(Required, api, all(), |pod: Received<Pod>| parsed(pod).map(pruning::proxy))
    }

    /// Only what `prune` keeps of their metadata: what users keep in these objects does not belong in our memory.
    pub fn metadata<K>(
        &mut self,
        need: Need,
        config: watcher::Config,
        prune: fn(&ObjectMeta) -> ObjectMeta,
    ) -> Store<PartialObjectMeta<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + Sync
            + 'static,
        PartialObjectMeta<K>: Watched,
    {
        self.store(need, self.cluster(), config, move |object: Received<PartialObjectMeta<K>>| {
            Ok(PartialObjectMeta { types: None, metadata: prune(object.meta()), _phantom: PhantomData })
        })
    }

    /// The objects of a kind in all namespaces.
    fn cluster<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    fn store<W, K>(
        &mut self,
        need: Need,
        api: Api<Received<W>>,
        config: watcher::Config,
        convert: impl Fn(Received<W>) -> Result<K, Box<ObjectMeta>> + Send + Sync + 'static,
    ) -> Store<K>
    where
        W: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
        K: Lookup<DynamicType = ()> + Watched + Clone + Debug + Send + Sync + 'static,
    {
        let stream = watcher(api, config);
        let writer = Writer::<K>::default();
        let reader = writer.as_reader();
        let (waits, unparsable) = (reader.clone(), Arc::clone(&self.unparsable));
        let filled = async move { waits.wait_until_ready().await }.boxed();
        self.filling.push(Filling { kind: K::plural(&()).into_owned(), filled });
        self.pending.push(Box::new(move |stores, queues| {
            let triggers = move |change: Change<'_, K>| match change {
                Change::To { before, after } => of_change(before, after, &stores),
                Change::Parsing { namespace, name } => K::parsing_concerns(namespace, name, &stores),
            };
            Watch { writer, convert: Box::new(convert), triggers, queues, unparsable, need }
                .drive(stream.default_backoff())
                .boxed()
        }));
        self.watched.push(Kind::of::<W>(need));
        reader
    }
}

/// The object; of one that does not parse, its metadata.
fn parsed<K: Resource<DynamicType = ()>>(object: Received<K>) -> Result<K, Box<ObjectMeta>> {
    match object {
        Received::Whole(object) => Ok(object),
        Received::Unreadable(Unreadable { metadata, why }) => {
            let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
            tracing::warn!(kind = %K::kind(&()), namespace, name, why, "cannot parse an object");
            Err(metadata)
        }
    }
}

/// Objects of one page of a list: each may have a mebibyte, which takes three when it is parsed, and a page is parsed as a whole.
const PAGE: u32 = 10;

fn all() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

fn labelled() -> watcher::Config {
    all().labels(&format!("{LABEL_MANAGED_BY}={MANAGED_BY}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::CRD_FILES;

    type Names = BTreeSet<(String, String)>;

    /// Group and plural of each watched kind. Nothing is asked of the client's server.
    fn watched() -> Names {
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let kinds = kinds(&Client::try_from(config).unwrap());
        kinds.into_iter().map(|kind| (kind.resource.group, kind.resource.plural)).collect()
    }

    /// The words of `[a, b]` after this key.
    fn words(line: &str, key: &str) -> Option<Vec<String>> {
        let list =
            line.trim().trim_start_matches("- ").strip_prefix(key)?.trim().strip_prefix('[')?.strip_suffix(']')?;
        Some(list.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect())
    }

    /// What the chart lets the operator watch.
    fn watchable() -> Names {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/creel/templates/rbac.yaml");
        let (mut groups, mut resources, mut all) = (Vec::new(), Vec::new(), Names::new());
        for line in std::fs::read_to_string(path).unwrap().lines() {
            groups = words(line, "apiGroups:").unwrap_or(groups);
            resources = words(line, "resources:").unwrap_or(resources);
            let verbs = words(line, "verbs:").unwrap_or_default();
            if ["list", "watch"].iter().any(|verb| verbs.iter().any(|have| have == verb)) {
                assert!(["list", "watch"].iter().all(|verb| verbs.iter().any(|have| have == verb)), "{line}");
                let of_group =
                    |group: &String| resources.iter().map(|name| (group.clone(), name.clone())).collect::<Vec<_>>();
                all.extend(groups.iter().flat_map(of_group));
            }
        }
        all
    }

    #[tokio::test]
    async fn the_chart_lets_the_operator_watch_exactly_the_registered_kinds() {
        assert_eq!(watched(), watchable());
    }

    #[tokio::test]
    async fn every_kind_of_ours_is_watched() {
        let ours: Names = watched().into_iter().filter(|(group, _)| group == "creel.dev").collect();
        let crds = CRD_FILES.map(|(_, crd)| crd().spec).map(|spec| (spec.group, spec.names.plural));
        assert_eq!(ours, Names::from(crds));
    }
}
