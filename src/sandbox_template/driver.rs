//! One pass over one Sandbox: validates what it names and counts the Pods made from it. Touches the network.

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Client, ResourceExt};

use super::status::{self, User};
use crate::api::{Agent, Sandbox};
use crate::kubernetes::backoff::resync;
use crate::kubernetes::conditions::READY;
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::status::write_status;
use crate::naming::SANDBOX_MANAGER;
use crate::references::checker::ReferenceChecker;
use crate::references::digests::{Digests, Fault, resolve};
use crate::references::sources;
use crate::world::facts::Facts;
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};
use crate::world::stores::{Stores, key_of, within};
use crate::world::triggers::sandbox_name;

/// Shared by all passes.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub references: ReferenceChecker,
    pub facts: Arc<Facts>,
}

impl Reconciler for Context {
    type Object = Sandbox;
    const CONTROLLER: Controller = Controller::SandboxTemplate;

    async fn reconcile(&self, sandbox: Arc<Sandbox>) -> Result<Action, ReconcileError> {
        reconcile(&sandbox, self).await
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.references.forget(gone.uid);
    }
}

/// One pass.
async fn reconcile(sandbox: &Sandbox, context: &Context) -> Result<Action, ReconcileError> {
    if sandbox.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let fault = missing(sandbox, context).await;
    let users = users(sandbox, &context.stores, &context.facts);
    if keeps(sandbox, &users) {
        return Ok(Action::requeue(resync()));
    }
    let (next, again) = status::status(sandbox, &users, fault.as_ref(), Timestamp::now());
    if sandbox.status.as_ref() != Some(&next) {
        write_status(&context.client, SANDBOX_MANAGER, sandbox, &next).await?;
    }
    Ok(Action::requeue(again.unwrap_or_else(resync)))
}

/// Whether the status stays: it tells of a Pod that is not known yet.
fn keeps(sandbox: &Sandbox, users: &[User]) -> bool {
    let Some(status) = &sandbox.status else { return false };
    let generation = sandbox.metadata.generation;
    users.iter().any(|user| {
        user.state.keeps(&status.conditions, READY, generation) && status.pods.iter().any(|pod| pod.agent == user.agent)
    })
}

/// The first thing that the environment names and that is not there.
async fn missing(sandbox: &Sandbox, context: &Context) -> Option<Fault> {
    let sources = sources::of_sandbox(sandbox);
    let (namespace, uid) = (sandbox.namespace().unwrap_or_default(), sandbox.uid().unwrap_or_default());
    let reads = context.references.read(&context.stores, &namespace, &uid, &sources).await;
    resolve(&sources, &reads, &Digests::default()).faults.into_iter().next()
}

/// The Agents that name the Sandbox.
#[must_use]
pub fn users_of(sandbox: &Sandbox, stores: &Stores) -> Vec<Arc<Agent>> {
    let (namespace, name) = key_of(sandbox);
    within(&stores.agents, &namespace, |agent| {
        agent.metadata.deletion_timestamp.is_none() && sandbox_name(agent).as_ref() == Some(&name)
    })
}

/// The same, sorted, with what is known of their Pods.
fn users(sandbox: &Sandbox, stores: &Stores, facts: &Facts) -> Vec<User> {
    let (namespace, name) = key_of(sandbox);
    let mut users: Vec<User> = users_of(sandbox, stores)
        .iter()
        .map(|agent| {
            let state = facts.sandbox_states.of(&namespace, &agent.name_any());
            let state = state.map(|state| state.filter(|state| state.sandbox == name));
            User { agent: agent.name_any(), state }
        })
        .collect();
    users.sort_by(|a, b| a.agent.cmp(&b.agent));
    users
}
