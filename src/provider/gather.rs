//! Reads which of the Secrets and keys that a Provider names exist. Touches the network.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::driver::Context;
use crate::api::Provider;
use crate::references::digests::{Read, SourceName};
use crate::references::sources;
use crate::world::stores::within;
use crate::world::triggers::providers_of;

/// What a reconcile of one Provider looks at.
#[derive(Debug)]
pub struct Gathered {
    pub reads: BTreeMap<SourceName, Read>,
    /// How many Agents name the Provider.
    pub agents: usize,
}

/// Reads it.
pub async fn gather(context: &Context, provider: &Provider) -> Gathered {
    let (namespace, uid) = (provider.namespace().unwrap_or_default(), provider.uid().unwrap_or_default());
    let reads = context.references.read(&context.stores, &namespace, &uid, &sources::of_provider(provider)).await;
    let name = provider.name_any();
    let agents = within(&context.stores.agents, &namespace, |agent| providers_of(agent).contains(&name)).len();
    Gathered { reads, agents }
}
