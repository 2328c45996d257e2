//! One value for each object, by its namespace and name. Memory only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Namespace and name.
type Key = (String, String);

/// By namespace and name.
#[derive(Debug)]
pub struct ByName<T>(Mutex<HashMap<Key, T>>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> ByName<T> {
    fn values(&self) -> MutexGuard<'_, HashMap<Key, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the value; returns the one before.
    pub fn put(&self, namespace: &str, name: &str, value: T) -> Option<T> {
        self.values().insert((namespace.to_owned(), name.to_owned()), value)
    }

    /// Gives the value away.
    pub fn take(&self, namespace: &str, name: &str) -> Option<T> {
        self.values().remove(&(namespace.to_owned(), name.to_owned()))
    }

    /// Keeps only the values of objects of which this says so.
    pub fn keep(&self, is_there: impl Fn(&str, &str) -> bool) {
        self.values().retain(|(namespace, name), _| is_there(namespace, name));
    }

    /// The value.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<T>
    where
        T: Clone,
    {
        self.values().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }
}
