//! Whether a child has to be sent again. In steady state nothing is. No I/O.
//!
//! `generation` and `resourceVersion` both fail here: the first does not count metadata, the second counts status. What
//! counts is whether *our* fields are still ours, which a hash of our own managedFields entry tells, and whether they still say what they
//! said: that entry tells nothing of an edit in our name.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::dispute::{Dispute, Edit};
use crate::naming::FENCE_NAME;

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
    /// The hash of what of it confines Pods.
    pub confinement: u64,
}

/// So many of our own applies the cache may be behind.
const EARLIER: usize = 16;

/// What becomes of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is as desired.
    No,
    /// It is to be sent.
    Yes,
    /// Somebody else changed it, and it is to be put back.
    Repair { confines: bool },
    /// Somebody else keeps changing it: the repair waits.
    Disputed,
}

/// What the cache shows of a child, should somebody else have changed it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    pub edit: &'a Edit,
    /// Whether the change is plain to see.
    pub intruded: bool,
    /// Whether repairs are counted, so that a child that somebody keeps changing waits for the next one.
    pub may_wait: bool,
    /// Whether any change of such a child is one of what confines Pods.
    pub confines: bool,
}

/// A child that somebody else keeps changing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disputed {
    pub child: ChildKey,
    /// The field manager of the last edit; `None`: the child was deleted.
    pub manager: Option<String>,
    /// Whether that confines Pods, so that none may run meanwhile.
    pub confines: bool,
}

impl fmt::Display for Disputed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChildKey { kind, name, .. } = &self.child;
        match &self.manager {
            Some(manager) => write!(f, "field manager \"{manager}\" keeps changing {kind} \"{name}\"")?,
            None => write!(f, "{kind} \"{name}\" is deleted again and again")?,
        }
        let effect = if kind == "NetworkPolicy" && name == FENCE_NAME {
            "The Pods that it confines are stopped until it has been left alone for 10 minutes"
        } else if self.confines {
            "The Pods that it confines are stopped until it has been left alone for 10 minutes, or the Agent is edited"
        } else {
            "Creel restores it ever more slowly, at least every 10 minutes"
        };
        write!(f, ". {effect}: have whoever does this leave the object alone")
    }
}

/// What we know since our last apply.
#[derive(Debug)]
struct Entry {
    owner: String,
    desired: u64,
    applied: Shown,
    /// What a late cache may still show.
    earlier: Vec<Option<Shown>>,
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
        !(self.may_be_late(now) && self.earlier.iter().any(|earlier| earlier.as_ref() == shown))
    }

    fn may_be_late(&self, now: Instant) -> bool {
        !self.seen && now < self.at + CACHE_LAG
    }

    /// What the cache may still show once there is another apply.
    fn into_earlier(mut self, now: Instant) -> Vec<Option<Shown>> {
        let mut earlier = if self.may_be_late(now) { std::mem::take(&mut self.earlier) } else { Vec::new() };
        earlier.drain(..earlier.len().saturating_sub(EARLIER - 2));
        earlier.push(Some(self.applied));
        earlier
    }
}

/// The repairs of a child, and whose it is.
#[derive(Debug, Default)]
struct Repairs {
    owner: String,
    dispute: Dispute,
}

/// What is known of an owner.
#[derive(Debug, Default)]
struct Owner {
    generation: Option<i64>,
    /// Whether it has no Pods that its children could confine.
    rests: bool,
}

/// The memory of all applies of one controller.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<HashMap<ChildKey, Entry>>,
    /// By child, and whether what was changed confines Pods.
    repairs: Mutex<HashMap<(ChildKey, bool), Repairs>>,
    owners: Mutex<HashMap<String, Owner>>,
}

