//! One pass over one Sandbox: validates what it names and counts the Pods made from it. Touches the network.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Client, ResourceExt};

use super::tally::{self, User};
use crate::api::Sandbox;
use crate::cluster::backoff::{Backoff, look_again};
use crate::cluster::controls::{Controls, PassError};
use crate::cluster::environment::{Digests, Fault, SourceName, resolve};
use crate::cluster::names::SANDBOX_MANAGER;
use crate::cluster::references::{DigestKey, References};
use crate::cluster::sources;
use crate::cluster::status_writer;
use crate::cluster::stores::{Stores, within};
use crate::cluster::wakes::sandbox_name;
use crate::observe::metrics::Metrics;

/// Shared by all passes.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub metrics: Arc<Metrics>,
    pub references: References,
    pub backoff: Backoff,
    /// Only presence counts here: any key serves, and it stays in this process.
    pub digest_key: DigestKey,
}

impl Controls for Context {
    type Object = Sandbox;
    type Error = PassError;
    const NAME: &'static str = "sandbox-count";

    async fn reconcile(&self, sandbox: Arc<Sandbox>) -> Result<Action, PassError> {
        reconcile(&sandbox, self).await
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn backoff(&self) -> &Backoff {
        &self.backoff
    }
}

/// One pass.
async fn reconcile(sandbox: &Sandbox, context: &Context) -> Result<Action, PassError> {
    if sandbox.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let fault = missing(sandbox, context).await;
    let users = users(sandbox, &context.stores);
    if told_already(sandbox, &users) {
        return Ok(Action::requeue(look_again()));
    }
    let (next, again) = tally::status(sandbox, &users, fault.as_ref(), Timestamp::now());
    if sandbox.status.as_ref() != Some(&next) {
        status_writer::write(&context.client, SANDBOX_MANAGER, sandbox, &next).await?;
    }
    Ok(Action::requeue(again.unwrap_or_else(look_again)))
}

/// Whether an Agent's sandbox has not been looked at since the operator started, while the status tells of it: it stays until then.
fn told_already(sandbox: &Sandbox, users: &[User]) -> bool {
    let Some(status) = &sandbox.status else { return false };
    let told = |user: &User| user.state.is_none() && status.pods.iter().any(|pod| pod.agent == user.agent);
    status.observed_generation == sandbox.metadata.generation && users.iter().any(told)
}

/// The first thing that the environment names and that is not there.
async fn missing(sandbox: &Sandbox, context: &Context) -> Option<Fault> {
    let sources = sources::of_sandbox(sandbox);
    let names: BTreeSet<SourceName> = sources.iter().map(|source| (source.kind, source.name.clone())).collect();
    let namespace = sandbox.namespace().unwrap_or_default();
    let reads = context.references.read(&context.client, &context.stores, &namespace, names, &context.digest_key).await;
    resolve(&sources, &reads, &Digests::default()).faults.into_iter().next()
}

/// The Agents that name the Sandbox, sorted, with what is known of their Pods.
fn users(sandbox: &Sandbox, stores: &Stores) -> Vec<User> {
    let (namespace, name) = (sandbox.namespace().unwrap_or_default(), sandbox.name_any());
    let using = within(&stores.agents, &namespace, |agent| {
        agent.metadata.deletion_timestamp.is_none() && sandbox_name(agent).as_ref() == Some(&name)
    });
    let mut users: Vec<User> = using
        .iter()
        .map(|agent| {
            let state = stores.sandbox_states.of(&namespace, &agent.name_any());
            User { agent: agent.name_any(), state: state.filter(|state| state.sandbox == name) }
        })
        .collect();
    users.sort_by(|a, b| a.agent.cmp(&b.agent));
    users
}
