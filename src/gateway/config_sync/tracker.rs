//! What is remembered of all gateways between reconciles, by the UID of the owner. Memory only.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::decide::{Look, Step};
use super::state::{Memory, Subject};
use crate::gateway::rejections::Rejections;
use crate::gateway::revision::{ConfigRevision, Ruling};

/// The memory of all gateways.
#[derive(Debug, Default)]
pub struct ConfigTracker(Mutex<HashMap<String, Known>>);

/// What is known of one gateway.
#[derive(Debug, Default)]
struct Known {
    memory: Option<Memory>,
    /// The UID of the Pod that was deleted to be replaced: the cache may show it a little longer.
    deleted: Option<String>,
    /// The hash of the configuration that the gateway did not take up, so that its Pod was replaced.
    stalled: Option<String>,
    /// The hash of the configuration that its Pod mounts, and the UIDs of the Pods that were there before it.
    mounted: Option<(String, BTreeSet<String>)>,
    /// The ruling on a configuration that was written last.
    ruling: Option<Ruling>,
    /// The keys that the gateway rejected, once this process has looked at it.
    rejections: Option<Rejections>,
}

impl ConfigTracker {
    fn with<T>(&self, owner: &str, of: impl FnOnce(&mut Known) -> T) -> T {
        of(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(owner.to_owned()).or_default())
    }

    /// What is remembered of the gateway and this subject. Another document starts over, but knows which file this run saw last.
    pub fn recall(&self, owner: &str, subject: Subject, now: Instant) -> Memory {
        self.with(owner, |known| {
            let same_run = known.memory.as_ref().filter(|memory| memory.subject.run == subject.run);
            match same_run {
                Some(memory) if memory.subject == subject => memory.clone(),
                Some(earlier) => {
                    let mut memory = Memory::new(subject, earlier.seen.clone(), now);
                    memory.unavailable.clone_from(&earlier.unavailable);
                    memory
                }
                None => Memory::new(subject, None, now),
            }
        })
    }

    pub fn remember(&self, owner: &str, memory: Memory) {
        self.with(owner, |known| {
            if memory.is_applied() {
                known.stalled = None;
            }
            known.memory = Some(memory);
        });
    }

    /// The Providers whose credentials this run of the gateway lacks; `None`: it was not asked.
    pub fn unavailable(&self, owner: &str, run: &str) -> Option<BTreeSet<String>> {
        self.with(owner, |known| known.memory.as_ref().filter(|memory| memory.subject.run == run)?.unavailable.clone())
    }

    /// Remembers that this Pod was deleted.
    pub fn mark_deleted(&self, owner: &str, pod: &Pod) {
        self.with(owner, |known| known.deleted = Some(pod.uid().unwrap_or_default()));
    }

    /// Whether this Pod was deleted already.
    pub fn is_deleted(&self, owner: &str, pod: &Pod) -> bool {
        self.with(owner, |known| known.deleted.is_some() && known.deleted == pod.uid())
    }

    /// Remembers that the gateway's Pod was replaced because it did not take up this configuration.
    fn mark_stalled(&self, owner: &str, document: &str) {
        self.with(owner, |known| known.stalled = Some(document.to_owned()));
    }

    /// Whether its Pod was replaced for this configuration, which no Pod has taken up since.
    pub fn is_stalled(&self, owner: &str, document: &str) -> bool {
        self.with(owner, |known| known.stalled.as_deref() == Some(document))
    }

    /// From now on Pods mount this configuration. Those that are there already may have run another one: nobody knows when the kubelet
    /// brings it to them. `written`: when it was written, if that was before this process knew of the gateway.
    pub fn mount(&self, owner: &str, document: &str, written: Option<Timestamp>, pods: &[Arc<Pod>]) {
        self.with(owner, |known| {
            if known.mounted.as_ref().is_some_and(|(mounted, _)| mounted == document) {
                return;
            }
            let written = written.filter(|_| known.mounted.is_none());
            let is_later = |pod: &Pod| {
                let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
                // Both are in whole seconds.
                created.zip(written).is_some_and(|(created, written)| created > written)
            };
            let before = pods.iter().filter(|pod| !is_later(pod)).filter_map(|pod| pod.uid()).collect();
            known.mounted = Some((document.to_owned(), before));
        });
    }

