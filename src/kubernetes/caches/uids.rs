//! Which UID was behind a name, for the time when the object is gone. Memory only.

use super::by_name::ByName;

/// By namespace and name.
#[derive(Debug, Default)]
pub struct UidTracker(ByName<String>);

impl UidTracker {
    /// Remembers the UID; returns the one before, if another object had the name.
    pub fn track(&self, namespace: &str, name: &str, uid: &str) -> Option<String> {
        self.0.put(namespace, name, uid.to_owned()).filter(|before| before != uid)
    }

    /// Forgets the name; returns its UID.
    pub fn forget(&self, namespace: &str, name: &str) -> Option<String> {
        self.0.take(namespace, name)
    }
}
