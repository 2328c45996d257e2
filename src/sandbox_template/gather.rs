//! Reads what a Sandbox names, and finds the Agents that name it. Touches the network.

use std::sync::Arc;

use kube::ResourceExt;

use super::context::Context;
use super::status::User;
use crate::api::{Agent, Sandbox};
use crate::references::digests::{Digests, Fault, resolve};
use crate::references::{mounted, sources};
use crate::world::facts::Facts;
use crate::world::stores::{Stores, key_of, within};
use crate::world::triggers::sandbox_name;

/// The first thing that the Sandbox names and that is not there.
pub async fn missing(sandbox: &Sandbox, context: &Context) -> Option<Fault> {
    let sources = sources::of_sandbox(sandbox);
    let (namespace, uid) = (sandbox.namespace().unwrap_or_default(), sandbox.uid().unwrap_or_default());
    let reads = context.references.read(&context.stores, &namespace, &uid, &sources).await;
    let of_environment = resolve(&sources, &reads, &Digests::default()).faults.into_iter().next();
    match of_environment {
        Some(fault) => Some(fault),
        None => mounted::look(&context.client, &context.stores, &namespace, sandbox).await.faults.into_iter().next(),
    }
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
#[must_use]
pub fn users(sandbox: &Sandbox, stores: &Stores, facts: &Facts) -> Vec<User> {
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
