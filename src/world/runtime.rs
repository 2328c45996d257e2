//! Runs the controllers on the shared stores: a limit in number, back-off, what is kept of each object. Touches the network through them.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, future, stream};
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

use super::attempt::{wait_after, within_time};
use super::namespaces::{self, NamespaceReconciler};
use super::queues::{Controller, Receivers, Trigger};
use super::stores::key_of;
use crate::kubernetes::backoff::Backoff;
use crate::kubernetes::caches::uids::UidTracker;
use crate::kubernetes::reconciler::ReconcileError;
use crate::openclaw::places::in_place;
use crate::telemetry::metrics::Metrics;

/// So many objects of a controller at once: without a limit memory triples and everything gets slower.
const MAX_CONCURRENT: usize = 16;
/// So many with those that wait for a gateway, or for a place.
const MAX_IN_PROGRESS: u16 = 512;

/// A controller: one reconcile of one object, and what is shared between reconciles.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind whose objects are its keys.
    type Object: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static;
    /// Whose queue it serves.
    const CONTROLLER: Controller;

    /// One reconcile.
    fn reconcile(&self, object: Arc<Self::Object>) -> impl Future<Output = Result<Action, ReconcileError>> + Send;

    /// The object is gone, and perhaps another one has its name: forget what is kept of it.
    fn forget(&self, _gone: &Gone<'_>) {}
}

/// An object that is gone.
#[derive(Clone, Copy, Debug)]
pub struct Gone<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
}

/// The controllers that are to run.
pub struct Runtime {
    receivers: Receivers,
    metrics: Arc<Metrics>,
    controllers: Vec<BoxFuture<'static, ()>>,
}

impl Runtime {
    #[must_use]
    pub fn new(receivers: Receivers, metrics: Arc<Metrics>) -> Self {
        Self { receivers, metrics, controllers: Vec::new() }
    }

    /// Adds a controller for the objects of this store.
    #[must_use]
    pub fn controller<R: Reconciler>(mut self, store: &Store<R::Object>, reconciler: R) -> Self {
        let runner = Runner {
            reconciler,
            store: store.clone(),
            backoff: Backoff::default(),
            uids: UidTracker::default(),
            metrics: Arc::clone(&self.metrics),
            room: Arc::new(Semaphore::new(MAX_CONCURRENT)),
        };
        self.controllers.push(run(Arc::new(runner), self.receivers.take(R::CONTROLLER)).boxed());
        self
    }

    /// Adds a controller of namespaces.
    #[must_use]
    pub fn namespaces<R: NamespaceReconciler>(mut self, reconciler: Arc<R>) -> Self {
        let queue = self.receivers.take(R::CONTROLLER);
        self.controllers.push(namespaces::run(reconciler, queue, Arc::clone(&self.metrics)).boxed());
        self
    }

    /// Runs all of them until the process ends.
    pub async fn run(self) {
        future::join_all(self.controllers).await;
    }
}

/// One controller, with what is kept of each of its objects.
struct Runner<R: Reconciler> {
    reconciler: R,
    store: Store<R::Object>,
    backoff: Backoff,
    uids: UidTracker,
    metrics: Arc<Metrics>,
    room: Arc<Semaphore>,
}

/// Only the queue triggers it: the watches are shared and lie elsewhere.
async fn run<R: Reconciler>(runner: Arc<Runner<R>>, queue: UnboundedReceiver<Trigger>) {
    let seen = Arc::clone(&runner);
    let triggers = stream::unfold(queue, |mut queue| async { queue.recv().await.map(|trigger| (trigger, queue)) })
        .map(|trigger| ObjectRef::new(&trigger.name).within(&trigger.namespace))
        .inspect(move |object| seen.forget_if_gone(object));
    controller::Controller::for_shared_stream(stream::pending(), runner.store.clone())
        .with_config(controller::Config::default().concurrency(MAX_IN_PROGRESS))
        .reconcile_on(triggers)
        .run(
            |object, runner: Arc<Runner<R>>| async move { runner.reconcile(object).await },
            |object, error, runner| runner.failed(&object, error),
            runner,
        )
        .for_each(|_| future::ready(()))
        .await;
}

impl<R: Reconciler> Runner<R> {
    async fn reconcile(&self, object: Arc<R::Object>) -> Result<Action, ReconcileError> {
        let uid = object.uid().unwrap_or_default();
        self.track(&object, &uid);
        let reconcile = || within_time(R::CONTROLLER, &self.metrics, self.reconciler.reconcile(object));
        let result = in_place(&self.room, reconcile).await;
        if result.is_ok() {
            self.backoff.succeeded(&uid);
        }
        result
    }

    fn failed(&self, object: &R::Object, error: &ReconcileError) -> Action {
        let ((namespace, name), uid) = (key_of(object), object.uid().unwrap_or_default());
        let wait = wait_after(error, R::CONTROLLER, (&namespace, &name), &self.backoff, &uid);
        wait.map_or_else(Action::await_change, Action::requeue)
    }

    /// Remembers the UID behind a name, for the time when the object is gone.
    fn track(&self, object: &R::Object, uid: &str) {
        let (namespace, name) = key_of(object);
        if let Some(before) = self.uids.track(&namespace, &name, uid) {
            self.forget(&Gone { namespace: &namespace, name: &name, uid: &before });
        }
    }

    fn forget_if_gone(&self, object: &ObjectRef<R::Object>) {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        if self.store.get(object).is_none()
            && let Some(uid) = self.uids.forget(namespace, &object.name)
        {
            self.forget(&Gone { namespace, name: &object.name, uid: &uid });
        }
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.backoff.succeeded(gone.uid);
        self.reconciler.forget(gone);
    }
}
