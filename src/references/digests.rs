//! Keyed digests of what a Pod reads as environment: which values, whether they changed, and what is missing. Pure.
//!
//! A process reads its environment once. So a value that changes must recreate the Pod, and nothing else may. The digests
//! are HMACs with a random key of the gateway's own: they lie on the Deployment, and tell nothing about the values.

use std::collections::BTreeMap;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::kubernetes::conditions::reason;

/// The kinds that hold values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    Secret,
    ConfigMap,
}

impl SourceKind {
    /// As users write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// A Secret or ConfigMap by name.
pub type SourceName = (SourceKind, String);

/// One thing that the Pod reads as environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    pub kind: SourceKind,
    pub name: String,
    /// `None`: every key counts (`envFrom`).
    pub key: Option<String>,
    pub optional: bool,
    /// Whether an empty value, or one of whitespace only, is as bad as none.
    pub needs_text: bool,
    /// Where users wrote it, for messages: `spec.credentials.secretKeyRef of Provider "openai"`.
    pub field: String,
}

impl Source {
    /// That it does not exist, where what was read of it before stays in use.
    #[must_use]
    pub fn missing(&self) -> Fault {
        let reason = match self.kind {
            SourceKind::Secret => reason::SECRET_NOT_FOUND,
            SourceKind::ConfigMap => reason::CONFIG_MAP_NOT_FOUND,
        };
        let message = format!("{} \"{}\" does not exist ({}): create it", self.kind.as_str(), self.name, self.field);
        Fault { reason, message, carried: true }
    }
}

/// What reading one Secret or ConfigMap gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// What is known of each key's value.
    Keys(BTreeMap<String, KeyDigest>),
    Missing,
    /// Not to be read now (forbidden, time-out); why.
    Unreadable(String),
}

/// What is known of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDigest {
    /// See [`digest`].
    pub digest: String,
    /// See [`token_digest`].
    pub token: TokenDigest,
    /// Whether it is empty, or nothing but whitespace.
    pub blank: bool,
    /// The value itself, of a key of a ConfigMap whose text is wanted.
    pub text: Option<Text>,
}

/// The text of a key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    Is(Arc<str>),
    /// It is longer than [`Text::MOST`] bytes, or no UTF-8; its bytes.
    Unusable(usize),
}

impl Text {
    /// The most bytes that are kept: no feature takes more.
    pub const MOST: usize = 128 * 1024;

    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        let short = Some(value).filter(|value| value.len() <= Self::MOST);
        let text = short.and_then(|value| std::str::from_utf8(value).ok());
        text.map_or(Self::Unusable(value.len()), |text| Self::Is(text.into()))
    }

    /// The text, if it is one that can be used.
    #[must_use]
    pub fn usable(&self) -> Option<&str> {
        if let Self::Is(text) = self { Some(text) } else { None }
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Is(text) => text.len(),
            Self::Unusable(bytes) => *bytes,
        }
    }
}

/// By which a value is known where it is the token of a client.
pub type TokenDigest = [u8; 32];

impl KeyDigest {
    /// What is kept of the value of this key.
    #[must_use]
    pub fn of(digest_key: &[u8], source: &SourceName, key: &str, value: &[u8]) -> Self {
        let blank = std::str::from_utf8(value).is_ok_and(|text| text.trim().is_empty());
        let (digest, token) = (digest(digest_key, source, key, value), token_digest(digest_key, value));
        Self { digest, token, blank, text: None }
    }
}

/// `Secret/openai/api-key` → digest. Lies on the Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digests(pub BTreeMap<String, String>);

/// What is wrong with a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub reason: &'static str,
    pub message: String,
    /// Whether the value was there before, so that what runs can go on as it is.
    pub carried: bool,
}

impl Fault {
    /// Whether it ends without anybody's help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.reason == reason::BEING_DELETED
    }
}

/// The outcome for a list of sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    pub digests: Digests,
    pub faults: Vec<Fault>,
}

impl Resolved {
    /// The first fault that leaves a process without a value that it needs.
    #[must_use]
    pub fn blocking(&self) -> Option<&Fault> {
        self.faults.iter().find(|fault| !fault.carried)
    }
}

