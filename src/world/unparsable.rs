//! The objects of our kinds that do not parse, because they were written by a newer schema, say. Memory only.
//!
//! Where one lies, nobody can tell what is still wanted: what would be removed because nobody wants it stays.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Kind, namespace and name.
type Place = (String, String, String);

/// With the list of its kind that told of each.
#[derive(Debug, Default)]
pub struct Unparsable(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    objects: HashMap<Place, u64>,
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

    /// Remembers whether the object can be read now, or is gone.
    pub fn remember(&self, kind: &str, namespace: &str, name: &str, is_readable: bool) {
        let mut known = self.known();
        let object = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        if is_readable {
            known.objects.remove(&object);
        } else {
            let list = known.lists.get(kind).copied().unwrap_or_default();
            known.objects.insert(object, list);
        }
    }

    /// All of a kind are about to be told anew, which may take long.
    pub fn begin_list(&self, kind: &str) {
        *self.known().lists.entry(kind.to_owned()).or_default() += 1;
    }

    /// All of a kind were told anew: what the list did not tell of is gone.
    pub fn end_list(&self, kind: &str) {
        let mut known = self.known();
        let list = known.lists.get(kind).copied().unwrap_or_default();
        known.objects.retain(|(of, ..), told| of != kind || *told == list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_unreadable_until_it_is_mended_or_a_whole_list_lacks_it() {
        let unreadable = Unparsable::default();
        let lies = || unreadable.any_in("assistants", &["Agent", "CronJob"]);
        unreadable.remember("CronJob", "assistants", "notes", false);
        assert!(lies() && !unreadable.any_in("default", &["CronJob"]));
        assert!(!unreadable.any_in("assistants", &["Agent"]));
        unreadable.remember("CronJob", "assistants", "notes", true);
        assert!(!lies());
        unreadable.begin_list("CronJob");
        unreadable.remember("CronJob", "assistants", "notes", false);
        unreadable.end_list("CronJob");
        assert!(lies());
        unreadable.begin_list("CronJob");
        unreadable.end_list("Agent");
        assert!(lies(), "a list that is not at its end says nothing of what it lacks");
        unreadable.end_list("CronJob");
        assert!(!lies());
    }
}
