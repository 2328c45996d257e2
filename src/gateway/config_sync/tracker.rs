//! What is remembered of all gateways between reconciles, by the UID of the owner. Memory only.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::state::{Memory, Subject};

/// The memory of all gateways.
#[derive(Debug, Default)]
pub struct ConfigTracker {
    memories: Mutex<HashMap<String, Memory>>,
    /// The UID of the Pod of each gateway that was deleted to be replaced: the cache may show it a little longer.
    deleted: Mutex<HashMap<String, String>>,
    /// The hash of the configuration that each gateway did not take up, so that its Pod was replaced.
    stalled: Mutex<HashMap<String, String>>,
}

impl ConfigTracker {
    /// What is remembered of the gateway and this subject. Another document starts over, but knows which file this run saw last.
    pub fn recall(&self, owner: &str, subject: Subject, now: Instant) -> Memory {
        let memories = lock(&self.memories);
        let same_run = memories.get(owner).filter(|memory| memory.subject.run == subject.run);
        match same_run {
            Some(memory) if memory.subject == subject => memory.clone(),
            Some(earlier) => {
                let mut memory = Memory::new(subject, earlier.seen.clone(), now);
                memory.unavailable.clone_from(&earlier.unavailable);
                memory
            }
            None => Memory::new(subject, None, now),
        }
    }

    pub fn remember(&self, owner: &str, memory: Memory) {
        if memory.is_applied() {
            lock(&self.stalled).remove(owner);
        }
        lock(&self.memories).insert(owner.to_owned(), memory);
    }

    /// The Providers whose credentials this run of the gateway lacks; `None`: it was not asked.
    pub fn unavailable(&self, owner: &str, run: &str) -> Option<BTreeSet<String>> {
        lock(&self.memories).get(owner).filter(|memory| memory.subject.run == run)?.unavailable.clone()
    }

    /// Remembers that this Pod was deleted.
    pub fn mark_deleted(&self, owner: &str, pod: &Pod) {
        lock(&self.deleted).insert(owner.to_owned(), pod.uid().unwrap_or_default());
    }

    /// Whether this Pod was deleted already.
    pub fn is_deleted(&self, owner: &str, pod: &Pod) -> bool {
        lock(&self.deleted).get(owner).is_some_and(|uid| Some(uid) == pod.uid().as_ref())
    }

    /// Remembers that the gateway's Pod was replaced because it did not take up this configuration.
    pub fn mark_stalled(&self, owner: &str, document: &str) {
        lock(&self.stalled).insert(owner.to_owned(), document.to_owned());
    }

    /// Whether its Pod was replaced for this configuration, which no Pod has taken up since.
    pub fn is_stalled(&self, owner: &str, document: &str) -> bool {
        lock(&self.stalled).get(owner).is_some_and(|stalled| stalled == document)
    }

    /// Forgets a gateway that is gone.
    pub fn forget(&self, owner: &str) {
        lock(&self.stalled).remove(owner);
        lock(&self.memories).remove(owner);
        lock(&self.deleted).remove(owner);
    }
}

fn lock<T>(memory: &Mutex<T>) -> MutexGuard<'_, T> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gateway::config_sync::state::ConfigState;

    fn subject(run: &str, document: &str) -> Subject {
        Subject { run: run.into(), document: document.into() }
    }

    #[test]
    fn another_document_starts_over_and_knows_the_file_that_this_run_saw_before() {
        let (tracker, now) = (ConfigTracker::default(), Instant::now());
        let mut memory = tracker.recall("owner", subject("pod/0", "one"), now);
        memory.seen = Some("file".into());
        memory.record(ConfigState::Applied, now);
        tracker.remember("owner", memory);
        let later = now + Duration::from_secs(1);
        assert_eq!(tracker.recall("owner", subject("pod/0", "one"), later).settled(later), Some(ConfigState::Applied));
        let next = tracker.recall("owner", subject("pod/0", "two"), later);
        assert_eq!((next.settled(later), next.before.as_deref()), (None, Some("file")));
    }

    #[test]
    fn another_run_of_the_gateway_knows_nothing_of_the_one_before() {
        let (tracker, now) = (ConfigTracker::default(), Instant::now());
        let mut memory = tracker.recall("owner", subject("pod/0", "one"), now);
        memory.seen = Some("file".into());
        memory.record(ConfigState::Applied, now);
        tracker.remember("owner", memory);
        let next = tracker.recall("owner", subject("pod/1", "one"), now);
        assert_eq!((next.settled(now), next.before), (None, None));
    }

    #[test]
    fn what_a_run_lacks_is_known_over_documents_and_not_over_runs() {
        let (tracker, now) = (ConfigTracker::default(), Instant::now());
        let mut memory = tracker.recall("owner", subject("pod/0", "one"), now);
        assert!(memory.is_credentials_due(now));
        memory.record_credentials(Some(["openai".to_owned()].into()), now);
        assert!(!memory.is_credentials_due(now));
        tracker.remember("owner", memory);
        let next = tracker.recall("owner", subject("pod/0", "two"), now);
        assert!(next.is_credentials_due(now), "another configuration may need others");
        tracker.remember("owner", next);
        assert_eq!(tracker.unavailable("owner", "pod/0"), Some(["openai".to_owned()].into()));
        assert_eq!(tracker.unavailable("owner", "pod/1"), None);
    }

    #[test]
    fn a_configuration_stays_stalled_over_pods_until_one_takes_it_up() {
        let (tracker, now) = (ConfigTracker::default(), Instant::now());
        tracker.mark_stalled("owner", "one");
        let mut next = tracker.recall("owner", subject("another/0", "one"), now);
        next.record(ConfigState::Pending, now);
        tracker.remember("owner", next.clone());
        assert!(tracker.is_stalled("owner", "one") && !tracker.is_stalled("owner", "two"));
        next.record(ConfigState::Applied, now);
        tracker.remember("owner", next);
        assert!(!tracker.is_stalled("owner", "one"));
    }

    #[test]
    fn only_the_pod_that_was_deleted_counts_as_deleted() {
        let pod = |uid: &str| serde_json::from_value::<Pod>(serde_json::json!({"metadata": {"uid": uid}})).unwrap();
        let tracker = ConfigTracker::default();
        tracker.mark_deleted("owner", &pod("one"));
        assert!(tracker.is_deleted("owner", &pod("one")));
        assert!(!tracker.is_deleted("owner", &pod("two")));
        tracker.forget("owner");
        assert!(!tracker.is_deleted("owner", &pod("one")));
    }
}
