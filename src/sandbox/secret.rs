//! The Secret of a sandbox (its host key, the key of its digests) and the public half of its gateway's key. Touches the network.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};

use crate::api::Agent;
use crate::kubernetes::caches::versioned::VersionedCache;
use crate::kubernetes::received::{self, Received};
use crate::naming::{GatewayNames, SANDBOX_MANAGER, SandboxNames, child_of};
use crate::references::generated_secret::{self, DIGEST_KEY, SecretError, ensure, known_version, value, version_of};
use crate::references::read::DigestKey;
use crate::references::sources::{HOST_KEY, SSH_KEY};
use crate::references::ssh_keys::{self, public_of};
use crate::world::stores::Stores;

/// The key of the public host key.
const PUBLIC_HOST_KEY: &str = "host-key.pub";

/// What is needed of a sandbox's Secret.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The public half of the host key.
    pub host_key: String,
    pub digest_key: DigestKey,
}

/// What was read of Secrets that did not change since.
#[derive(Default)]
pub struct KeyMemory {
    own: VersionedCache<Keys>,
    gateways: VersionedCache<Option<String>>,
}

impl KeyMemory {
    /// The keys of an Agent's sandbox, made if they are not there.
    pub async fn keys(
        &self,
        client: &Client,
        stores: &Stores,
        agent: &Agent,
        names: &SandboxNames,
    ) -> Result<Keys, SecretError> {
        let namespace = agent.namespace().unwrap_or_default();
        let version = known_version(stores, &namespace, &names.sandbox);
        if let Some(keys) = version.and_then(|version| self.own.get(&namespace, &names.sandbox, &version)) {
            return Ok(keys);
        }
        let secret = ensure(client, SANDBOX_MANAGER, agent, &names.sandbox, || generate(agent, names)).await?;
        let damaged = || SecretError::Damaged { name: names.sandbox.clone(), key: HOST_KEY };
        // From the private half: the Pod serves with that, whatever the other says.
        let host_key = public_of(value(&secret, HOST_KEY)?).ok_or_else(damaged)?;
        let keys = Keys { host_key, digest_key: generated_secret::digest_key(&secret)? };
        self.own.put(&namespace, &names.sandbox, version_of(&secret), keys.clone());
        Ok(keys)
    }

    /// The public half of the key with which the gateway of this Agent enters its sandboxes; `None`: there is none yet.
    pub async fn gateway_key(
        &self,
        client: &Client,
        stores: &Stores,
        namespace: &str,
        owner: &str,
    ) -> Result<Option<String>, SecretError> {
        let name = GatewayNames::of(owner).secret;
        let Some(version) = known_version(stores, namespace, &name) else { return Ok(None) };
        if let Some(key) = self.gateways.get(namespace, &name, &version) {
            return Ok(key);
        }
        let api: Api<Received<Secret>> = Api::namespaced(client.clone(), namespace);
        let fail = |source| SecretError::Api { name: name.clone(), source: Box::new(source) };
        let Some(secret) = received::get(&api, &name).await.map_err(fail)? else { return Ok(None) };
        let key = secret.data.as_ref().and_then(|data| public_of(&data.get(SSH_KEY)?.0));
        self.gateways.put(namespace, &name, version_of(&secret), key.clone());
        Ok(key)
    }

    /// Forgets what belonged to an Agent that is gone; returns the UID of its digest key.
    pub fn forget(&self, namespace: &str, agent: &str) -> Option<String> {
        self.gateways.forget(namespace, &GatewayNames::of(agent).secret);
        self.own.forget(namespace, &SandboxNames::of(agent).sandbox).map(|keys| keys.digest_key.uid)
    }
}

fn generate(agent: &Agent, names: &SandboxNames) -> Result<Secret, SecretError> {
    let host_key = ssh_keys::generate()?;
    let mut digest_key = [0_u8; 32];
    getrandom::fill(&mut digest_key)?;
    Ok(Secret {
        metadata: child_of(agent, &names.sandbox, names.labels()),
        data: Some(BTreeMap::from([
            (HOST_KEY.to_owned(), ByteString(host_key.private.into_bytes())),
            (PUBLIC_HOST_KEY.to_owned(), ByteString(host_key.public.into_bytes())),
            (DIGEST_KEY.to_owned(), ByteString(digest_key.to_vec())),
        ])),
        ..Secret::default()
    })
}
