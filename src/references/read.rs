//! Reads Secrets and ConfigMaps that objects name. Touches the network; keeps digests, and of values only the texts of ConfigMaps that are
//! wanted as such.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::ObjectMeta;
use kube::{Api, Client};
use tokio::sync::Semaphore;

use super::digests::{KeyDigest, Read, SourceKind, SourceName, Text};
use crate::kubernetes::errors::brief;
use crate::kubernetes::received::{self, Received};

/// So many reads at once for one object, and for all: each object may have a mebibyte, which is read whole.
const MAX_CONCURRENT: usize = 8;
const MAX_READS: usize = 8;

/// Keys of one object. The digests of all that a gateway reads lie in an annotation, and all annotations together have 256 KiB.
const MOST_KEYS: usize = 2000;

/// What is known of Secrets and ConfigMaps without reading them.
pub trait Versions: Sync {
    /// UID and resourceVersion of the object, as [`version`] writes them; `None`: it is not known.
    fn of(&self, namespace: &str, source: &SourceName) -> Option<String>;
}

impl<V: Versions + Send> Versions for Arc<V> {
    fn of(&self, namespace: &str, source: &SourceName) -> Option<String> {
        V::of(self, namespace, source)
    }
}

/// What distinguishes one state of an object from another: UID and resourceVersion.
#[must_use]
pub fn version(metadata: &ObjectMeta) -> Option<String> {
    Some(format!("{}/{}", metadata.uid.as_ref()?, metadata.resource_version.as_ref()?))
}

/// Who reads, and the random key under which digests are made.
#[derive(Clone)]
pub struct DigestKey {
    /// The UID of the Secret that holds the key: a new key makes new digests.
    pub uid: String,
    pub key: Vec<u8>,
}

impl fmt::Debug for DigestKey {
    /// Whoever knows the key can try values against the digests, so it is not shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DigestKey").field("uid", &self.uid).finish_non_exhaustive()
    }
}

/// Of which keys the texts are wanted, by ConfigMap.
pub type Texts = BTreeMap<String, Wanted>;

/// Of which keys of a ConfigMap the texts are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    pub keys: BTreeSet<String>,
    /// Of all its keys.
    pub all: bool,
}

impl Wanted {
    fn has(&self, key: &str) -> bool {
        self.all || self.keys.contains(key)
    }
}

/// One remembered read: by namespace, source, digest key, and the keys whose texts were kept.
type CacheKey = (String, SourceName, String, Wanted);
/// UID and resourceVersion of the object, and what reading it gave.
type Remembered = (String, Read);

/// Reads and remembers the digests of what did not change.
pub struct References {
    cache: Mutex<HashMap<CacheKey, Remembered>>,
    reads: Semaphore,
}

impl Default for References {
    fn default() -> Self {
        Self { cache: Mutex::default(), reads: Semaphore::new(MAX_READS) }
    }
}

impl References {
    /// The digest of each key of each source. What is known to be unchanged is not read again, and what is not named any more is
    /// forgotten.
    pub async fn read(
        &self,
        client: &Client,
        versions: &impl Versions,
        namespace: &str,
        names: BTreeSet<SourceName>,
        key: &DigestKey,
    ) -> BTreeMap<SourceName, Read> {
        self.read_texts(client, versions, namespace, (names, &Texts::new()), key).await
    }

    /// The same, with the texts of these keys.
    pub async fn read_texts(
        &self,
        client: &Client,
        versions: &impl Versions,
        namespace: &str,
        (names, texts): (BTreeSet<SourceName>, &Texts),
        key: &DigestKey,
    ) -> BTreeMap<SourceName, Read> {
        let wanted = |name: &SourceName| match name.0 {
            SourceKind::ConfigMap => texts.get(&name.1).cloned().unwrap_or_default(),
            SourceKind::Secret => Wanted::default(),
        };
        self.cache().retain(|(of, name, uid, texts), _| {
            *uid != key.uid || (of == namespace && names.contains(name) && *texts == wanted(name))
        });
        stream::iter(names)
            .map(|name| async move {
                let texts = wanted(&name);
                let read = self.read_one(client, versions, namespace, (&name, texts), key).await;
                (name, read)
            })
            .buffer_unordered(MAX_CONCURRENT)
            .collect()
            .await
    }

