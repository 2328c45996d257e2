//! Reads which of the Secrets and keys that a Provider names exist. Touches the network.

use std::collections::{BTreeMap, BTreeSet};

use kube::{Client, ResourceExt};

use crate::api::Provider;
use crate::cluster::environment::{Read, SourceName};
use crate::cluster::references::{DigestKey, References};
use crate::cluster::sources;
use crate::cluster::stores::{Stores, within};
use crate::cluster::wakes::providers_of;

/// What a pass over one Provider looks at.
#[derive(Debug)]
pub struct Gathered {
    pub reads: BTreeMap<SourceName, Read>,
    /// How many Agents name the Provider.
    pub agents: usize,
}

/// Reads it.
pub async fn gather(
    client: &Client,
    stores: &Stores,
    references: &References,
    key: &DigestKey,
    provider: &Provider,
) -> Gathered {
    let namespace = provider.namespace().unwrap_or_default();
    let names: BTreeSet<SourceName> =
        sources::of_provider(provider).into_iter().map(|source| (source.kind, source.name)).collect();
    let reads = references.read(client, stores, &namespace, names, key).await;
    let name = provider.name_any();
    let agents = within(&stores.agents, &namespace, |agent| providers_of(agent).contains(&name)).len();
    Gathered { reads, agents }
}
