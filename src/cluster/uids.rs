//! Which UID was behind a name, for the time when the object is gone. Memory only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

type Place = (String, String);

/// By namespace and name.
#[derive(Debug, Default)]
pub struct Uids(Mutex<HashMap<Place, String>>);

impl Uids {
    /// Remembers the UID; returns the one before, if another object had the name.
    pub fn meet(&self, namespace: &str, name: &str, uid: &str) -> Option<String> {
        let mut uids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uids.insert((namespace.to_owned(), name.to_owned()), uid.to_owned()).filter(|before| before != uid)
    }

    /// Forgets the name; returns its UID.
    pub fn forget(&self, namespace: &str, name: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(namespace.to_owned(), name.to_owned()))
    }
}
