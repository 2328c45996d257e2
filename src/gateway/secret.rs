//! The generated Secret of a gateway (its token, the key of its digests, the key to its sandboxes) and the token that callers send.
//! Touches the network.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use secrecy::SecretString;

use crate::api::Agent;
use crate::api::references::SecretKeySelector;
use crate::kubernetes::caches::versioned::VersionedCache;
use crate::kubernetes::received::Received;
use crate::naming::{AGENT_MANAGER, GatewayNames, child_of};
pub use crate::references::generated_secret::SecretError;
use crate::references::generated_secret::{self, DIGEST_KEY, ensure, known_version, version_of};
use crate::references::read::DigestKey;
use crate::references::sources::{SSH_KEY, TOKEN_KEY};
use crate::references::ssh_keys;
use crate::world::stores::Stores;

/// What was read of Secrets that did not change since.
#[derive(Default)]
pub struct SecretMemory {
    digest_keys: VersionedCache<DigestKey>,
    /// By the owner of the gateway; the version says of which Secret and key too.
    tokens: VersionedCache<SecretString>,
}

impl SecretMemory {
    /// The digest key of a gateway. Creates the generated Secret if it does not exist.
    pub async fn digest_key(
        &self,
        client: &Client,
        stores: &Stores,
        owner: &Agent,
        names: &GatewayNames,
    ) -> Result<DigestKey, SecretError> {
        let namespace = owner.namespace().unwrap_or_default();
        let version = known_version(stores, &namespace, &names.secret);
        if let Some(key) = version.and_then(|version| self.digest_keys.get(&namespace, &names.secret, &version)) {
            return Ok(key);
        }
        let secret = ensure(client, AGENT_MANAGER, owner, &names.secret, || generate(owner, names)).await?;
        generated_secret::value(&secret, SSH_KEY)?;
        let key = generated_secret::digest_key(&secret)?;
        self.digest_keys.put(&namespace, &names.secret, version_of(&secret), key.clone());
        Ok(key)
    }

    /// The token that callers of the gateway of this Agent send.
    pub async fn token(
        &self,
        client: &Client,
        stores: &Stores,
        (namespace, owner): (&str, &str),
        selector: &SecretKeySelector,
    ) -> Result<SecretString, SecretError> {
        let of_key = |version: String| format!("{}/{} {version}", selector.name, selector.key);
        let version = known_version(stores, namespace, &selector.name).map(of_key);
        if let Some(token) = version.and_then(|version| self.tokens.get(namespace, owner, &version)) {
            return Ok(token);
        }
        let api: Api<Received<Secret>> = Api::namespaced(client.clone(), namespace);
        let fail = |source| SecretError::Api { name: selector.name.clone(), source: Box::new(source) };
        let secret = api.get(&selector.name).await.and_then(Received::whole).map_err(fail)?;
        let token = token_in(&secret, selector)?;
        self.tokens.put(namespace, owner, of_key(version_of(&secret)), token.clone());
        Ok(token)
    }

    /// Forgets the token and the generated Secret of a gateway that is gone; returns the UID of its digest key.
    pub fn forget(&self, namespace: &str, names: &GatewayNames) -> Option<String> {
        self.tokens.forget(namespace, names.owner());
        self.digest_keys.forget(namespace, &names.secret).map(|key| key.uid)
    }
}

fn token_in(secret: &Secret, selector: &SecretKeySelector) -> Result<SecretString, SecretError> {
    let (name, key) = (selector.name.clone(), selector.key.clone());
    let Some(value) = secret.data.as_ref().and_then(|data| data.get(&key)) else {
        return Err(SecretError::NoToken { name, key });
    };
    let unusable = |problem| Err(SecretError::UnusableToken { name, key, problem });
    // A token is sent in a header of HTTP.
    match std::str::from_utf8(&value.0) {
        Err(_) => unusable("is not UTF-8 text"),
        Ok("") => unusable("is empty"),
        Ok(token) if token.contains(['\n', '\r']) => {
            unusable("contains a line break, which `echo` adds at the end: use `printf` or `echo -n`")
        }
        Ok(token) if token.contains(char::is_control) => unusable("contains a control character"),
        Ok(token) => Ok(SecretString::from(token)),
    }
}

