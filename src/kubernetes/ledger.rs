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
mod tests;