    /// Forgets what was read for a gateway that is gone.
    pub fn forget(&self, digest_key_uid: &str) {
        self.cache().retain(|(_, _, uid, _), _| uid != digest_key_uid);
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<CacheKey, Remembered>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_one(
        &self,
        client: &Client,
        versions: &impl Versions,
        namespace: &str,
        (name, texts): (&SourceName, Wanted),
        key: &DigestKey,
    ) -> Read {
        let cache_key = (namespace.to_owned(), name.clone(), key.uid.clone(), texts);
        let version = versions.of(namespace, name);
        if let Some((known, read)) = self.cache().get(&cache_key)
            && version.as_ref() == Some(known)
        {
            return read.clone();
        }
        let _turn = self.reads.acquire().await;
        match fetch(client, namespace, name).await {
            Ok(Some((version, data))) => {
                let read = digests(data, name, key, &cache_key.3);
                self.cache().insert(cache_key, (version, read.clone()));
                read
            }
            Ok(None) => Read::Missing,
            Err(why) => Read::Unreadable(why),
        }
    }
}

/// The values by key.
type Data = BTreeMap<String, Vec<u8>>;

/// The digest of each key, unless there are too many, and the texts of these.
fn digests(data: Data, name: &SourceName, key: &DigestKey, texts: &Wanted) -> Read {
    if data.len() > MOST_KEYS {
        return Read::Unreadable(format!("it has {} keys, and Creel reads at most {MOST_KEYS}: split it", data.len()));
    }
    let keys = data.into_iter().map(|(field, value)| {
        let text = texts.has(&field).then(|| Text::of(&value));
        let digest = KeyDigest { text, ..KeyDigest::of(&key.key, name, &field, &value) };
        (field, digest)
    });
    Read::Keys(keys.collect())
}

/// Whether an object can have this name. The client puts it into the path of the request as it is.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// The version of the object and its values; `None`: it does not exist.
async fn fetch(client: &Client, namespace: &str, (kind, name): &SourceName) -> Result<Option<(String, Data)>, String> {
    if !is_name(name) {
        return Ok(None);
    }
    let (metadata, data): (_, Data) = match kind {
        SourceKind::Secret => {
            let api: Api<Received<Secret>> = Api::namespaced(client.clone(), namespace);
            let Some(secret) = received::get(&api, name).await.map_err(|error| brief(&error))? else { return Ok(None) };
            (secret.metadata, secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect())
        }
        SourceKind::ConfigMap => {
            let api: Api<Received<ConfigMap>> = Api::namespaced(client.clone(), namespace);
            let Some(map) = received::get(&api, name).await.map_err(|error| brief(&error))? else { return Ok(None) };
            let text = map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
            let binary = map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
            (map.metadata, text.chain(binary).collect())
        }
    };
    Ok(Some((version(&metadata).unwrap_or_default(), data)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_object_with_too_many_keys_no_digest_is_kept() {
        let key = DigestKey { uid: "uid".to_owned(), key: vec![171] };
        let read = |keys: usize| {
            let data = (0..keys).map(|number| (number.to_string(), Vec::new())).collect();
            digests(data, &(SourceKind::Secret, "much".to_owned()), &key, &Wanted::default())
        };
        assert!(matches!(read(MOST_KEYS), Read::Keys(keys) if keys.len() == MOST_KEYS));
        let why = "it has 2001 keys, and Creel reads at most 2000: split it".to_owned();
        assert_eq!(read(MOST_KEYS + 1), Read::Unreadable(why));
    }

    #[test]
    fn only_the_texts_that_are_wanted_are_kept_and_none_that_is_too_long() {
        let key = DigestKey { uid: "uid".to_owned(), key: vec![171] };
        let values =
            [("long", vec![b'a'; Text::MOST + 1]), ("other", vec![b'o']), ("raw", vec![0xff]), ("soul", vec![b's'])];
        let data = values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let wanted = Wanted { keys: ["long", "raw", "soul"].map(str::to_owned).into(), all: false };
        let Read::Keys(keys) = digests(data, &(SourceKind::ConfigMap, "persona".to_owned()), &key, &wanted) else {
            return;
        };
        let texts: Vec<Option<Text>> = keys.into_values().map(|value| value.text).collect();
        let unusable = |bytes| Some(Text::Unusable(bytes));
        assert_eq!(texts, [unusable(Text::MOST + 1), None, unusable(1), Some(Text::Is("s".into()))]);
    }

    #[test]
    fn only_what_an_object_can_be_called_is_asked_for() {
        assert!(["a", "team-2", "a.b.c", "0"].into_iter().all(is_name));
        assert!(
            !["", "..", "../../other/secrets/x", "a/b", "a?b", "A", "-a", "a-", "a..b", "ä"].into_iter().any(is_name)
        );
    }

    #[test]
    fn the_key_of_the_digests_is_not_in_its_debug_output() {
        let key = DigestKey { uid: "uid-of-secret".to_owned(), key: vec![171, 171] };
        assert_eq!(format!("{key:?}"), "DigestKey { uid: \"uid-of-secret\", .. }");
    }
}