/// The digest of one value under the gateway's key: 16 hex digits.
#[must_use]
pub fn digest(key: &[u8], source: &SourceName, name: &str, value: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    for part in [source.0.as_str().as_bytes(), source.1.as_bytes(), name.as_bytes(), value] {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    hex::encode(&mac.finalize().into_bytes()[..8])
}

/// What is authenticated besides the token, so that its digest means nothing anywhere else.
const CLIENT_TOKEN: &[u8] = b"creel client token\0";

/// The digest by which `creel-shell relay` knows a token, under the gateway's key. A line break at the end cannot be sent, and does not
/// count.
#[must_use]
pub fn token_digest(key: &[u8], value: &[u8]) -> TokenDigest {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return TokenDigest::default() };
    mac.chain_update(CLIENT_TOKEN).chain_update(value.trim_ascii_end()).finalize().into_bytes().into()
}

/// Digests of everything the sources name; what is missing is carried over from `previous` where it was known.
#[must_use]
pub fn resolve(sources: &[Source], reads: &BTreeMap<SourceName, Read>, previous: &Digests) -> Resolved {
    let mut resolved = Resolved::default();
    for source in sources {
        let read = reads.get(&(source.kind, source.name.clone())).unwrap_or(&Read::Missing);
        match read {
            Read::Keys(keys) => resolve_keys(source, keys, previous, &mut resolved),
            Read::Missing if source.optional => {}
            Read::Missing => {
                let Fault { reason, message, .. } = source.missing();
                carry(source, reason, message, previous, &mut resolved);
            }
            Read::Unreadable(why) => {
                let message =
                    format!("{} \"{}\" cannot be read ({}): {why}", source.kind.as_str(), source.name, source.field);
                carry(source, reason::REFERENCE_UNREADABLE, message, previous, &mut resolved);
            }
        }
    }
    resolved
}

fn resolve_keys(source: &Source, keys: &BTreeMap<String, KeyDigest>, previous: &Digests, resolved: &mut Resolved) {
    let Some(key) = &source.key else {
        resolved.digests.0.extend(keys.iter().map(|(key, value)| (id(source, key), value.digest.clone())));
        return;
    };
    if let Some(value) = keys.get(key) {
        if source.needs_text && value.blank {
            let (kind, name) = (source.kind.as_str(), &source.name);
            let message = format!("Key \"{key}\" of {kind} \"{name}\" is empty ({}): set it", source.field);
            carry(source, reason::SECRET_KEY_EMPTY, message, previous, resolved);
        } else {
            resolved.digests.0.insert(id(source, key), value.digest.clone());
        }
    } else if !source.optional {
        let reason = match source.kind {
            SourceKind::Secret => reason::SECRET_KEY_NOT_FOUND,
            SourceKind::ConfigMap => reason::CONFIG_MAP_KEY_NOT_FOUND,
        };
        let present = crate::references::suggest::suggestion(key, keys.keys().map(String::as_str));
        let message =
            format!("{} \"{}\" has no key \"{key}\" ({}){present}", source.kind.as_str(), source.name, source.field);
        carry(source, reason, message, previous, resolved);
    }
}

fn carry(source: &Source, reason: &'static str, message: String, previous: &Digests, resolved: &mut Resolved) {
    let prefix = id(source, source.key.as_deref().unwrap_or(""));
    let is_same = |name: &str| if source.key.is_some() { name == prefix } else { name.starts_with(&prefix) };
    let known: Vec<_> = previous.0.iter().filter(|(name, _)| is_same(name)).collect();
    let carried = !known.is_empty();
    resolved.digests.0.extend(known.into_iter().map(|(name, digest)| (name.clone(), digest.clone())));
    resolved.faults.push(Fault { reason, message, carried });
}

fn id(source: &Source, key: &str) -> String {
    format!("{}/{}/{key}", source.kind.as_str(), source.name)
}