impl Ledger {
    /// What becomes of a child of this owner. While there are Pods, what confines them is put back at once.
    pub fn due(
        &self,
        (key, owner): (&ChildKey, &str),
        desired: u64,
        shown: Option<&Shown>,
        change: Change<'_>,
        now: Instant,
    ) -> Due {
        let (differs, is_new, is_wider) = match self.entries().get_mut(key) {
            None => (false, true, false),
            Some(entry) => {
                let is_wider = shown.is_some_and(|shown| shown.confinement != entry.applied.confinement);
                (entry.differs(shown, now), entry.desired != desired, is_wider)
            }
        };
        let confines = change.confines || is_wider;
        let must_confine = confines && !self.owners().get(owner).is_some_and(|owner| owner.rests);
        let mut repairs = self.repairs();
        if !differs && !change.intruded {
            for confines in [false, true] {
                repairs.get_mut(&(key.clone(), confines)).into_iter().for_each(|repairs| repairs.dispute.is_well());
            }
            return if is_new { Due::Yes } else { Due::No };
        }
        let counted = repairs.get_mut(&(key.clone(), confines)).filter(|_| change.may_wait);
        let wait = counted.and_then(|repairs| repairs.dispute.edited(change.edit, now));
        // What its owner wants by now comes at once.
        if wait.is_some() && !(must_confine || is_new) { Due::Disputed } else { Due::Repair { confines } }
    }

    /// Notes whether the owner has no Pods, and of which generation its spec is: an edit of it ends the disputes over its children.
    pub fn is_at(&self, owner: &str, generation: Option<i64>, rests: bool) {
        let now = Owner { generation, rests };
        let before = self.owners().insert(owner.to_owned(), now);
        if before.is_some_and(|before| before.generation != generation) {
            self.repairs().retain(|_, repairs| repairs.owner != owner);
        }
    }

    /// Whether the child has to be sent.
    pub fn is_due(&self, key: &ChildKey, desired: u64, shown: Option<&Shown>, now: Instant) -> bool {
        self.entries().get_mut(key).is_none_or(|entry| entry.desired != desired || entry.differs(shown, now))
    }

    /// Whether somebody edited the child since we applied it, as far as this process knows.
    pub fn was_edited(&self, key: &ChildKey, shown: &Shown, now: Instant) -> bool {
        self.entries().get_mut(key).is_some_and(|entry| entry.differs(Some(shown), now))
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
        let mut entries = self.entries();
        let mut earlier = entries.remove(&key).map(|entry| entry.into_earlier(now)).unwrap_or_default();
        earlier.push(before);
        let entry = Entry { owner: owner.to_owned(), desired, applied, earlier, at: now, seen: false };
        entries.insert(key, entry);
    }

    /// Remembers that an edit was undone.
    pub fn repaired(&self, child: (ChildKey, bool), owner: &str, edit: Edit, now: Instant) {
        let mut all = self.repairs();
        let repairs = all.entry(child).or_default();
        owner.clone_into(&mut repairs.owner);
        repairs.dispute.repaired(edit, now);
    }

    /// A child of this owner that somebody else keeps changing. What confines Pods comes first.
    pub fn disputed(&self, owner: &str, now: Instant) -> Option<Disputed> {
        let all = self.repairs();
        let of_owner = all.iter().filter(|(_, repairs)| repairs.owner == owner);
        let disputed = of_owner.filter_map(|((child, confines), repairs)| {
            let manager = repairs.dispute.by(now)?.map(str::to_owned);
            Some(Disputed { child: child.clone(), manager, confines: *confines })
        });
        let order = |it: &Disputed| (!it.confines, it.child.kind.clone(), it.child.name.clone());
        disputed.min_by_key(order)
    }

    /// How long the cache may still be late with a child of this owner; `None`: it has shown all of them. Until then an edit by hand that
    /// takes back what was applied looks like a late cache, so its owner has to be looked at again afterwards.
    pub fn unseen_for(&self, owner: &str, now: Instant) -> Option<Duration> {
        let entries = self.entries();
        let unseen = entries.values().filter(|entry| entry.owner == owner && !entry.seen);
        unseen.filter_map(|entry| (entry.at + CACHE_LAG).checked_duration_since(now)).max()
    }

    /// Forgets what was applied of one child, not who keeps changing it.
    pub fn forget_applied(&self, key: &ChildKey) {
        self.entries().remove(key);
    }

    /// Forgets one child, after it was deleted.
    pub fn forget(&self, key: &ChildKey) {
        self.forget_applied(key);
        self.repairs().retain(|(child, _), _| child != key);
    }

