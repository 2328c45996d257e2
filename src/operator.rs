//! `creel operator`: stores, controllers, leader election, one shutdown. Touches the network.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_controller::LeaderElection;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::api::{Agent, CronJob, Provider, Sandbox};
use crate::cron_job;
use crate::gateway;
use crate::kubernetes::errors::{is_conflict, is_namespace_terminating};
use crate::kubernetes::reconciler::{Controls, PassError};
use crate::openclaw::rpc::{AdminClient, RpcError};
use crate::provider;
use crate::references::checker::Presence;
use crate::sandbox;
use crate::sandbox_template;
use crate::settings::Settings;
use crate::telemetry::health::{self, Readiness};
use crate::telemetry::metrics::{Metrics, Outcome};
use crate::world::stores::{self, Stores, Waker};

/// The Lease that one replica holds.
const LEASE: &str = "creel-operator";
/// So many objects of a kind at once: without a limit memory triples and everything gets slower.
const AT_ONCE: u16 = 16;
/// A pass that takes longer is given up and tried again later.
const PASS_LIMIT: Duration = Duration::from_secs(30);
/// How soon to look again where somebody else was faster.
const CONFLICT: Duration = Duration::from_millis(500);

/// Why the operator stopped.
#[derive(Debug, Error)]
pub enum OperatorError {
    #[error("no Kubernetes cluster: neither a service account nor a usable kubeconfig")]
    Cluster(#[source] Box<kube::Error>),
    #[error("the CRDs of Creel are not installed ({0}): apply crds/, or install the chart")]
    CrdsMissing(#[source] Box<kube::Error>),
    #[error("{listen} can't be listened on for health and metrics")]
    Listen { listen: std::net::SocketAddr, source: std::io::Error },
    #[error("signals can't be received")]
    Signals(#[source] std::io::Error),
    #[error("the client for gateways can't be built")]
    Admin(#[source] RpcError),
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
    #[error("a watch ended")]
    WatchEnded,
    #[error("the Lease \"{LEASE}\" was lost to another replica")]
    LeaseLost,
}

/// Runs until a signal, or until something makes going on wrong.
pub async fn run(settings: Settings) -> Result<(), OperatorError> {
    let client = Client::try_default().await.map_err(|source| OperatorError::Cluster(Box::new(source)))?;
    let readiness = Arc::new(Readiness::default());
    let metrics = Arc::new(Metrics::default());
    let listen = settings.listen;
    let serve = health::serve(listen, Arc::clone(&readiness), Arc::clone(&metrics));
    let election = LeaderElection::new(client.clone(), &settings.namespace, LEASE, &settings.identity);
    let result = tokio::select! {
        served = serve => served.map_err(|source| OperatorError::Listen { listen, source }),
        worked = lead(client, settings, &election, &readiness, &metrics) => worked,
        stopped = stop_signal() => stopped.map_err(OperatorError::Signals),
    };
    // The next replica need not wait until the Lease runs out.
    election.release().await;
    result
}

async fn stop_signal() -> Result<(), std::io::Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    Ok(())
}

/// Waits for the Lease, then works. Replicas that do not lead are ready too: they only wait.
async fn lead(
    client: Client,
    settings: Settings,
    election: &LeaderElection,
    readiness: &Readiness,
    metrics: &Arc<Metrics>,
) -> Result<(), OperatorError> {
    wait_for_crds(&client, readiness).await?;
    readiness.set(None);
    // On the heap: it holds every controller.
    let work = Box::pin(control(client, settings, readiness, metrics));
    let result = election.with_lease(work).await;
    metrics.leads(false);
    result.unwrap_or(Err(OperatorError::LeaseLost))
}

/// A fresh `helm install` may start the operator a moment before its CRDs are served.
async fn wait_for_crds(client: &Client, readiness: &Readiness) -> Result<(), OperatorError> {
    readiness.set(Some("the CRDs of creel.dev are not served yet"));
    let started = Instant::now();
    loop {
        let found = futures::try_join!(
            served::<Agent>(client),
            served::<Provider>(client),
            served::<Sandbox>(client),
            served::<CronJob>(client)
        )
        .map(|_| ());
        match found {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > Duration::from_mins(1) => {
                return Err(OperatorError::CrdsMissing(Box::new(error)));
            }
            Err(error) => {
                tracing::info!(%error, "waiting for the CRDs");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn served<K>(client: &Client) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    Api::<K>::all(client.clone()).list_metadata(&kube::api::ListParams::default().limit(1)).await.map(|_| ())
}

/// Fills the stores, then runs the controllers on them.
async fn control(
    client: Client,
    settings: Settings,
    readiness: &Readiness,
    metrics: &Arc<Metrics>,
) -> Result<(), OperatorError> {
    metrics.leads(true);
    readiness.set(Some("the stores are not filled yet"));
    let (stores, waker, queues, watches) = stores::watch(&client);
    let presence = || Presence::new(&client, &stores).map_err(OperatorError::Random);
    let providers = Arc::new(provider::driver::Context(presence()?));
    let sandboxes = Arc::new(sandbox_template::driver::Context(presence()?));
    let sandboxes_of = sandbox_context(&client, &stores, waker.clone(), &settings);
    let admin = AdminClient::new(metrics.gateway_calls.clone()).map_err(OperatorError::Admin)?;
    let schedules = cron_job::context::SetContext::new(Arc::clone(&stores), waker.clone(), admin.clone());
    let cron_jobs = cron_job_context(&client, &stores, waker.clone(), &admin, &settings);
    let agents = gateway::context::Context::new(&client, Arc::clone(&stores), waker, settings, admin);
    let work = async {
        stores.ready().await.map_err(|_| OperatorError::WatchEnded)?;
        readiness.set(None);
        tracing::info!("the stores are filled; working");
        tokio::join!(
            run_controller(stores.agents.clone(), queues.agents, Arc::new(agents), metrics),
            run_controller(stores.providers.clone(), queues.providers, providers, metrics),
            run_controller(stores.agents.clone(), queues.sandboxes_of, sandboxes_of, metrics),
            run_controller(stores.sandboxes.clone(), queues.sandboxes, sandboxes, metrics),
            run_controller(stores.agents.clone(), queues.schedules, Arc::new(schedules), metrics),
            run_controller(stores.cron_jobs.clone(), queues.cron_jobs, cron_jobs, metrics),
        );
        Ok(())
    };
    tokio::select! {
        () = watches => Err(OperatorError::WatchEnded),
        worked = work => worked,
    }
}

fn cron_job_context(
    client: &Client,
    stores: &Arc<Stores>,
    waker: Waker,
    admin: &AdminClient,
    settings: &Settings,
) -> Arc<cron_job::context::Context> {
    let identity = &settings.identity;
    Arc::new(cron_job::context::Context::new(client, Arc::clone(stores), waker, admin.clone(), identity))
}

fn sandbox_context(
    client: &Client,
    stores: &Arc<Stores>,
    waker: Waker,
    settings: &Settings,
) -> Arc<sandbox::context::Context> {
    let (shell_image, api_server) = (settings.shell_image.clone(), settings.api_server());
    Arc::new(sandbox::context::Context::new(client, Arc::clone(stores), waker, shell_image, api_server))
}

/// Runs one controller until the process ends.
async fn run_controller<C: Controls>(
    store: Store<C::Object>,
    queue: UnboundedReceiver<ObjectRef<C::Object>>,
    context: Arc<C>,
    metrics: &Arc<Metrics>,
) {
    let metrics = Arc::clone(metrics);
    let reconcile = move |object: Arc<C::Object>, context: Arc<C>| {
        let metrics = Arc::clone(&metrics);
        async move {
            let (started, uid) = (Instant::now(), object.uid().unwrap_or_default());
            // On the heap: a pass may hold many children at once.
            let pass = tokio::time::timeout(PASS_LIMIT, Box::pin(context.reconcile(object))).await;
            let outcome = match &pass {
                Ok(Ok(_)) => Outcome::Done,
                Ok(Err(_)) => Outcome::Failed,
                Err(_elapsed) => Outcome::TimedOut,
            };
            metrics.pass(C::NAME, outcome, started.elapsed());
            let result = pass.unwrap_or_else(|_elapsed| Err(PassError::TimedOut(PASS_LIMIT)));
            if result.is_ok() {
                context.backoff().succeeded(&uid);
            }
            result
        }
    };
    let failed = |object: Arc<C::Object>, error: &PassError, context: Arc<C>| {
        let (controller, name, namespace) = (C::NAME, object.name_any(), object.namespace());
        if error.api().is_some_and(is_conflict) {
            tracing::info!(controller, name, namespace, %error, "somebody else was faster; looking again");
            return Action::requeue(CONFLICT);
        }
        if error.api().is_some_and(is_namespace_terminating) {
            tracing::debug!(controller, name, namespace, "the namespace is being deleted");
            return Action::await_change();
        }
        let wait = context.backoff().failed(&object.uid().unwrap_or_default());
        tracing::warn!(controller, name, namespace, %error, wait = wait.as_secs(), "a pass failed");
        Action::requeue(wait)
    };
    let (known, memory) = (store.clone(), Arc::clone(&context));
    let gone = move |object: &ObjectRef<C::Object>| {
        if known.get(object).is_none() {
            memory.forget(object.namespace.as_deref().unwrap_or_default(), &object.name);
        }
    };
    controller(store, queue, gone).run(reconcile, failed, context).for_each(|_| async {}).await;
}

/// A controller that only the queue wakes: the watches are shared and lie elsewhere. `woken` sees each object first.
fn controller<K>(
    store: Store<K>,
    queue: UnboundedReceiver<ObjectRef<K>>,
    woken: impl Fn(&ObjectRef<K>) + Send + 'static,
) -> Controller<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let queue =
        stream::unfold(queue, |mut queue| async { queue.recv().await.map(|object| (object, queue)) }).inspect(woken);
    Controller::for_shared_stream(stream::pending(), store)
        .with_config(controller::Config::default().concurrency(AT_ONCE))
        .reconcile_on(queue)
}

/// Kept here so that the whole life of the process is in one place.
pub fn block_on<F: Future>(future: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}
