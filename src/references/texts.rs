//! Reads ConfigMaps whose text Creel passes on to gateways. Touches the network.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Client;

use super::digests::SourceName;
use super::read::{Data, Versions, fetch};

/// What reading one ConfigMap gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The values by key.
    Values(Arc<Data>),
    Missing,
    /// Not to be read now (forbidden, time-out); why.
    Unreadable(String),
}

/// By the reader, which is a namespace and a name, and by source.
type CacheKey = ((String, String), SourceName);

/// Reads and remembers what did not change.
#[derive(Default)]
pub struct Texts {
    cache: Mutex<HashMap<CacheKey, (String, Arc<Data>)>>,
}

impl Texts {
    /// The text of each source, by name. What is known to be unchanged is not read again, and what this reader does not name any more is
    /// forgotten.
    pub async fn read(
        &self,
        client: &Client,
        versions: &impl Versions,
        (namespace, reader): (&str, &str),
        names: BTreeSet<SourceName>,
    ) -> BTreeMap<SourceName, Text> {
        let reader = (namespace.to_owned(), reader.to_owned());
        self.cache().retain(|(of, name), _| *of != reader || names.contains(name));
        let mut texts = BTreeMap::new();
        for name in names {
            let key = (reader.clone(), name.clone());
            let version = versions.of(namespace, &name);
            let known = self.cache().get(&key).filter(|(known, _)| Some(known) == version.as_ref()).cloned();
            let text = match known {
                Some((_, values)) => Text::Values(values),
                None => match fetch(client, namespace, &name).await {
                    Ok(Some((version, values))) => {
                        let values = Arc::new(values);
                        self.cache().insert(key, (version, Arc::clone(&values)));
                        Text::Values(values)
                    }
                    Ok(None) => Text::Missing,
                    Err(why) => Text::Unreadable(why),
                },
            };
            texts.insert(name, text);
        }
        texts
    }

    /// Forgets what was read for this reader.
    pub fn forget(&self, namespace: &str, reader: &str) {
        self.cache().retain(|((of, name), _), _| (of.as_str(), name.as_str()) != (namespace, reader));
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<CacheKey, (String, Arc<Data>)>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