fn generate(owner: &Agent, names: &GatewayNames) -> Result<Secret, SecretError> {
    let mut random = [0_u8; 64];
    getrandom::fill(&mut random)?;
    let (token, digest_key) = random.split_at(32);
    Ok(Secret {
        metadata: child_of(owner, &names.secret, names.labels()),
        data: Some(BTreeMap::from([
            (TOKEN_KEY.to_owned(), ByteString(hex::encode(token).into_bytes())),
            (DIGEST_KEY.to_owned(), ByteString(digest_key.to_vec())),
            (SSH_KEY.to_owned(), ByteString(ssh_keys::generate()?.private.into_bytes())),
        ])),
        ..Secret::default()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::gateway::fixtures::company;
    use crate::kubernetes::conditions::reason;
    use crate::references::generated_secret::value;

    #[test]
    fn a_generated_secret_holds_a_token_a_digest_key_and_a_key_to_the_sandboxes() {
        let secret = generate(&company().owner, &GatewayNames::of("concierge")).unwrap();
        assert_eq!(value(&secret, TOKEN_KEY).unwrap().len(), 64);
        assert_eq!(value(&secret, DIGEST_KEY).unwrap().len(), 32);
        assert!(ssh_keys::public_of(value(&secret, SSH_KEY).unwrap()).is_some());
    }

    #[test]
    fn the_token_of_a_gateway_that_is_gone_is_forgotten_whichever_secret_it_was_in() {
        let (memory, version) = (SecretMemory::default(), "entry/token 1");
        memory.tokens.put("assistants", "concierge", version.to_owned(), "s3cret".into());
        assert!(memory.tokens.get("assistants", "concierge", version).is_some());
        memory.forget("assistants", &GatewayNames::of("concierge"));
        assert!(memory.tokens.get("assistants", "concierge", version).is_none());
    }

    #[test]
    fn a_token_that_cannot_be_sent_is_named_with_its_secret_and_what_is_wrong() {
        let selector = SecretKeySelector { name: "entry".to_owned(), key: "token".to_owned() };
        let token = |value: &[u8]| {
            let data = Some(BTreeMap::from([("token".to_owned(), ByteString(value.to_vec()))]));
            token_in(&Secret { data, ..Secret::default() }, &selector)
        };
        assert_eq!(token(b"s3cret token").unwrap().expose_secret(), "s3cret token");
        for (value, problem) in [
            (&b"s3cret\n"[..], "contains a line break"),
            (b"s3\tcret", "contains a control character"),
            (b"\xff\xfe", "is not UTF-8 text"),
            (b"", "is empty"),
        ] {
            let said = token(value).unwrap_err().to_string();
            let words = format!("key \"token\" of Secret \"entry\" is not a usable token: it {problem}");
            assert!(said.starts_with(&words), "{said}");
            assert!(!said.contains("s3"), "{said}");
        }
        let said = token_in(&Secret::default(), &selector).unwrap_err().to_string();
        assert_eq!(said, "Secret \"entry\" has no key \"token\"");
    }

    #[test]
    fn a_secret_that_lost_a_key_says_which_and_what_to_do() {
        let mut secret = generate(&company().owner, &GatewayNames::of("concierge")).unwrap();
        secret.data.as_mut().unwrap().remove(SSH_KEY);
        let error = value(&secret, SSH_KEY).unwrap_err();
        assert_eq!(error.reason(), Some(reason::SECRET_KEY_NOT_FOUND));
        assert_eq!(
            error.to_string(),
            "Secret \"concierge-secret\" is missing key \"ssh-key\": delete the Secret and Creel recreates it"
        );
    }
}
