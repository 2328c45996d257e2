//! Keeps one store true, and queues whom each event concerns. Touches the network.

use std::fmt::Debug;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use kube::core::ObjectMeta;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};

use super::queues::{Queues, Trigger};
use super::unparsable::Unparsable;

/// What the store keeps of a watched object; of one that does not parse, its metadata.
pub type Convert<W, K> = Box<dyn Fn(W) -> Result<K, Box<ObjectMeta>> + Send + Sync>;

/// After so many objects of a list other work gets its turn: whom an object concerns is looked up in all stores.
const AT_ONCE: usize = 100;

/// Whether the operator can work without a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    /// In a cluster that does not serve the kind there are no objects of it. Once it is served, they are watched.
    Optional,
}

/// What happened to an object.
pub enum Change<'a, K> {
    /// It is, or was, `after`. `before`: the state before, if there was one.
    To { before: Option<&'a K>, after: &'a K },
    /// It does not parse, or does again.
    Parsing { namespace: &'a str, name: &'a str },
}

/// A watch of one kind.
pub struct Watch<W, K, T>
where
    K: Lookup<DynamicType = ()> + Clone + 'static,
{
    pub writer: Writer<K>,
    pub convert: Convert<W, K>,
    /// Whom a change concerns.
    pub triggers: T,
    pub queues: Queues,
    pub unparsable: Arc<Unparsable>,
    pub need: Need,
}

impl<W, K, T, I> Watch<W, K, T>
where
    K: Lookup<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    T: Fn(Change<'_, K>) -> I,
    I: IntoIterator<Item = Trigger>,
{
    /// Ends with the stream. After a lost watch the list says nothing of what was deleted meanwhile: so what is no longer there is
    /// queued too.
    pub async fn drive(mut self, stream: impl Stream<Item = watcher::Result<Event<W>>> + Send) {
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => {
                    let event = self.read(event);
                    if let Some(event) = event {
                        self.apply(&event).await;
                    }
                }
                Err(error) if self.need == Need::Optional && is_not_served(&error) => {
                    self.apply(&Event::Init).await;
                    self.apply(&Event::InitDone).await;
                }
                Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "a watch was interrupted"),
            }
        }
    }

    fn read(&self, event: Event<W>) -> Option<Event<K>> {
        match event {
            Event::Apply(object) => self.convert(object, false).map(Event::Apply),
            // Gone is gone, whether its last state could be read or not.
            Event::Delete(object) => self.convert(object, true).map(Event::Delete),
            Event::InitApply(object) => self.convert(object, false).map(Event::InitApply),
            Event::Init => {
                self.unparsable.begin_list(&K::kind(&()));
                Some(Event::Init)
            }
            Event::InitDone => {
                for (namespace, name) in self.unparsable.end_list(&K::kind(&())) {
                    self.queue(Change::Parsing { namespace: &namespace, name: &name });
                }
                Some(Event::InitDone)
            }
        }
    }

    /// What the store is to keep of a watched object; of one that does not parse, what it kept before: the last good state stays.
    fn convert(&self, object: W, is_gone: bool) -> Option<K> {
        let converted = (self.convert)(object);
        let (key, parses) = match &converted {
            Ok(object) => (object.to_object_ref(()), true),
            Err(metadata) => {
                let name = ObjectRef::new(metadata.name.as_deref().unwrap_or_default());
                (name.within(metadata.namespace.as_deref().unwrap_or_default()), false)
            }
        };
        let namespace = key.namespace.as_deref().unwrap_or_default();
        if self.unparsable.remember(&K::kind(&()), namespace, &key.name, parses || is_gone) {
            self.queue(Change::Parsing { namespace, name: &key.name });
        }
        converted.ok().or_else(|| self.reader().get(&key).map(|object| K::clone(&object)))
    }

    fn reader(&self) -> Store<K> {
        self.writer.as_reader()
    }

    async fn apply(&mut self, event: &Event<K>) {
        let reader = self.reader();
        let before = match event {
            Event::InitDone => reader.state(),
            Event::Apply(object) => reader.get(&object.to_object_ref(())).into_iter().collect(),
            _ => Vec::new(),
        };
        self.writer.apply_watcher_event(event);
        match event {
            Event::Apply(object) => {
                self.queue(Change::To { before: before.first().map(AsRef::as_ref), after: object });
            }
            Event::Delete(object) => self.queue(Change::To { before: None, after: object }),
            Event::InitDone => {
                let gone = |object: &&Arc<K>| reader.get(&object.to_object_ref(())).is_none();
                for (count, object) in reader.state().iter().chain(before.iter().filter(gone)).enumerate() {
                    if count % AT_ONCE == AT_ONCE - 1 {
                        tokio::task::yield_now().await;
                    }
                    self.queue(Change::To { before: None, after: object });
                }
            }
            Event::Init | Event::InitApply(_) => {}
        }
    }

    fn queue(&self, change: Change<'_, K>) {
        self.queues.push((self.triggers)(change));
    }
}

