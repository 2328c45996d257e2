//! Secrets that Creel makes: by `create`, never by apply, because two operators that both generate must not overwrite each other.
//! Touches the network.

use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use thiserror::Error;

use super::digests::SourceKind;
use super::read::{DigestKey, Versions, version};
use super::ssh_keys::SshKeyError;
use crate::api::Agent;
use crate::kubernetes::conditions::reason;
use crate::kubernetes::errors::{brief, is_refusal};
use crate::kubernetes::received::{self, Received};
use crate::kubernetes::reconciler::Failure;
use crate::naming::{is_child_of, is_child_of_predecessor};

/// The key under which environment digests are made.
pub const DIGEST_KEY: &str = "digest-key";

/// Why a Secret is not to be had.
#[derive(Debug, Error)]
pub enum SecretError {
    #[error("Secret \"{0}\" already exists and is not owned by this Agent: delete or rename it, or rename the Agent")]
    NotOurs(String),
    #[error("waiting for Secret \"{0}\" of the deleted Agent of the same name to be removed")]
    BeingDeleted(String),
    #[error("Secret \"{name}\" is missing key \"{key}\": delete the Secret and Creel recreates it")]
    Damaged { name: String, key: &'static str },
    #[error("Secret \"{name}\" has no key \"{key}\"")]
    NoToken { name: String, key: String },
    #[error("key \"{key}\" of Secret \"{name}\" is not a usable token: it {problem}")]
    UnusableToken { name: String, key: String, problem: &'static str },
    #[error("cannot read random bytes from the OS")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    Key(#[from] SshKeyError),
    #[error("Secret \"{name}\": {}", brief(source))]
    Api { name: String, source: Box<kube::Error> },
}

impl Failure for SecretError {
    fn api(&self) -> Option<&kube::Error> {
        Self::api(self)
    }

    fn reason(&self) -> Option<&'static str> {
        Self::reason(self)
    }
}

impl SecretError {
    /// Whether the Secret is somebody else's: Pods must not rest on it.
    #[must_use]
    pub fn undermines_pods(&self) -> bool {
        matches!(self, Self::NotOurs(_) | Self::BeingDeleted(_))
    }

    /// The reason of a condition, unless the next try may help.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::BeingDeleted(_) => Some(reason::BEING_DELETED),
            Self::NotOurs(_) => Some(reason::NAME_CONFLICT),
            Self::Damaged { .. } | Self::NoToken { .. } => Some(reason::SECRET_KEY_NOT_FOUND),
            Self::Api { source, .. } => is_refusal(source).then_some(reason::CHILD_REJECTED),
            Self::UnusableToken { .. } | Self::Random(_) | Self::Key(_) => None,
        }
    }

    /// The API server's answer, if it is one.
    #[must_use]
    pub fn api(&self) -> Option<&kube::Error> {
        if let Self::Api { source, .. } = self { Some(source) } else { None }
    }
}

/// The Secret of this name, made if it is not there; it must belong to the Agent.
pub async fn ensure(
    client: &Client,
    manager: &str,
    owner: &Agent,
    name: &str,
    generate: impl FnOnce() -> Result<Secret, SecretError>,
) -> Result<Secret, SecretError> {
    let api: Api<Received<Secret>> = Api::namespaced(client.clone(), &owner.namespace().unwrap_or_default());
    let fail = |source| SecretError::Api { name: name.to_owned(), source: Box::new(source) };
    let present = received::get(&api, name).await.map_err(fail)?;
    let secret = if let Some(secret) = present {
        secret
    } else {
        let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        match api.create(&params, &Received::Whole(generate()?)).await {
            Err(kube::Error::Api(status)) if status.code == 409 => api.get(name).await,
            created => created,
        }
        .and_then(Received::whole)
        .map_err(fail)?
    };
    if is_child_of(&secret, owner) {
        return Ok(secret);
    }
    let is_of_predecessor = is_child_of_predecessor(&secret, owner);
    Err(if is_of_predecessor { SecretError::BeingDeleted } else { SecretError::NotOurs }(name.to_owned()))
}

/// A value of a generated Secret; it can't be empty.
pub fn value<'a>(secret: &'a Secret, key: &'static str) -> Result<&'a [u8], SecretError> {
    let value = secret.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.as_slice());
    value.filter(|value| !value.is_empty()).ok_or_else(|| SecretError::Damaged { name: secret.name_any(), key })
}

/// The key of the digests in a generated Secret.
pub fn digest_key(secret: &Secret) -> Result<DigestKey, SecretError> {
    Ok(DigestKey { uid: secret.uid().unwrap_or_default(), key: value(secret, DIGEST_KEY)?.to_vec() })
}

/// The version of a Secret, as far as it is known without reading it.
#[must_use]
pub fn known_version(versions: &impl Versions, namespace: &str, name: &str) -> Option<String> {
    versions.of(namespace, &(SourceKind::Secret, name.to_owned()))
}

/// The version of a Secret that was read.
#[must_use]
pub fn version_of(secret: &Secret) -> String {
    version(&secret.metadata).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kube::Resource;
    use serde_json::{Value, json};

    use super::*;
    use crate::kubernetes::recording_api::RecordingApi;
    use crate::tests::small_world::SmallWorld;

    #[tokio::test]
    async fn a_secret_of_a_deleted_agent_of_the_same_name_is_waited_for_and_that_of_anybody_else_is_a_conflict() {
        let mut agent = SmallWorld::agent("a");
        agent.meta_mut().uid = Some("new".to_owned());
        let owner = |name: &str, uid: &str| json!([{"apiVersion": "creel.dev/v1alpha1", "kind": "Agent", "name": name, "uid": uid, "controller": true}]);
        for (owners, expected) in [
            (owner("a", "new"), None),
            (owner("a", "old"), Some(reason::BEING_DELETED)),
            (owner("b", "old"), Some(reason::NAME_CONFLICT)),
            (Value::Null, Some(reason::NAME_CONFLICT)),
        ] {
            let api = RecordingApi::default();
            let secret = json!({"metadata": {"name": "a-secret", "ownerReferences": owners}});
            api.holds(&serde_json::from_value::<Secret>(secret).unwrap());
            let got = ensure(&api.client(|_| None), "creel/agent", &agent, "a-secret", || Ok(Secret::default())).await;
            assert_eq!(got.err().and_then(|error| error.reason()), expected, "{owners}");
            assert_eq!(api.take_writes(), [""; 0]);
        }
    }
}
