//! How the gateway's Pod is, and what its process says of its configuration. Touches the network.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::decide::Look;
use super::state::{ConfigState, Subject, patience};
use super::{Synced, ask, failed_starts, pods};
use crate::gateway::context::Context;
use crate::gateway::gather::Gathered;
use crate::gateway::pod::{self, PodState};
use crate::gateway::revision::ConfigRevision;
use crate::naming::{CONFIG_SYNC, GatewayNames};
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::paths;
use crate::openclaw::rpc::Endpoint;
use crate::references::sources;

/// The process that answers for a gateway.
#[derive(Clone, Debug)]
pub struct Process {
    /// The name of its Pod.
    pub pod: String,
    /// See [`pod::run`].
    pub run: String,
    /// Where it answers; `Err`: why that is not known.
    pub endpoint: Result<Endpoint, String>,
}

/// The gateway as it is now.
#[derive(Debug)]
pub struct Seen {
    pub pod: PodState,
    /// Set while the Pod is ready.
    pub process: Option<Process>,
    /// What it says of its configuration; `None`: it can't be asked.
    pub state: Option<ConfigState>,
    /// See [`Synced::poll`].
    pub poll: Duration,
    /// Why it can't start.
    failed_start: Option<String>,
}

impl Seen {
    /// What is decided by.
    pub fn look(&self) -> Look<'_> {
        Look { pod: &self.pod, state: self.state.as_ref(), failed_start: self.failed_start.as_deref() }
    }

    /// A gateway without a configuration to take up.
    pub fn without_config(self) -> Synced {
        Synced { pod: Some(self.pod), process: self.process, ..Synced::default() }
    }
}

/// Looks at the Pod, and asks its process if it is ready.
pub async fn look(
    context: &Context,
    gathered: &Gathered,
    current: &Pod,
    config: Option<&ConfigRevision>,
) -> Result<Seen, kube::Error> {
    let pod = pod::state(current, gathered.live.pods.len() > 1);
    let process = match pod {
        PodState::Ready => Some(process(context, gathered, current).await),
        _ => None,
    };
    let asked = match (&process, config) {
        (Some(process), Some(config)) => Some(query(context, gathered, current, process, &config.current).await?),
        _ => None,
    };
    let (state, poll) = asked.unzip();
    let failed_start = failed_starts::read(current);
    Ok(Seen { pod, process, state, poll: poll.unwrap_or_default(), failed_start })
}

async fn process(context: &Context, gathered: &Gathered, pod: &Pod) -> Process {
    let (namespace, owner) = (gathered.owner.namespace().unwrap_or_default(), gathered.owner.name_any());
    let selector = sources::token(&gathered.owner);
    let token = context.secrets.token(&context.client, &context.stores, (&namespace, &owner), &selector).await;
    let endpoint = token.map_err(|error| error.to_string()).and_then(|token| {
        let address = pod::address(pod).ok_or_else(|| format!("Pod \"{}\" has no address", pod.name_any()))?;
        Ok(Endpoint {
            address: SocketAddr::new(address, paths::PORT),
            token,
            namespace: namespace.clone(),
            run: pod::run(pod),
        })
    });
    Process { pod: pod.name_any(), run: pod::run(pod), endpoint }
}

/// Asks the gateway whether it runs this document, and has its Pod synced while it does not. Returns, too, how soon to ask again.
async fn query(
    context: &Context,
    gathered: &Gathered,
    pod: &Pod,
    process: &Process,
    document: &ConfigDocument,
) -> Result<(ConfigState, Duration), kube::Error> {
    let endpoint = match &process.endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => return Ok((ConfigState::Unreachable(error.clone()), Duration::ZERO)),
    };
    let (owner, now) = (gathered.owner.uid().unwrap_or_default(), Instant::now());
    let subject = Subject { run: process.run.clone(), document: document.hash().to_owned() };
    let mut memory = context.configs.recall(&owner, subject, now);
    let last_good = gathered.live.last_good(&GatewayNames::of(&gathered.owner.name_any()));
    memory.applied_within = patience(last_good.as_deref(), document);
    let state = ask::ask(&context.admin, endpoint, document, &mut memory, now).await;
    if state == ConfigState::Pending
        && let Some(attempt) = memory.take_due_sync(now)
    {
        let value = format!("{}-{attempt}", document.hash());
        pods::trigger_sync(&context.client, pod, CONFIG_SYNC, &value).await?;
    }
    if state == ConfigState::Applied {
        ask::ask_credentials(&context.admin, endpoint, &mut memory, now).await;
    }
    let poll = memory.next_question(Instant::now());
    context.configs.remember(&owner, memory);
    Ok((state, poll))
}
