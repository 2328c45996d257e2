//! What was read of objects that did not change since. Memory only.

use super::by_name::ByName;

/// One value of each object, with the version of the object that it was read from.
#[derive(Debug)]
pub struct VersionedCache<T>(ByName<(String, T)>);

impl<T> Default for VersionedCache<T> {
    fn default() -> Self {
        Self(ByName::default())
    }
}

impl<T: Clone> VersionedCache<T> {
    /// The value, if it was read from this version.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str, version: &str) -> Option<T> {
        let (known, value) = self.0.get(namespace, name)?;
        (known == version).then_some(value)
    }

    /// Remembers what was read.
    pub fn put(&self, namespace: &str, name: &str, version: String, value: T) {
        self.0.put(namespace, name, (version, value));
    }

    /// Forgets all objects but those of which this says that they are there.
    pub fn keep(&self, is_there: impl Fn(&str, &str) -> bool) {
        self.0.keep(is_there);
    }

    /// Forgets an object; returns what was known of it.
    pub fn forget(&self, namespace: &str, name: &str) -> Option<T> {
        self.0.take(namespace, name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_of_another_version_is_not_known() {
        let values = VersionedCache::default();
        values.put("assistants", "writer-secret", "1".to_owned(), "first");
        assert_eq!(values.get("assistants", "writer-secret", "1"), Some("first"));
        assert_eq!(values.get("assistants", "writer-secret", "2"), None);
        assert_eq!(values.get("elsewhere", "writer-secret", "1"), None);
        values.put("assistants", "gone", "1".to_owned(), "second");
        values.keep(|_, name| name != "gone");
        assert_eq!(values.get("assistants", "gone", "1"), None);
        assert_eq!(values.forget("assistants", "writer-secret"), Some("first"));
        assert_eq!(values.get("assistants", "writer-secret", "1"), None);
    }
}
