//! The watched objects that do not parse, for example because they were written by a newer schema. Memory only.
//!
//! In a namespace with one it is unknown what is still wanted: what would be removed because no object asks for it stays.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Kind, namespace and name.
type Key = (String, String, String);

/// With the list of its kind that showed each.
#[derive(Debug, Default)]
pub struct Unparsable(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    objects: HashMap<Key, u64>,
    /// How often each kind was listed.
    lists: HashMap<String, u64>,
}

impl Unparsable {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the namespace has one of these kinds.
    #[must_use]
    pub fn any_in(&self, namespace: &str, kinds: &[&str]) -> bool {
        self.known().objects.keys().any(|(kind, of, _)| of == namespace && kinds.contains(&kind.as_str()))
    }

    /// Whether the object of this kind and name is one.
    #[must_use]
    pub fn contains(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.known().objects.contains_key(&(kind.to_owned(), namespace.to_owned(), name.to_owned()))
    }

    /// Remembers whether the object parses now, or is gone. Returns whether that is news.
    pub fn remember(&self, kind: &str, namespace: &str, name: &str, parses: bool) -> bool {
        let mut known = self.known();
        let object = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        if parses {
            return known.objects.remove(&object).is_some();
        }
        let list = known.lists.get(kind).copied().unwrap_or_default();
        known.objects.insert(object, list).is_none()
    }

    /// A list of all objects of a kind begins, which may take long.
    pub fn begin_list(&self, kind: &str) {
        *self.known().lists.entry(kind.to_owned()).or_default() += 1;
    }

    /// The list is complete: what it did not show is gone. Returns the namespaces and names of these.
    pub fn end_list(&self, kind: &str) -> Vec<(String, String)> {
        let mut known = self.known();
        let list = known.lists.get(kind).copied().unwrap_or_default();
        let gone = known.objects.extract_if(|(of, ..), shown| of == kind && *shown != list);
        gone.map(|((_, namespace, name), _)| (namespace, name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_unparsable_until_it_parses_or_a_complete_list_lacks_it() {
        let unparsable = Unparsable::default();
        let any = || unparsable.any_in("assistants", &["Agent", "CronJob"]);
        assert!(unparsable.remember("CronJob", "assistants", "notes", false));
        assert!(!unparsable.remember("CronJob", "assistants", "notes", false), "that is no news");
        assert!(any() && !unparsable.any_in("default", &["CronJob"]));
        assert!(unparsable.contains("CronJob", "assistants", "notes"));
        assert!(!unparsable.any_in("assistants", &["Agent"]));
        assert!(unparsable.remember("CronJob", "assistants", "notes", true));
        assert!(!any());
        unparsable.begin_list("CronJob");
        unparsable.remember("CronJob", "assistants", "notes", false);
        assert!(unparsable.end_list("CronJob").is_empty());
        assert!(any());
        unparsable.begin_list("CronJob");
        assert!(unparsable.end_list("Agent").is_empty());
        assert!(any(), "a list that is not complete says nothing of what it lacks");
        assert_eq!(unparsable.end_list("CronJob"), [("assistants".to_owned(), "notes".to_owned())]);
        assert!(!any());
    }
}
