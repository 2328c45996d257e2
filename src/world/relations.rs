//! How Agents belong together: by the gateway, the Providers and the Sandbox that they name. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::stores::{Stores, within};
use crate::api::Agent;

/// The Agent whose gateway this Agent lives on.
#[must_use]
pub fn gateway_owner(agent: &Agent) -> String {
    agent.spec.gateway_ref.as_ref().map_or_else(|| agent.name_any(), |reference| reference.name.clone())
}

/// The names of the Providers that an Agent uses, sorted.
#[must_use]
pub fn providers_of(agent: &Agent) -> BTreeSet<String> {
    agent.spec.model.providers()
}

/// The name of the Sandbox that an Agent uses.
#[must_use]
pub fn sandbox_name(agent: &Agent) -> Option<String> {
    agent.spec.sandbox.as_ref().map(|sandbox| sandbox.reference.name.clone())
}

/// The Agents on the gateway of `owner`, its own included, whether they are about to go or not.
#[must_use]
pub fn agents_on_gateway(stores: &Stores, namespace: &str, owner: &str) -> Vec<Arc<Agent>> {
    within(&stores.agents, namespace, |agent| gateway_owner(agent) == owner)
}