/// What differs between two digests, in words: `Secret "openai" key "api-key" changed`.
#[must_use]
pub fn changes(previous: &Digests, next: &Digests) -> Vec<String> {
    let all: std::collections::BTreeSet<_> = previous.0.keys().chain(next.0.keys()).collect();
    all.into_iter()
        .filter_map(|id| {
            let how = match (previous.0.get(id), next.0.get(id)) {
                (Some(before), Some(after)) if before == after => return None,
                (Some(_), Some(_)) => "changed",
                (None, _) => "appeared",
                (_, None) => "is no longer used or is gone",
            };
            let mut parts = id.splitn(3, '/');
            let (kind, name, key) = (parts.next()?, parts.next()?, parts.next()?);
            Some(format!("{kind} \"{name}\" key \"{key}\" {how}"))
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(key: Option<&str>, optional: bool) -> Source {
        Source {
            kind: SourceKind::Secret,
            name: "openai".into(),
            key: key.map(str::to_owned),
            optional,
            needs_text: true,
            field: "spec.credentials.secretKeyRef of Provider \"openai\"".into(),
        }
    }

    fn name() -> SourceName {
        (SourceKind::Secret, "openai".into())
    }

    fn keys(pairs: &[(&str, &str)]) -> BTreeMap<SourceName, Read> {
        let keys =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), KeyDigest::of(b"k", &name(), key, value.as_bytes())));
        BTreeMap::from([(name(), Read::Keys(keys.collect()))])
    }

    #[test]
    fn only_the_keys_that_something_refers_to_count() {
        let sources = [source(Some("api-key"), false)];
        let before = resolve(&sources, &keys(&[("api-key", "a"), ("other", "b")]), &Digests::default());
        let after = resolve(&sources, &keys(&[("api-key", "a"), ("other", "changed")]), &Digests::default());
        assert_eq!(before, after);
        let rotated = resolve(&sources, &keys(&[("api-key", "new")]), &before.digests);
        assert_eq!(changes(&before.digests, &rotated.digests), ["Secret \"openai\" key \"api-key\" changed"]);
    }

    #[test]
    fn every_key_of_an_env_from_counts() {
        let sources = [source(None, false)];
        let before = resolve(&sources, &keys(&[("a", "1")]), &Digests::default()).digests;
        let after = resolve(&sources, &keys(&[("a", "1"), ("b", "2")]), &before).digests;
        assert_eq!(changes(&before, &after), ["Secret \"openai\" key \"b\" appeared"]);
    }

    #[test]
    fn a_required_secret_that_goes_away_is_carried_and_reported() {
        let sources = [source(Some("api-key"), false)];
        let before = resolve(&sources, &keys(&[("api-key", "a")]), &Digests::default()).digests;
        let gone = resolve(&sources, &BTreeMap::from([(name(), Read::Missing)]), &before);
        assert_eq!(gone.digests, before);
        assert_eq!(gone.faults[0].reason, reason::SECRET_NOT_FOUND);
        assert!(gone.blocking().is_none());
    }

    #[test]
    fn a_required_secret_that_never_was_blocks() {
        let sources = [source(Some("api-key"), false)];
        let resolved = resolve(&sources, &keys(&[("api-kye", "a")]), &Digests::default());
        let message = resolved.blocking().map(|fault| fault.message.as_str());
        assert_eq!(
            message,
            Some(
                "Secret \"openai\" has no key \"api-key\" (spec.credentials.secretKeyRef of Provider \"openai\") (did you mean \"api-kye\"?)"
            )
        );
    }

    #[test]
    fn an_empty_value_is_as_bad_as_none_where_text_is_needed() {
        let sources = [source(Some("api-key"), false)];
        for empty in ["", " ", "\n", "\u{a0}\t"] {
            let resolved = resolve(&sources, &keys(&[("api-key", empty)]), &Digests::default());
            let fault = resolved.blocking().unwrap();
            assert_eq!(fault.reason, reason::SECRET_KEY_EMPTY);
            let expected = "Key \"api-key\" of Secret \"openai\" is empty (spec.credentials.secretKeyRef of Provider \"openai\"): set it";
            assert_eq!(fault.message, expected);
            assert_eq!(resolved.digests, Digests::default());
        }
        let any = Source { needs_text: false, ..source(Some("api-key"), false) };
        assert!(resolve(&[any], &keys(&[("api-key", "")]), &Digests::default()).faults.is_empty());
    }

    #[test]
    fn a_value_that_becomes_empty_is_carried_and_reported() {
        let sources = [source(Some("api-key"), false)];
        let before = resolve(&sources, &keys(&[("api-key", "a")]), &Digests::default()).digests;
        let emptied = resolve(&sources, &keys(&[("api-key", "")]), &before);
        assert_eq!(emptied.digests, before);
        assert_eq!(emptied.faults[0].reason, reason::SECRET_KEY_EMPTY);
        assert!(emptied.blocking().is_none());
    }

    #[test]
    fn an_optional_key_may_be_missing_and_counts_when_it_appears() {
        let sources = [source(Some("api-key"), true)];
        let without = resolve(&sources, &keys(&[]), &Digests::default());
        assert_eq!(without, Resolved::default());
        assert_ne!(resolve(&sources, &keys(&[("api-key", "a")]), &without.digests).digests, without.digests);
    }

    proptest! {
        #[test]
        fn the_same_data_gives_the_same_digest_and_other_data_another(a in ".*", b in ".*") {
            let of = |value: &str| digest(b"key", &name(), "api-key", value.as_bytes());
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }
    }
}
