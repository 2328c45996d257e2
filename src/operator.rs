//! `creel operator`: stores, controllers, leader election, one shutdown. Touches the network.
//!
//! The Lease, health and signals have a thread of their own, and the watches and controllers have others: however long these compute,
//! the Lease is renewed in time and the kubelet gets its answer.

mod core_dumps;

use std::collections::BTreeSet;
use std::future::{self, Future};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_controller::LeaderElection;
use kube::Client;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::agent;
use crate::channels;
use crate::cron_job;
use crate::devices;
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
use crate::telemetry::health::{self, Health};
use crate::telemetry::metrics::Metrics;
use crate::world::facts::Facts;
use crate::world::located::Located;
use crate::world::queues::queues;
use crate::world::registry::{self, Filling, NotServed, Watching};
use crate::world::runtime::Runtime;
use crate::world::stores::Stores;

/// The Lease that one replica holds.
const LEASE: &str = "creel-operator";
/// How long CRDs that were just applied may take to be served.
const CRDS_TAKE: Duration = Duration::from_mins(1);
/// How long reconciles in progress have to stop. What computes for longer is cut off.
const STOPPING_TAKES: Duration = Duration::from_secs(1);
/// An API server that does not answer must not keep the process until the kubelet kills it: a Lease also runs out.
const RELEASE_TAKES: Duration = Duration::from_secs(3);

/// How often the work says that it goes on.
const BEAT: Duration = Duration::from_secs(5);

