//! What controllers share that only look whether the values exist which their objects name: reads, and the memory between passes.
//! Touches the network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::Client;

use super::digests::{Read, Source, SourceName};
use super::read::{DigestKey, References};
use crate::world::stores::Stores;

/// Shared by all passes of such a controller.
pub struct Presence {
    pub client: Client,
    pub stores: Arc<Stores>,
    references: References,
    /// Only presence counts here: any key serves, and it stays in this process.
    digest_key: DigestKey,
}

impl Presence {
    pub fn new(client: &Client, stores: &Arc<Stores>) -> Result<Self, getrandom::Error> {
        let mut key = vec![0_u8; 32];
        getrandom::fill(&mut key)?;
        Ok(Self {
            client: client.clone(),
            stores: Arc::clone(stores),
            references: References::default(),
            digest_key: DigestKey { uid: "presence".to_owned(), key },
        })
    }

    /// Reads what the sources name.
    pub async fn read(&self, namespace: &str, sources: &[Source]) -> BTreeMap<SourceName, Read> {
        let names: BTreeSet<_> = sources.iter().map(|source| (source.kind, source.name.clone())).collect();
        self.references.read(&self.client, &self.stores, namespace, names, &self.digest_key).await
    }
}
