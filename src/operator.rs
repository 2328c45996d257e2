//! `creel operator`: stores, controllers, leader election, one shutdown. Touches the network.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_controller::LeaderElection;
use kube::Client;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::agent;
use crate::cron_job;
use crate::fence::fences::Fences;
use crate::gateway;
use crate::jobs;
use crate::kubernetes::errors::is_not_found;
use crate::openclaw::rpc::{AdminClient, RpcError};
use crate::pods::resolv_conf::dns_servers;
use crate::provider;
use crate::references::checker::ReferenceChecker;
use crate::sandbox;
use crate::sandbox_template;
use crate::settings::Settings;
use crate::telemetry::health::{self, Readiness};
use crate::telemetry::metrics::Metrics;
use crate::world::facts::Facts;
use crate::world::queues::queues;
use crate::world::registry::{self, NotServed, Watching};
use crate::world::runtime::Runtime;
use crate::world::stores::Stores;

/// The Lease that one replica holds.
const LEASE: &str = "creel-operator";
/// How long CRDs that were just applied may take to be served.
const CRDS_TAKE: Duration = Duration::from_mins(1);
/// Why the operator stopped.
#[derive(Debug, Error)]
pub enum OperatorError {
    #[error("no Kubernetes cluster: neither a service account nor a usable kubeconfig")]
    Cluster(#[source] Box<kube::Error>),
    #[error("{0}: apply crds/, or install the chart")]
    NotServed(Box<NotServed>),
    #[error("cannot listen on {listen} for health and metrics")]
    Listen { listen: std::net::SocketAddr, source: std::io::Error },
    #[error("cannot receive signals")]
    Signals(#[source] std::io::Error),
    #[error("cannot build the client for gateways")]
    Admin(#[source] RpcError),
    #[error("cannot read random bytes from the operating system")]
    Random(#[source] getrandom::Error),
    #[error("a watch stream ended unexpectedly")]
    WatchEnded,
    #[error("the Lease \"{LEASE}\" was lost to another replica")]
    LeaseLost,
}

/// Runs until a signal, or until something makes going on wrong.
pub async fn run(mut settings: Settings) -> Result<(), OperatorError> {
    if settings.dns_servers.is_empty() {
        settings.dns_servers = dns_servers();
    }
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
    wait_for_kinds(&client, readiness).await?;
    readiness.set(None);
    // On the heap: it holds every controller.
    let work = Box::pin(control(client, settings, readiness, metrics));
    let result = election.with_lease(work).await;
    metrics.leads(false);
    result.unwrap_or(Err(OperatorError::LeaseLost))
}

/// A fresh `helm install` may start the operator a moment before its CRDs are served. An API server that does not answer is waited for.
async fn wait_for_kinds(client: &Client, readiness: &Readiness) -> Result<(), OperatorError> {
    readiness.set(Some("not every kind that is watched can be listed yet: see the log"));
    let started = Instant::now();
    loop {
        match registry::served(client).await {
            Ok(()) => return Ok(()),
            Err(missing) if is_not_found(&missing.source) && started.elapsed() > CRDS_TAKE => {
                return Err(OperatorError::NotServed(Box::new(missing)));
            }
            Err(missing) => {
                tracing::info!(%missing, "waiting for the API server");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Fills the stores, then runs the controllers on them.
async fn control(
    client: Client,
    settings: Settings,
    readiness: &Readiness,
    metrics: &Arc<Metrics>,
) -> Result<(), OperatorError> {
    metrics.leads(true);
    readiness.set(Some("the caches are not filled yet"));
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
    let references = || ReferenceChecker::new(client).map_err(OperatorError::Random);
    let admin = AdminClient::new(metrics.gateway_calls.clone()).map_err(OperatorError::Admin)?;
    let fences = Arc::new(Fences::new(client, Arc::clone(stores)));
    let agents = agent::context::Context::new(client, world(), &settings.identity);
    let sandboxes = sandbox::context::Context::new(client, world(), Arc::clone(&fences), &settings);
    let templates = sandbox_template::driver::Context {
        client: client.clone(),
        stores: Arc::clone(stores),
        facts: Arc::clone(facts),
        references: references()?,
    };
    let jobs = jobs::context::Context::new(world(), admin.clone());
    let cron_jobs = cron_job::context::Context::new(client, world(), admin.clone(), &settings.identity);
    let providers =
        provider::driver::Context { client: client.clone(), stores: Arc::clone(stores), references: references()? };
    let gateways = gateway::context::Context::new(client, world(), Arc::clone(&fences), settings, admin);
    Ok(runtime
        .namespaces(fences)
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
