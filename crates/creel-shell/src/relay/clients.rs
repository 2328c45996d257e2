//! The clients: their names, their agents, and by which token each is known. Pure.
//!
//! Their tokens are not here, only HMACs of them under a key that nobody else has.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::counts::Counts;

/// What is authenticated besides the token, so that a digest means nothing anywhere else.
const PURPOSE: &[u8] = b"creel client token\0";

/// The file, as the operator writes it.
#[derive(Deserialize)]
struct Document {
    clients: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    agents: Vec<String>,
    /// HMAC-SHA256 of the token, in hexadecimal digits.
    digest: String,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    pub name: String,
    /// The ids of its agents; never empty.
    pub agents: Vec<String>,
    digest: Vec<u8>,
    pub counts: Arc<Counts>,
}

/// All clients.
#[derive(Debug, Default)]
pub struct Clients {
    key: Vec<u8>,
    clients: Vec<Arc<Client>>,
}

impl Clients {
    /// The clients of this document. `before`: those until now, whose counts go on.
    pub fn parse(document: &[u8], key: &[u8], before: &Self) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(document)?;
        let counts = |name: &str| {
            let known = before.clients.iter().find(|client| client.name == name);
            known.map(|client| client.counts.clone()).unwrap_or_default()
        };
        let client = |entry: Entry| {
            let digest = hex::decode(&entry.digest).ok()?;
            let counts = counts(&entry.name);
            Some(Arc::new(Client { name: entry.name, agents: entry.agents, digest, counts }))
        };
        // Without an agent, or with a digest that no token has, it can do nothing.
        let usable = document.clients.into_iter().filter(|entry| !entry.agents.is_empty());
        Ok(Self { key: key.to_vec(), clients: usable.filter_map(client).collect() })
    }

    /// The client with this token. Takes as long for every token.
    #[must_use]
    pub fn identify(&self, token: &[u8]) -> Option<Arc<Client>> {
        let digest = digest(&self.key, token)?;
        let mut found = None;
        for client in &self.clients {
            if digest.clone().verify_slice(&client.digest).is_ok() {
                found = Some(client.clone());
            }
        }
        found
    }

    /// All of them, as the file lists them.
    #[must_use]
    pub fn all(&self) -> &[Arc<Client>] {
        &self.clients
    }
}

/// The digest by which a client with this token is known. `None`: there is no key.
#[must_use]
pub fn digest(key: &[u8], token: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok().filter(|_| !key.is_empty())?;
    mac.update(PURPOSE);
    mac.update(token);
    Some(mac)
}
