//! Reads Secrets and ConfigMaps that objects name. Touches the network; keeps digests, never values.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client};

use super::digests::{Read, SourceKind, SourceName, digest};
use crate::kubernetes::errors::brief;
use crate::world::stores::Stores;

/// So many reads at once for one object.
const AT_ONCE: usize = 8;

/// Who reads, and the random key under which digests are made.
#[derive(Clone, Debug)]
pub struct DigestKey {
    /// The UID of the Secret that holds the key: a new key makes new digests.
    pub uid: String,
    pub key: Vec<u8>,
}

/// One remembered read: by namespace, source and digest key.
type CacheKey = (String, SourceName, String);
/// UID and resourceVersion of the object, and the digest of each of its keys.
type Remembered = (String, BTreeMap<String, String>);

/// Reads and remembers the digests of what did not change.
#[derive(Default)]
pub struct References {
    cache: Mutex<HashMap<CacheKey, Remembered>>,
}

impl References {
    /// The digest of each key of each source. What the store knows to be unchanged is not read again.
    pub async fn read(
        &self,
        client: &Client,
        stores: &Stores,
        namespace: &str,
        names: BTreeSet<SourceName>,
        key: &DigestKey,
    ) -> BTreeMap<SourceName, Read> {
        stream::iter(names)
            .map(|name| async move {
                let read = self.read_one(client, stores, namespace, &name, key).await;
                (name, read)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await
    }

    /// Forgets what was read for a gateway that is gone.
    pub fn forget(&self, digest_key_uid: &str) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, _, uid), _| uid != digest_key_uid);
    }

    async fn read_one(
        &self,
        client: &Client,
        stores: &Stores,
        namespace: &str,
        name: &SourceName,
        key: &DigestKey,
    ) -> Read {
        let cache_key = (namespace.to_owned(), name.clone(), key.uid.clone());
        let version = stored_version(stores, namespace, name);
        if let Some(version) = &version {
            let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((known, keys)) = cache.get(&cache_key)
                && known == version
            {
                return Read::Keys(keys.clone());
            }
        }
        match fetch(client, namespace, name).await {
            Ok(Some((version, data))) => {
                let digests: BTreeMap<_, _> = data
                    .into_iter()
                    .map(|(field, value)| (field.clone(), digest(&key.key, name, &field, &value)))
                    .collect();
                let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
                cache.insert(cache_key, (version, digests.clone()));
                Read::Keys(digests)
            }
            Ok(None) => Read::Missing,
            Err(why) => Read::Unreadable(why),
        }
    }
}

/// UID and resourceVersion as the store shows them.
fn stored_version(stores: &Stores, namespace: &str, (kind, name): &SourceName) -> Option<String> {
    let metadata = match kind {
        SourceKind::Secret => stores.secrets.get(&ObjectRef::new(name).within(namespace))?.metadata.clone(),
        SourceKind::ConfigMap => {
            stores.config_map_metadata.get(&ObjectRef::new(name).within(namespace))?.metadata.clone()
        }
    };
    Some(format!("{}/{}", metadata.uid?, metadata.resource_version?))
}

type Data = BTreeMap<String, Vec<u8>>;

async fn fetch(client: &Client, namespace: &str, (kind, name): &SourceName) -> Result<Option<(String, Data)>, String> {
    let (metadata, data): (_, Data) = match kind {
        SourceKind::Secret => {
            let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
            let Some(secret) = api.get_opt(name).await.map_err(|error| brief(&error))? else { return Ok(None) };
            (secret.metadata, secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect())
        }
        SourceKind::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
            let Some(map) = api.get_opt(name).await.map_err(|error| brief(&error))? else { return Ok(None) };
            let text = map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
            let binary = map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
            (map.metadata, text.chain(binary).collect())
        }
    };
    let version = format!("{}/{}", metadata.uid.unwrap_or_default(), metadata.resource_version.unwrap_or_default());
    Ok(Some((version, data)))
}
