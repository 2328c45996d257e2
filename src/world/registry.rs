//! The registry of watched kinds: what of each kind is watched, and what its store keeps. Touches the network (watches).

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, future};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::core::{DeserializeGuard, ObjectMeta, PartialObjectMeta};
use kube::runtime::reflector::store::{Writer, WriterDropped};
use kube::runtime::reflector::{Lookup, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::queues::Queues;
use super::stores::Stores;
use super::triggers::{Watched, of_change};
use super::unparsable::Unparsable;
use super::watch::{Convert, Watch};
use crate::kubernetes::apply::Child;
use crate::kubernetes::observed::Observed;
use crate::naming::{AGENT_MANAGER, LABEL_COMPONENT, LABEL_MANAGED_BY, MANAGED_BY, SANDBOX, SANDBOX_MANAGER};

/// Every watched kind, one line each.
fn register(kinds: &mut Kinds) -> Stores {
    Stores {
        agents: kinds.ours(),
        providers: kinds.ours(),
        sandboxes: kinds.ours(),
        cron_jobs: kinds.ours(),
        secrets: kinds.metadata(),
        config_map_metadata: kinds.metadata(),
        deployments: kinds.children(),
        config_maps: kinds.children(),
        services: kinds.children(),
        service_accounts: kinds.children(),
        network_policies: kinds.children(),
        claims: kinds.children(),
        pods: kinds.pods(),
        unparsable: Arc::clone(&kinds.unparsable),
    }
}

/// The stores, and what keeps them true.
pub struct Watching {
    pub stores: Arc<Stores>,
    /// Ends once every store has seen the whole cluster once.
    pub ready: BoxFuture<'static, Result<(), WriterDropped>>,
    /// Drives every watch and never ends; drop it to stop.
    pub watches: BoxFuture<'static, ()>,
}

/// Starts every watch.
#[must_use]
pub fn watch(client: &Client, queues: &Queues) -> Watching {
    let mut kinds = Kinds::new(client.clone());
    let stores = Arc::new(register(&mut kinds));
    let ready = future::try_join_all(kinds.ready).map(|ready| ready.map(drop)).boxed();
    let started = kinds.pending.into_iter().map(|start| start(Arc::clone(&stores), queues.clone()));
    let watches = future::join_all(started.collect::<Vec<_>>()).map(drop).boxed();
    Watching { stores, ready, watches }
}

type Start = Box<dyn FnOnce(Arc<Stores>, Queues) -> BoxFuture<'static, ()> + Send>;

/// The kinds that are described and not yet watched: whom an object concerns depends on all stores.
struct Kinds {
    client: Client,
    pending: Vec<Start>,
    ready: Vec<BoxFuture<'static, Result<(), WriterDropped>>>,
    unparsable: Arc<Unparsable>,
}

impl Kinds {
    fn new(client: Client) -> Self {
        Self { client, pending: Vec::new(), ready: Vec::new(), unparsable: Arc::default() }
    }

    /// A kind of ours: an object that does not parse is a warning, not a dead watch.
    fn ours<K>(&mut self) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Watched + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let stream = watcher(Api::<DeserializeGuard<K>>::all(self.client.clone()), watcher::Config::default());
        self.store(stream, |DeserializeGuard(parsed)| match parsed {
            Ok(mut object) => {
                object.meta_mut().managed_fields = None;
                Ok(object)
            }
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), name = error.metadata.name, %error, "an object does not parse");
                Err(Box::new(error.metadata))
            }
        })
    }

    /// A kind of our children: only what carries our label, pruned.
    fn children<K>(&mut self) -> Store<Observed<K>>
    where
        K: Child + 'static,
        Observed<K>: Watched,
    {
        let stream = watcher(Api::<K>::all(self.client.clone()), labelled());
        self.store(stream, |child| {
            let manager = if is_sandbox(child.meta()) { SANDBOX_MANAGER } else { AGENT_MANAGER };
            Ok(Observed::new(child, manager))
        })
    }

    fn pods(&mut self) -> Store<Pod> {
        let stream = watcher(Api::<Pod>::all(self.client.clone()), labelled());
        self.store(stream, |mut pod: Pod| {
            pod.metadata.managed_fields = None;
            Ok(pod)
        })
    }

    /// Only names, versions and owners: what users keep in these objects does not belong in our memory.
    fn metadata<K>(&mut self) -> Store<PartialObjectMeta<K>>
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
        let stream = watcher(Api::<PartialObjectMeta<K>>::all(self.client.clone()), watcher::Config::default());
        self.store(stream, |mut object: PartialObjectMeta<K>| {
            object.metadata.managed_fields = None;
            object.metadata.annotations = None;
            Ok(object)
        })
    }

    fn store<W, K>(
        &mut self,
        stream: impl Stream<Item = watcher::Result<Event<W>>> + Send + 'static,
        convert: Convert<W, K>,
    ) -> Store<K>
    where
        W: Send + 'static,
        K: Lookup<DynamicType = ()> + Watched + Clone + Debug + Send + Sync + 'static,
    {
        let writer = Writer::<K>::default();
        let reader = writer.as_reader();
        let (waits, unparsable) = (reader.clone(), Arc::clone(&self.unparsable));
        self.ready.push(async move { waits.wait_until_ready().await }.boxed());
        self.pending.push(Box::new(move |stores, queues| {
            let triggers = move |before: Option<&K>, after: &K| of_change(before, after, &stores);
            Watch { writer, convert, triggers, queues, unparsable }.drive(stream).boxed()
        }));
        reader
    }
}

/// Whether the object is part of a sandbox, by its label.
fn is_sandbox(metadata: &ObjectMeta) -> bool {
    let component = metadata.labels.as_ref().and_then(|labels| labels.get(LABEL_COMPONENT));
    component.is_some_and(|component| component == SANDBOX)
}

fn labelled() -> watcher::Config {
    watcher::Config::default().labels(&format!("{LABEL_MANAGED_BY}={MANAGED_BY}"))
}
