//! The public host key of a sandbox, from the Secret that its Pod serves with. Touches the network.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};

use super::generated_secret::{SecretError, known_version, version_of};
use super::read::Versions;
use super::sources::HOST_KEY;
use super::ssh_keys::public_of;
use crate::api::Agent;
use crate::kubernetes::caches::versioned::VersionedCache;
use crate::kubernetes::received::{self, Received};
use crate::naming::{SandboxNames, is_child_of};

/// What was read of Secrets that did not change since, by their names.
#[derive(Debug, Default)]
pub struct HostKeys(VersionedCache<Option<String>>);

impl HostKeys {
    /// The public host key of the Agent's sandbox; `None`: there is none yet, or the Secret is not the Agent's or is damaged.
    pub async fn of(
        &self,
        client: &Client,
        versions: &impl Versions,
        agent: &Agent,
    ) -> Result<Option<String>, SecretError> {
        let (namespace, name) = (agent.namespace().unwrap_or_default(), secret(&agent.name_any()));
        let Some(version) = known_version(versions, &namespace, &name) else { return Ok(None) };
        if let Some(key) = self.0.get(&namespace, &name, &version) {
            return Ok(key);
        }
        let api: Api<Received<Secret>> = Api::namespaced(client.clone(), &namespace);
        let fail = |source| SecretError::Api { name: name.clone(), source: Box::new(source) };
        let Some(secret) = received::get(&api, &name).await.map_err(fail)? else { return Ok(None) };
        // From the private half: the Pod serves with that, whatever else the Secret says.
        let data = secret.data.as_ref().filter(|_| is_child_of(&secret, agent));
        let key = data.and_then(|data| public_of(&data.get(HOST_KEY)?.0));
        self.0.put(&namespace, &name, version_of(&secret), key.clone());
        Ok(key)
    }

    /// Forgets the key of an Agent that is gone.
    pub fn forget(&self, namespace: &str, agent: &str) {
        self.0.forget(namespace, &secret(agent));
    }
}

fn secret(agent: &str) -> String {
    SandboxNames::of(agent).sandbox
}
