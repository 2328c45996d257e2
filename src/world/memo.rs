//! A value for each namespace that is made of objects there, for as long as none of them changes. Memory only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The values that were made since the last change in their namespace.
#[derive(Debug)]
pub struct Memo<T>(Mutex<Known<T>>);

#[derive(Debug)]
struct Known<T> {
    /// In all namespaces together.
    changes: u64,
    values: HashMap<String, Arc<T>>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::new(Known { changes: 0, values: HashMap::new() }))
    }
}

impl<T> Memo<T> {
    fn known(&self) -> MutexGuard<'_, Known<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object of this namespace changed.
    pub fn changed(&self, namespace: &str) {
        let mut known = self.known();
        known.changes += 1;
        known.values.remove(namespace);
    }

    /// The value, made if there is none since the last change.
    pub fn of(&self, namespace: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let before = {
            let known = self.known();
            if let Some(value) = known.values.get(namespace) {
                return Arc::clone(value);
            }
            known.changes
        };
        let value = Arc::new(make());
        let mut known = self.known();
        // What changed meanwhile is perhaps not in it.
        if known.changes == before {
            known.values.insert(namespace.to_owned(), Arc::clone(&value));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_anew_after_a_change_in_its_namespace_only() {
        let memo = Memo::default();
        assert_eq!(*memo.of("assistants", || 1), 1);
        assert_eq!(*memo.of("assistants", || 2), 1);
        assert_eq!(*memo.of("elsewhere", || 3), 3);
        memo.changed("assistants");
        assert_eq!(*memo.of("assistants", || 4), 4);
        assert_eq!(*memo.of("elsewhere", || 5), 3);
    }

    #[test]
    fn a_value_is_not_kept_if_something_changed_while_it_was_made() {
        let memo = Memo::default();
        let make = || {
            memo.changed("assistants");
            1
        };
        assert_eq!(*memo.of("assistants", make), 1);
        assert_eq!(*memo.of("assistants", || 2), 2);
    }
}
