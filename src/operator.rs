//! `creel operator`: stores, controllers, leader election, one shutdown. Touches the network.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_controller::LeaderElection;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::agent;
use crate::api::{Agent, CronJob, Provider, Sandbox};
use crate::cron_job;
use crate::gateway;
use crate::openclaw::rpc::{AdminClient, RpcError};
use crate::provider;
use crate::references::checker::Presence;
use crate::sandbox;
use crate::sandbox_template;
use crate::settings::Settings;
use crate::telemetry::health::{self, Readiness};
use crate::telemetry::metrics::Metrics;
use crate::world::facts::Facts;
use crate::world::queues::queues;
use crate::world::registry::{self, Watching};
use crate::world::runtime::Runtime;
use crate::world::stores::Stores;

/// The Lease that one replica holds.
const LEASE: &str = "creel-operator";
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
    let (queues, receivers) = queues();
    let Watching { stores, ready, watches } = registry::watch(&client, &queues);
    let facts = Arc::new(Facts::new(Arc::clone(&stores), queues));
    let runtime = Runtime::new(receivers, Arc::clone(metrics));
    let runtime = controllers(runtime, &client, &stores, &facts, settings, metrics)?;
    let work = async {
        ready.await.map_err(|_| OperatorError::WatchEnded)?;
        readiness.set(None);
        tracing::info!("the stores are filled; working");
        runtime.run().await;
        Ok(())
    };
    tokio::select! {
        () = watches => Err(OperatorError::WatchEnded),
        worked = work => worked,
    }
}

/// Every controller, one line each.
fn controllers(
    runtime: Runtime,
    client: &Client,
    stores: &Arc<Stores>,
    facts: &Arc<Facts>,
    settings: Settings,
    metrics: &Metrics,
) -> Result<Runtime, OperatorError> {
    let world = || (Arc::clone(stores), Arc::clone(facts));
    let presence = || Presence::new(client, stores).map_err(OperatorError::Random);
    let admin = AdminClient::new(metrics.gateway_calls.clone()).map_err(OperatorError::Admin)?;
    let agents = agent::context::Context::new(client, world(), &settings.identity);
    let sandboxes = sandbox::context::Context::new(client, world(), &settings);
    let templates = sandbox_template::driver::Context { presence: presence()?, facts: Arc::clone(facts) };
    let jobs = crate::jobs::context::Context::new(world(), admin.clone());
    let cron_jobs = cron_job::context::Context::new(client, world(), admin.clone(), &settings.identity);
    let providers = provider::driver::Context(presence()?);
    let gateways = gateway::context::Context::new(client, world(), settings, admin);
    Ok(runtime
        .controller(&stores.agents, gateways)
        .controller(&stores.agents, agents)
        .controller(&stores.agents, sandboxes)
        .controller(&stores.sandboxes, templates)
        .controller(&stores.agents, jobs)
        .controller(&stores.cron_jobs, cron_jobs)
        .controller(&stores.providers, providers))
}

/// Kept here so that the whole life of the process is in one place.
pub fn block_on<F: Future>(future: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}