/// The API server does not know the kind.
fn is_not_served(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))) = error
    else {
        return false;
    };
    status.code == 404
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::stream;
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::super::queues::{Controller, queues};
    use super::*;

    type Names = Vec<String>;

    /// What is queued and what the store holds once these events have come.
    async fn watched(need: Need, events: Vec<watcher::Result<Event<ConfigMap>>>) -> (Names, Names) {
        let (queues, mut receivers) = queues();
        let writer = Writer::default();
        let reader = writer.as_reader();
        let triggers = |change: Change<'_, ConfigMap>| match change {
            Change::To { after, .. } => Some(Trigger::new(Controller::Agent, "", after.metadata.name.clone().unwrap())),
            Change::Parsing { .. } => None,
        };
        let watch = Watch { writer, convert: Box::new(Ok), triggers, queues, unparsable: Arc::default(), need };
        // The watch goes on after the last event: there are no more.
        watch.drive(stream::iter(events)).await;
        let mut queue = receivers.take(Controller::Agent);
        let names = std::iter::from_fn(|| queue.try_recv().ok()).map(|trigger| trigger.name).collect();
        let held = reader.state().iter().map(|object| object.metadata.name.clone().unwrap()).collect();
        (names, held)
    }

    fn map(name: &str) -> ConfigMap {
        serde_json::from_value(serde_json::json!({"metadata": {"name": name, "namespace": "assistants"}})).unwrap()
    }

    fn not_served() -> watcher::Error {
        let status = serde_json::json!({"status": "Failure", "message": "404 page not found", "code": 404});
        watcher::Error::InitialListFailed(kube::Error::Api(Box::new(serde_json::from_value(status).unwrap())))
    }

    #[tokio::test]
    async fn what_a_new_list_lacks_is_queued_too() {
        let list = |names: &[&str]| {
            let objects = names.iter().map(|name| Ok(Event::InitApply(map(name)))).collect::<Vec<_>>();
            std::iter::once(Ok(Event::Init)).chain(objects).chain([Ok(Event::InitDone)]).collect::<Vec<_>>()
        };
        let events = list(&["gone"]).into_iter().chain(list(&["here"])).collect();
        let (queued, held) = watched(Need::Required, events).await;
        assert_eq!((queued, held), (vec!["gone".into(), "here".into(), "gone".into()], vec!["here".into()]));
    }

    #[tokio::test]
    async fn a_long_list_leaves_other_work_its_turn() {
        let (turns, objects) = (std::cell::Cell::new(0), 10 * AT_ONCE);
        let list = (0..objects).map(|number| Ok(Event::InitApply(map(&number.to_string()))));
        let events = std::iter::once(Ok(Event::Init)).chain(list).chain([Ok(Event::InitDone)]).collect();
        let other = async {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        let queued = tokio::select! {
            biased;
            (queued, _) = watched(Need::Required, events) => queued,
            () = other => Vec::new(),
        };
        assert_eq!(queued.len(), objects);
        assert!(turns.get() >= 9, "{} turns", turns.get());
    }

    #[tokio::test]
    async fn an_optional_kind_that_is_not_served_is_an_empty_store_until_it_is() {
        let (queued, held) = watched(Need::Optional, vec![Err(not_served())]).await;
        assert!(queued.is_empty() && held.is_empty());
        let listed = [Ok(Event::Init), Ok(Event::InitApply(map("route"))), Ok(Event::InitDone)];
        let events = std::iter::once(Err(not_served())).chain(listed).collect();
        assert_eq!(watched(Need::Optional, events).await.1, ["route"]);
    }
}
