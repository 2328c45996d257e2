//! A value for each namespace that is made of objects there, for as long as none of them changes. Memory only.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// With how many changes there had been when each value was made.
#[derive(Debug)]
pub struct Memo<T> {
    changes: AtomicU64,
    values: Mutex<HashMap<String, (u64, Arc<T>)>>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { changes: AtomicU64::new(0), values: Mutex::default() }
    }
}

impl<T> Memo<T> {
    /// An object changed.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// The value, made if there is none since the last change.
    pub fn of(&self, namespace: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let now = self.changes.load(Ordering::Acquire);
        let values = || self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let known = values().get(namespace).filter(|(of, _)| *of == now).map(|(_, value)| Arc::clone(value));
        known.unwrap_or_else(|| {
            let value = Arc::new(make());
            values().insert(namespace.to_owned(), (now, Arc::clone(&value)));
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_anew_after_a_change_only() {
        let memo = Memo::default();
        assert_eq!(*memo.of("assistants", || 1), 1);
        assert_eq!(*memo.of("assistants", || 2), 1);
        assert_eq!(*memo.of("elsewhere", || 3), 3);
        memo.changed();
        assert_eq!(*memo.of("assistants", || 4), 4);
    }
}
