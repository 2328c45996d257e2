//! Whether a child has to be sent again. In steady state nothing is. No I/O.
//!
//! `generation` and `resourceVersion` both fail here: the first does not count metadata, the second counts status. What
//! counts is whether *our* fields are still ours, which a hash of our own managedFields entry tells, and whether they still say what they
//! said: that entry tells nothing of an edit in our name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For this long after we applied, a cache that still shows the state from before is only late.
pub const CACHE_LAG: Duration = Duration::from_secs(30);

/// A child: kind, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChildKey {
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

/// What the cache shows of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub uid: String,
    /// The hash of our own managedFields entry.
    pub own: Option<u64>,
    /// The hash of what we decide on.
    pub content: u64,
}

/// What we know since our last apply.
#[derive(Debug)]
struct Entry {
    owner: String,
    desired: u64,
    applied: Shown,
    before: Option<Shown>,
    at: Instant,
    /// Whether the cache has shown our apply since.
    seen: bool,
}

impl Entry {
    /// Whether the child is another one than we applied, and the cache is not only late.
    fn differs(&mut self, shown: Option<&Shown>, now: Instant) -> bool {
        if shown == Some(&self.applied) {
            self.seen = true;
            return false;
        }
        let late = !self.seen && shown == self.before.as_ref() && now < self.at + CACHE_LAG;
        !late
    }
}

/// The memory of all applies of one controller.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<HashMap<ChildKey, Entry>>,
}

impl Ledger {
    /// Whether the child has to be sent.
    pub fn is_due(&self, key: &ChildKey, desired: u64, shown: Option<&Shown>, now: Instant) -> bool {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.get_mut(key) else { return true };
        if entry.desired != desired {
            return true;
        }
        entry.differs(shown, now)
    }

    /// Whether somebody edited the child since we applied it, as far as this process knows.
    pub fn was_edited(&self, key: &ChildKey, shown: &Shown, now: Instant) -> bool {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get_mut(key).is_some_and(|entry| entry.differs(Some(shown), now))
    }

    /// Remembers what was sent, what came of it and what the cache showed at that time.
    pub fn applied(
        &self,
        key: ChildKey,
        owner: &str,
        desired: u64,
        applied: Shown,
        before: Option<Shown>,
        now: Instant,
    ) {
        let entry = Entry { owner: owner.to_owned(), desired, applied, before, at: now, seen: false };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(key, entry);
    }

    /// How long the cache may still be late with a child of this owner; `None`: it has shown all of them. Until then an edit by hand that
    /// takes back what was applied looks like a late cache, so its owner has to be looked at again afterwards.
    pub fn unseen_for(&self, owner: &str, now: Instant) -> Option<Duration> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let unseen = entries.values().filter(|entry| entry.owner == owner && !entry.seen);
        unseen.filter_map(|entry| (entry.at + CACHE_LAG).checked_duration_since(now)).max()
    }

    /// Forgets one child, after it was deleted.
    pub fn forget(&self, key: &ChildKey) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Forgets every child of an owner that is gone.
    pub fn forget_owner(&self, uid: &str) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, entry| entry.owner != uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ChildKey {
        ChildKey { kind: "Service".into(), namespace: "a".into(), name: "b".into() }
    }

    #[allow(clippy::unnecessary_wraps)]
    fn shown(own: u64) -> Option<Shown> {
        Some(Shown { uid: "u".into(), own: Some(own), content: 0 })
    }

    fn ledger(before: Option<Shown>, now: Instant) -> Ledger {
        let ledger = Ledger::default();
        ledger.applied(key(), "owner", 7, Shown { uid: "u".into(), own: Some(1), content: 0 }, before, now);
        ledger
    }

    #[test]
    fn nothing_is_sent_while_everything_is_as_we_left_it() {
        let now = Instant::now();
        let ledger = ledger(None, now);
        assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
        assert!(ledger.is_due(&key(), 8, shown(1).as_ref(), now), "another desire");
        assert!(ledger.is_due(&key(), 7, shown(2).as_ref(), now), "a foreign edit of our fields");
    }

    #[test]
    fn an_edit_in_our_name_is_undone() {
        let now = Instant::now();
        let ledger = ledger(None, now);
        assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
        let edited = Shown { uid: "u".into(), own: Some(1), content: 1 };
        assert!(ledger.is_due(&key(), 7, Some(&edited), now));
        assert!(ledger.was_edited(&key(), &edited, now));
        assert!(shown(1).is_some_and(|unedited| !ledger.was_edited(&key(), &unedited, now)));
    }

    #[test]
    fn a_late_cache_is_believed_for_thirty_seconds_only() {
        let now = Instant::now();
        let ledger = ledger(shown(9), now);
        assert!(!ledger.is_due(&key(), 7, shown(9).as_ref(), now + Duration::from_secs(29)));
        assert!(ledger.is_due(&key(), 7, shown(9).as_ref(), now + CACHE_LAG));
    }

    #[test]
    fn a_child_deleted_after_the_cache_had_shown_it_is_made_again_at_once() {
        let now = Instant::now();
        let ledger = ledger(None, now);
        assert!(!ledger.is_due(&key(), 7, None, now), "not in the cache yet");
        assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
        assert!(ledger.is_due(&key(), 7, None, now));
    }

    #[test]
    fn an_owner_is_looked_at_again_until_the_cache_has_shown_all_of_its_children() {
        let now = Instant::now();
        let ledger = ledger(None, now);
        let left = ledger.unseen_for("owner", now + Duration::from_secs(10)).map(|left| left + Duration::from_secs(10));
        assert_eq!(left, Some(CACHE_LAG));
        assert_eq!(ledger.unseen_for("other", now), None);
        // Deleted by hand before the cache was looked at: it shows what it showed before the apply.
        assert!(!ledger.is_due(&key(), 7, None, now + Duration::from_secs(10)));
        assert!(ledger.unseen_for("owner", now + Duration::from_secs(10)).is_some());
        assert!(ledger.is_due(&key(), 7, None, now + CACHE_LAG));
        assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
        assert_eq!(ledger.unseen_for("owner", now), None);
    }
}