    /// Forgets every child of an owner that is gone.
    pub fn forget_owner(&self, uid: &str) {
        self.entries().retain(|_, entry| entry.owner != uid);
        self.repairs().retain(|_, repairs| repairs.owner != uid);
        self.owners().remove(uid);
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, Owner>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<ChildKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repairs(&self) -> MutexGuard<'_, HashMap<(ChildKey, bool), Repairs>> {
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner)
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
        Some(Shown { uid: "u".into(), own: Some(own), content: 0, confinement: 0 })
    }

    fn ledger(before: Option<Shown>, now: Instant) -> Ledger {
        let ledger = Ledger::default();
        ledger.applied(
            key(),
            "owner",
            7,
            Shown { uid: "u".into(), own: Some(1), content: 0, confinement: 0 },
            before,
            now,
        );
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
        let edited = Shown { uid: "u".into(), own: Some(1), content: 1, confinement: 0 };
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

    #[test]
    fn a_cache_that_shows_one_apply_after_the_other_shows_no_edit() {
        let now = Instant::now();
        let ledger = ledger(shown(9), now);
        let second = Shown { uid: "u".into(), own: Some(2), content: 0, confinement: 0 };
        ledger.applied(key(), "owner", 8, second, shown(9), now);
        for late in [9, 1] {
            assert!(!ledger.is_due(&key(), 8, shown(late).as_ref(), now), "{late}");
        }
        assert!(ledger.is_due(&key(), 8, shown(3).as_ref(), now));
        assert!(!ledger.is_due(&key(), 8, shown(2).as_ref(), now));
        assert!(ledger.is_due(&key(), 8, shown(1).as_ref(), now), "an edit that takes back what the cache has shown");
    }

    fn edit(version: u32) -> Edit {
        Edit { manager: Some("reloader".to_owned()), version: Some(version.to_string()) }
    }

    #[test]
    fn the_repair_of_a_disputed_child_waits_unless_pods_are_less_confined_or_its_owner_wants_another() {
        let now = Instant::now();
        let ledger = ledger(None, now);
        assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
        let due = |desired, confinement, may_wait| {
            let edited = Shown { uid: "u".into(), own: Some(2), content: 0, confinement };
            let change = Change { edit: &edit(3), intruded: false, may_wait, confines: false };
            ledger.due((&key(), "owner"), desired, Some(&edited), change, now)
        };
        for version in 0..3 {
            assert_eq!(due(7, 0, true), Due::Repair { confines: false });
            ledger.repaired((key(), false), "owner", edit(version), now);
        }
        assert_eq!(due(7, 0, true), Due::Disputed);
        assert_eq!(due(7, 1, true), Due::Repair { confines: true }, "an edit of what confines Pods");
        assert_eq!(due(7, 0, false), Due::Repair { confines: false }, "a child that does not wait");
        assert_eq!(due(8, 0, true), Due::Repair { confines: false }, "another desire");
        let told = ledger.disputed("owner", now);
        assert_eq!(told, Some(Disputed { child: key(), manager: Some("reloader".to_owned()), confines: false }));
        assert_eq!(ledger.disputed("other", now), None);
        ledger.forget_owner("owner");
        assert_eq!(ledger.disputed("owner", now), None);
    }

    #[test]
    fn what_confines_pods_is_put_back_at_once_while_there_are_any_and_then_ever_more_slowly() {
        let now = Instant::now();
        let ledger = ledger(None, now);
        assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
        let due = |version: u32| {
            let change = Change { edit: &edit(version), intruded: false, may_wait: true, confines: true };
            ledger.due((&key(), "owner"), 7, shown(2).as_ref(), change, now)
        };
        for version in 0..6 {
            assert_eq!(due(version), Due::Repair { confines: true });
            ledger.repaired((key(), true), "owner", edit(version), now);
            let told = ledger.disputed("owner", now).is_some_and(|told| told.confines);
            assert_eq!(told, version >= 3, "{version}");
        }
        ledger.is_at("owner", Some(1), true);
        assert_eq!(due(6), Due::Disputed);
        ledger.is_at("owner", Some(1), false);
        assert_eq!(due(6), Due::Repair { confines: true });
        ledger.is_at("owner", Some(2), false);
        assert_eq!(ledger.disputed("owner", now), None, "an edit of the owner");
    }
}
