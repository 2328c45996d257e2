//! For controllers that only check whether the values exist which their objects name: reads, and the memory between reconciles.
//! Touches the network.

use std::collections::{BTreeMap, BTreeSet};

use kube::Client;

use super::digests::{Read, Source, SourceName};
use super::read::{DigestKey, References, Versions};

/// Shared by all reconciles of such a controller.
pub struct ReferenceChecker {
    client: Client,
    references: References,
    /// Only presence counts here: any key will do, and it stays in this process.
    key: Vec<u8>,
}

impl ReferenceChecker {
    pub fn new(client: &Client) -> Result<Self, getrandom::Error> {
        let mut key = vec![0_u8; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { client: client.clone(), references: References::default(), key })
    }

    /// Reads what the sources of an object name. `uid`: of the object.
    pub async fn read(
        &self,
        versions: &impl Versions,
        namespace: &str,
        uid: &str,
        sources: &[Source],
    ) -> BTreeMap<SourceName, Read> {
        let names: BTreeSet<_> = sources.iter().map(|source| (source.kind, source.name.clone())).collect();
        let key = DigestKey { uid: uid.to_owned(), key: self.key.clone() };
        self.references.read(&self.client, versions, namespace, names, &key).await
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.references.forget(uid);
    }
}
