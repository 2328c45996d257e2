//! The objects of our kinds that do not parse, because they were written by a newer schema, say. Memory only.
//!
//! Where one lies, nobody can tell what is still wanted: what would be removed because nobody wants it stays.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// By kind, namespace and name.
#[derive(Debug, Default)]
pub struct Unreadable(Mutex<BTreeSet<(String, String, String)>>);

impl Unreadable {
    /// Whether the namespace has one.
    #[must_use]
    pub fn lies_in(&self, namespace: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|(_, of, _)| of == namespace)
    }

    /// Remembers whether the object can be read now, or is gone.
    pub fn remember(&self, kind: &str, namespace: &str, name: &str, is_readable: bool) {
        let object = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_readable {
            all.remove(&object);
        } else {
            all.insert(object);
        }
    }

    /// All of a kind are about to be told anew.
    pub fn forget(&self, kind: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(of, _, _)| of != kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_unreadable_until_it_is_mended_or_gone() {
        let unreadable = Unreadable::default();
        unreadable.remember("CronJob", "assistants", "notes", false);
        assert!(unreadable.lies_in("assistants") && !unreadable.lies_in("default"));
        unreadable.remember("CronJob", "assistants", "notes", true);
        assert!(!unreadable.lies_in("assistants"));
        unreadable.remember("CronJob", "assistants", "notes", false);
        unreadable.forget("Agent");
        assert!(unreadable.lies_in("assistants"));
        unreadable.forget("CronJob");
        assert!(!unreadable.lies_in("assistants"));
    }
}