/// Why the operator stopped.
#[derive(Debug, Error)]
pub enum OperatorError {
    #[error("no Kubernetes cluster: neither a service account nor a usable kubeconfig")]
    Cluster(#[source] Box<kube::Error>),
    #[error("{0}: apply crds/, or install the chart")]
    NotServed(Box<NotServed>),
    #[error("cannot listen on {listen} for health and metrics")]
    Listen { listen: std::net::SocketAddr, source: std::io::Error },
    #[error("cannot forbid core dumps")]
    CoreDumps(#[source] std::io::Error),
    #[error("cannot start threads")]
    Threads(#[source] std::io::Error),
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
pub fn run(mut settings: Settings) -> Result<(), OperatorError> {
    core_dumps::forbid().map_err(OperatorError::CoreDumps)?;
    if settings.dns_servers.is_empty() {
        settings.dns_servers = dns_servers();
    }
    let workers = Builder::new_multi_thread().enable_all().build().map_err(OperatorError::Threads)?;
    let watchful = Builder::new_current_thread().enable_all().build().map_err(OperatorError::Threads)?;
    // Made on the thread that uses it: a client leaves part of its work to the threads on which it was made.
    let client = watchful.block_on(client())?;
    let election = LeaderElection::new(client.clone(), &settings.namespace, LEASE, &settings.identity);
    let result = watchful.block_on(supervise(client, settings, &election, workers.handle()));
    // Nothing is reconciled any more when the next replica begins.
    workers.shutdown_timeout(STOPPING_TAKES);
    watchful.block_on(release(&election));
    result
}

async fn client() -> Result<Client, OperatorError> {
    Client::try_default().await.map_err(|source| OperatorError::Cluster(Box::new(source)))
}

/// The next replica need not wait until the Lease runs out.
async fn release(election: &LeaderElection) {
    if tokio::time::timeout(RELEASE_TAKES, election.release()).await.is_err() {
        tracing::warn!("cannot release the Lease: the API server does not answer");
    }
}

async fn supervise(
    client: Client,
    settings: Settings,
    election: &LeaderElection,
    workers: &Handle,
) -> Result<(), OperatorError> {
    let health = Arc::new(Health::default());
    let metrics = Arc::new(Metrics::default());
    let listen = settings.listen;
    let listener = TcpListener::bind(listen).await.map_err(|source| OperatorError::Listen { listen, source })?;
    tokio::spawn(health::serve(listener, Arc::clone(&health), Arc::clone(&metrics)));
    tokio::select! {
        worked = lead(client, settings, election, workers, health, metrics) => worked,
        stopped = stop_signal() => stopped.map_err(OperatorError::Signals),
    }
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
    workers: &Handle,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
) -> Result<(), OperatorError> {
    wait_for_kinds(&client, &health).await?;
    health.set_missing(None);
    let work = control(settings, health, Arc::clone(&metrics));
    let result = while_leading(election, workers, work).await;
    metrics.leads(false);
    result
}

/// Begins the work on the threads of the workers once this replica holds the Lease, and waits for its end or for the loss of the Lease.
/// Whoever calls this stops the workers afterwards.
async fn while_leading(
    election: &LeaderElection,
    workers: &Handle,
    work: impl Future<Output = Result<(), OperatorError>> + Send + 'static,
) -> Result<(), OperatorError> {
    let (ended, result) = oneshot::channel();
    let leading = election.with_lease(async {
        workers.spawn(async move { ended.send(work.await) });
        // An end here would release the Lease before the workers have stopped.
        future::pending::<()>().await;
    });
    tokio::select! {
        _lost = leading => Err(OperatorError::LeaseLost),
        result = result => result.unwrap_or(Err(OperatorError::WatchEnded)),
    }
}

/// A fresh `helm install` may start the operator a moment before its CRDs are served. An API server that does not answer, or refuses, is
/// waited for however long it takes, and `/readyz` has its words.
async fn wait_for_kinds(client: &Client, health: &Health) -> Result<(), OperatorError> {
    health.set_missing(Some("the API server has not been asked yet".to_owned()));
    let mut absence = Absence::default();
    loop {
        let Err(missing) = registry::served(client).await else { return Ok(()) };
        if absence.lasts(is_not_found(&missing.source), Instant::now()) {
            return Err(OperatorError::NotServed(Box::new(missing)));
        }
        tracing::info!(%missing, "waiting for the API server");
        health.set_missing(Some(missing.to_string()));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Since when the API server says that a kind is not there. While it says something else, nothing is known of that.
#[derive(Default)]
struct Absence(Option<Instant>);

impl Absence {
    /// Whether it has said so for longer than CRDs take that were just applied.
    fn lasts(&mut self, is_absent: bool, now: Instant) -> bool {
        self.0 = is_absent.then(|| self.0.unwrap_or(now));
        self.0.is_some_and(|since| now.saturating_duration_since(since) > CRDS_TAKE)
    }
}

/// Fills the stores, then runs the controllers on them.
async fn control(settings: Settings, health: Arc<Health>, metrics: Arc<Metrics>) -> Result<(), OperatorError> {
    metrics.leads(true);
    let client = client().await?;
    let (queues, receivers) = queues();
    let Watching { stores, filling, watches } = registry::watch(&client, &queues, &settings.proxy_namespaces);
    let facts = Arc::new(Facts::new(Arc::clone(&stores), queues));
    let runtime = Runtime::new(receivers, Arc::clone(&metrics));
    let runtime = controllers(runtime, &client, &stores, &facts, settings, &metrics)?;
    let work = async {
        fill(filling, &health).await?;
        tracing::info!("the stores are filled; working");
        runtime.run().await;
        Ok(())
    };
    // Of the same task as the watches: what is stuck with them is silent too.
    let beats = async {
        loop {
            health.beat();
            tokio::time::sleep(BEAT).await;
        }
    };
    tokio::select! {
        () = watches => Err(OperatorError::WatchEnded),
        worked = work => worked,
        never = beats => never,
    }
}

/// Waits until every store is filled. Meanwhile `/readyz` names the kinds of those that are not.
async fn fill(stores: Vec<Filling>, health: &Health) -> Result<(), OperatorError> {
    let mut missing: Vec<String> = stores.iter().map(|store| store.kind.clone()).collect();
    let filled = stores.into_iter().map(|store| async { store.filled.await.map(|()| store.kind) });
    let mut filled = filled.collect::<FuturesUnordered<_>>();
    loop {
        let names = missing.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        health
            .set_missing((!names.is_empty()).then(|| format!("these kinds are not listed yet: {}", names.join(", "))));
        let Some(kind) = filled.next().await else { return Ok(()) };
        let kind = kind.map_err(|_| OperatorError::WatchEnded)?;
        // Two stores may be of one kind.
        if let Some(place) = missing.iter().position(|name| *name == kind) {
            missing.swap_remove(place);
        }
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
    let located = Arc::new(Located::new(client, stores));
    let admin = AdminClient::new(metrics.gateway_calls.clone(), located).map_err(OperatorError::Admin)?;
    let fences = Arc::new(Fences::new(client, Arc::clone(stores)));
    let agents = agent::context::Context::new(client, world(), &settings.identity);
    let sandboxes = sandbox::context::Context::new(client, world(), Arc::clone(&fences), &settings);
    let templates = sandbox_template::context::Context {
        client: client.clone(),
        stores: Arc::clone(stores),
        facts: Arc::clone(facts),
        references: references()?,
        max_egress: settings.max_egress,
    };
    let jobs = jobs::context::Context::new(world(), admin.clone());
    let devices = devices::context::Context::new(client, world(), admin.clone());
    let channels = channels::context::Context::new(world(), admin.clone());
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
        .controller(&stores.agents, devices)
        .controller(&stores.agents, channels)
        .controller(&stores.cron_jobs, cron_jobs)
        .controller(&stores.providers, providers))
}

#[cfg(test)]
mod tests;
