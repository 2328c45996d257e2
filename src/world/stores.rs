//! One watch a kind, shared by all controllers: fills the stores and wakes whom an event concerns. Touches the network.

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::core::{DeserializeGuard, ObjectMeta, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::store::{Writer, WriterDropped};
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::gateways::{Gateway, Gateways};
use super::sandbox_states::SandboxStates;
use super::schedules::Schedules;
use super::triggers::{self, Wake};
use super::unparsable::Unreadable;
use crate::api::{Agent, CronJob, Provider, Sandbox};
use crate::kubernetes::apply::Child;
use crate::kubernetes::observed::Observed;
use crate::kubernetes::pod_status::has_ended;
use crate::naming::{AGENT_MANAGER, LABEL_COMPONENT, LABEL_MANAGED_BY, MANAGED_BY, SANDBOX, SANDBOX_MANAGER};

/// What the cluster looks like, as far as Creel looks.
pub struct Stores {
    pub agents: Store<Agent>,
    pub providers: Store<Provider>,
    pub sandboxes: Store<Sandbox>,
    pub cron_jobs: Store<CronJob>,
    /// Names and versions only: memory stays flat whatever lies in the Secrets.
    pub secrets: Store<PartialObjectMeta<Secret>>,
    /// Names and versions only.
    pub config_map_metadata: Store<PartialObjectMeta<ConfigMap>>,
    pub deployments: Store<Observed<Deployment>>,
    pub config_maps: Store<Observed<ConfigMap>>,
    pub services: Store<Observed<Service>>,
    pub service_accounts: Store<Observed<ServiceAccount>>,
    pub network_policies: Store<Observed<NetworkPolicy>>,
    pub claims: Store<Observed<PersistentVolumeClaim>>,
    pub pods: Store<Pod>,
    pub sandbox_states: SandboxStates,
    pub gateways: Gateways,
    pub schedules: Schedules,
    pub unreadable: Unreadable,
}

/// Of these kinds an object that can't be read may be what a job at a gateway is there for.
const WANTING_JOBS: [&str; 2] = ["Agent", "CronJob"];

impl Stores {
    /// Whether nobody can tell which jobs of this namespace are still wanted.
    #[must_use]
    pub fn spares_jobs(&self, namespace: &str) -> bool {
        self.unreadable.lies_in(namespace, &WANTING_JOBS)
    }

    /// The gateway of this Agent, if it answers and its Pod is still there: another Pod may have the address of one that is gone.
    #[must_use]
    pub fn gateway(&self, namespace: &str, owner: &str) -> Option<Arc<Gateway>> {
        let gateway = self.gateways.of(namespace, owner)?;
        let pod = named(&self.pods, namespace, &gateway.pod)?;
        let is_it = ResourceExt::uid(&*pod).is_some_and(|uid| gateway.run.starts_with(&uid)) && !has_ended(&pod);
        is_it.then_some(gateway)
    }

    /// Waits until every store has seen the whole cluster once.
    pub async fn ready(&self) -> Result<(), WriterDropped> {
        future::try_join_all([
            self.agents.wait_until_ready().boxed(),
            self.providers.wait_until_ready().boxed(),
            self.sandboxes.wait_until_ready().boxed(),
            self.cron_jobs.wait_until_ready().boxed(),
            self.secrets.wait_until_ready().boxed(),
            self.config_map_metadata.wait_until_ready().boxed(),
            self.deployments.wait_until_ready().boxed(),
            self.config_maps.wait_until_ready().boxed(),
            self.services.wait_until_ready().boxed(),
            self.service_accounts.wait_until_ready().boxed(),
            self.network_policies.wait_until_ready().boxed(),
            self.claims.wait_until_ready().boxed(),
            self.pods.wait_until_ready().boxed(),
        ])
        .await
        .map(|_| ())
    }
}

/// The objects of a store that lie in this namespace and satisfy the predicate.
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

/// Whom events woke. Each end is drained at once into a scheduler that holds an object only once.
pub struct Queues {
    pub agents: UnboundedReceiver<ObjectRef<Agent>>,
    pub providers: UnboundedReceiver<ObjectRef<Provider>>,
    /// Agents whose own sandbox has to be looked at.
    pub sandboxes_of: UnboundedReceiver<ObjectRef<Agent>>,
    pub sandboxes: UnboundedReceiver<ObjectRef<Sandbox>>,
    /// Agents that own a gateway whose schedule has to be looked at.
    pub schedules: UnboundedReceiver<ObjectRef<Agent>>,
    pub cron_jobs: UnboundedReceiver<ObjectRef<CronJob>>,
}

/// The sending ends of [`Queues`].
#[derive(Clone)]
pub struct Waker {
    agents: UnboundedSender<ObjectRef<Agent>>,
    providers: UnboundedSender<ObjectRef<Provider>>,
    sandboxes_of: UnboundedSender<ObjectRef<Agent>>,
    sandboxes: UnboundedSender<ObjectRef<Sandbox>>,
    schedules: UnboundedSender<ObjectRef<Agent>>,
    cron_jobs: UnboundedSender<ObjectRef<CronJob>>,
}

impl Waker {
    /// Queues one object for a pass. A closed queue means that the process ends.
    pub fn wake(&self, wake: Wake) {
        let closed = match wake {
            Wake::Agent { namespace, name } => send(&self.agents, &namespace, &name),
            Wake::Provider { namespace, name } => send(&self.providers, &namespace, &name),
            Wake::SandboxOf { namespace, agent } => send(&self.sandboxes_of, &namespace, &agent),
            Wake::Sandbox { namespace, name } => send(&self.sandboxes, &namespace, &name),
            Wake::Schedule { namespace, owner } => send(&self.schedules, &namespace, &owner),
            Wake::CronJob { namespace, name } => send(&self.cron_jobs, &namespace, &name),
        };
        if closed {
            tracing::debug!("a queue is closed");
        }
    }
}

/// Whether the queue is closed.
fn send<K: Resource<DynamicType = ()>>(queue: &UnboundedSender<ObjectRef<K>>, namespace: &str, name: &str) -> bool {
    queue.send(ObjectRef::new(name).within(namespace)).is_err()
}

/// Starts every watch. The future drives them and never ends; drop it to stop.
#[must_use]
pub fn watch(client: &Client) -> (Arc<Stores>, Waker, Queues, BoxFuture<'static, ()>) {
    let (agents, agent_queue) = unbounded_channel();
    let (providers, provider_queue) = unbounded_channel();
    let (sandboxes_of, sandbox_of_queue) = unbounded_channel();
    let (sandboxes, sandbox_queue) = unbounded_channel();
    let (schedules, schedule_queue) = unbounded_channel();
    let (cron_jobs, cron_job_queue) = unbounded_channel();
    let waker = Waker { agents, providers, sandboxes_of, sandboxes, schedules, cron_jobs };
    let mut watches = Watches { client: client.clone(), pending: Vec::new() };
    let stores = Arc::new(Stores {
        agents: watches.guarded(),
        providers: watches.guarded(),
        sandboxes: watches.guarded(),
        cron_jobs: watches.guarded(),
        secrets: watches.metadata(),
        config_map_metadata: watches.metadata(),
        deployments: watches.children(),
        config_maps: watches.children(),
        services: watches.children(),
        service_accounts: watches.children(),
        network_policies: watches.children(),
        claims: watches.children(),
        pods: watches.pods(),
        sandbox_states: SandboxStates::default(),
        gateways: Gateways::default(),
        schedules: Schedules::default(),
        unreadable: Unreadable::default(),
    });
    let driven: Vec<_> = watches.pending.into_iter().map(|start| start(Arc::clone(&stores), waker.clone())).collect();
    let all = future::join_all(driven).map(|_| ()).boxed();
    let queues = Queues {
        agents: agent_queue,
        providers: provider_queue,
        sandboxes_of: sandbox_of_queue,
        sandboxes: sandbox_queue,
        schedules: schedule_queue,
        cron_jobs: cron_job_queue,
    };
    (stores, waker, queues, all)
}

type Start = Box<dyn FnOnce(Arc<Stores>, Waker) -> BoxFuture<'static, ()> + Send>;

/// The watches that are described and not yet started: they need the stores, which need their readers.
struct Watches {
    client: Client,
    pending: Vec<Start>,
}

impl Watches {
    /// A kind of ours: an object that does not parse is a warning, not a dead watch.
    fn guarded<K>(&mut self) -> Store<K>
    where
        K: Resource<DynamicType = ()> + triggers::Wakes + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
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
        Observed<K>: triggers::Wakes,
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

    /// Only names, versions and owners: what users keep in these objects is none of our memory's business.
    fn metadata<K>(&mut self) -> Store<PartialObjectMeta<K>>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + Sync
            + 'static,
        PartialObjectMeta<K>: triggers::Wakes,
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
        K: Lookup<DynamicType = ()> + triggers::Wakes + Clone + Send + Sync + 'static,
    {
        let writer = Writer::<K>::default();
        let reader = writer.as_reader();
        self.pending.push(Box::new(move |stores, waker| drive(stream, writer, convert, stores, waker).boxed()));
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

/// What the store keeps of a watched object; of one that does not parse, its metadata.
type Convert<W, K> = fn(W) -> Result<K, Box<ObjectMeta>>;

/// What the store is to keep of a watched object; of one that does not parse, what it kept before: the last good state stays.
fn read<K>(stores: &Stores, reader: &Store<K>, converted: Result<K, Box<ObjectMeta>>, is_gone: bool) -> Option<K>
where
    K: Lookup<DynamicType = ()> + Clone + 'static,
{
    let (place, is_readable) = match &converted {
        Ok(object) => (object.to_object_ref(()), true),
        Err(metadata) => {
            let name = ObjectRef::new(metadata.name.as_deref().unwrap_or_default());
            (name.within(metadata.namespace.as_deref().unwrap_or_default()), false)
        }
    };
    let namespace = place.namespace.as_deref().unwrap_or_default();
    stores.unreadable.remember(&K::kind(&()), namespace, &place.name, is_readable || is_gone);
    converted.ok().or_else(|| reader.get(&place).map(|object| K::clone(&object)))
}

/// Keeps one store true and wakes whom each event concerns. After a lost watch the list says nothing of what was deleted
/// meanwhile: so what is no longer there wakes too.
async fn drive<W, K>(
    stream: impl Stream<Item = watcher::Result<Event<W>>> + Send,
    mut writer: Writer<K>,
    convert: Convert<W, K>,
    stores: Arc<Stores>,
    waker: Waker,
) where
    K: Lookup<DynamicType = ()> + triggers::Wakes + Clone + Send + Sync + 'static,
{
    let reader = writer.as_reader();
    let wake = |object: &K| object.wakes(&stores).into_iter().for_each(|wake| waker.wake(wake));
    let mut stream = std::pin::pin!(
        stream.default_backoff().inspect_err(|error| tracing::warn!(kind = %K::kind(&()), %error, "watch interrupted"))
    );
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(Event::Apply(object)) => read(&stores, &reader, convert(object), false).map(Event::Apply),
            // Gone is gone, whether its last state could be read or not.
            Ok(Event::Delete(object)) => read(&stores, &reader, convert(object), true).map(Event::Delete),
            Ok(Event::InitApply(object)) => read(&stores, &reader, convert(object), false).map(Event::InitApply),
            Ok(Event::Init) => {
                stores.unreadable.begin_list(&K::kind(&()));
                Some(Event::Init)
            }
            Ok(Event::InitDone) => {
                stores.unreadable.end_list(&K::kind(&()));
                Some(Event::InitDone)
            }
            Err(_) => None,
        };
        let Some(event) = event else { continue };
        // What an object named before concerns as many as what it names now: an Agent that leaves, a label edited by hand.
        let before = match &event {
            Event::InitDone => reader.state(),
            Event::Apply(object) => reader.get(&object.to_object_ref(())).into_iter().collect(),
            _ => Vec::new(),
        };
        writer.apply_watcher_event(&event);
        match &event {
            Event::Apply(object) => before.iter().map(AsRef::as_ref).chain([object]).for_each(wake),
            Event::Delete(object) => wake(object),
            Event::InitDone => {
                reader.state().iter().for_each(|object| wake(object));
                let gone = |object: &Arc<K>| reader.get(&object.to_object_ref(())).is_none();
                before.iter().filter(|object| gone(object)).for_each(|object| wake(object));
            }
            Event::Init | Event::InitApply(_) => {}
        }
    }
}

/// The name and namespace of an object, for messages and keys.
pub fn place<K: Resource>(object: &K) -> (String, String) {
    (ResourceExt::namespace(object).unwrap_or_default(), object.name_any())
}