    /// Whether this Pod was there before the configuration that it mounts now.
    pub fn predates(&self, owner: &str, pod: &Pod) -> bool {
        let uid = pod.uid().unwrap_or_default();
        self.with(owner, |known| known.mounted.as_ref().is_none_or(|(_, before)| before.contains(&uid)))
    }

    /// The ruling on a configuration that was written last.
    pub fn ruling(&self, owner: &str) -> Option<Ruling> {
        self.with(owner, |known| known.ruling.clone())
    }

    /// The keys that the gateway rejected; `None`: this process does not know.
    pub fn rejections(&self, owner: &str) -> Option<Rejections> {
        self.with(owner, |known| known.rejections.clone())
    }

    /// Remembers what the next look depends on and the cache may not show by then: a step that was taken after this look, and what is
    /// mounted now.
    pub fn took(&self, owner: &str, look: Look<'_>, step: Step<'_>, mounted: &ConfigRevision, pods: &[Arc<Pod>]) {
        self.with(owner, |known| {
            known.ruling.clone_from(&mounted.ruling);
            known.rejections = Some(mounted.rejections.clone());
        });
        // A gateway that answers is replaced only over this very configuration.
        if look.state.is_some() && step == Step::ReplacePod {
            self.mark_stalled(owner, mounted.current.hash());
        }
        self.mount(owner, mounted.current.hash(), None, pods);
    }

    /// Forgets a gateway that is gone.
    pub fn forget(&self, owner: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(owner);
    }
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

    fn pod(uid: &str) -> Arc<Pod> {
        Arc::new(serde_json::from_value(serde_json::json!({"metadata": {"uid": uid}})).unwrap())
    }

    #[test]
    fn a_pod_predates_the_configuration_that_was_written_while_it_was_there() {
        let tracker = ConfigTracker::default();
        let (old, new) = (pod("old"), pod("new"));
        assert!(tracker.predates("owner", &old), "nothing is known yet");
        tracker.mount("owner", "one", None, &[]);
        assert!(!tracker.predates("owner", &old));
        tracker.mount("owner", "two", None, &[Arc::clone(&old)]);
        tracker.mount("owner", "two", None, &[Arc::clone(&old), Arc::clone(&new)]);
        assert!(tracker.predates("owner", &old) && !tracker.predates("owner", &new));
    }

    #[test]
    fn after_a_restart_a_pod_that_is_younger_than_its_configuration_does_not_predate_it() {
        let created = |at: &str| -> Arc<Pod> {
            let metadata = serde_json::json!({"metadata": {"uid": at, "creationTimestamp": at}});
            Arc::new(serde_json::from_value(metadata).unwrap())
        };
        let [old, same, new] = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"].map(created);
        let pods = [Arc::clone(&old), Arc::clone(&same), Arc::clone(&new)];
        let written = "2026-01-01T00:00:01Z".parse().ok();
        let tracker = ConfigTracker::default();
        tracker.mount("owner", "one", written, &pods);
        assert!(tracker.predates("owner", &old) && tracker.predates("owner", &same));
        assert!(!tracker.predates("owner", &new));
        tracker.mount("owner", "two", written, &pods);
        assert!(tracker.predates("owner", &new), "what is written now is younger than any Pod");
    }

    #[test]
    fn only_the_pod_that_was_deleted_counts_as_deleted() {
        let tracker = ConfigTracker::default();
        tracker.mark_deleted("owner", &pod("one"));
        assert!(tracker.is_deleted("owner", &pod("one")));
        assert!(!tracker.is_deleted("owner", &pod("two")));
        tracker.forget("owner");
        assert!(!tracker.is_deleted("owner", &pod("one")));
    }
}
