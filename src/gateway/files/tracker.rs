//! What is remembered of the files of all gateways between reconciles, by the UID of the owner. Memory only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::report::Report;
use crate::gateway::config_sync::syncs::Syncs;

/// How soon to ask again while files are on their way: often at first.
const POLL: Duration = Duration::from_millis(500);
const OFTEN: Duration = Duration::from_secs(15);
const SELDOM: Duration = Duration::from_secs(30);
/// Agents change their files at any time.
const RECHECK: Duration = Duration::from_secs(30);

/// Which files, and in which Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub pod: String,
    pub revision: String,
}

/// What is remembered of one gateway.
#[derive(Clone, Debug)]
pub struct Memory {
    subject: Subject,
    since: Instant,
    syncs: Syncs,
    asked: Option<Instant>,
    /// The last report about these files.
    report: Option<Arc<Report>>,
}

impl Memory {
    fn new(subject: Subject, now: Instant) -> Self {
        Self { subject, since: now, syncs: Syncs::new(now), asked: None, report: None }
    }

    #[must_use]
    pub fn revision(&self) -> &str {
        &self.subject.revision
    }

    #[must_use]
    pub fn report(&self) -> Option<Arc<Report>> {
        self.report.clone()
    }

    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.asked.is_none_or(|asked| now >= asked + self.interval(asked))
    }

    /// How soon to ask again.
    #[must_use]
    pub fn next_question(&self, now: Instant) -> Duration {
        let due = self.asked.map_or(now, |asked| asked + self.interval(asked));
        due.saturating_duration_since(now).max(POLL)
    }

    /// Remembers an answer, or that there was none.
    pub fn record(&mut self, answer: Option<Report>, now: Instant) {
        self.asked = Some(now);
        if let Some(report) = answer.filter(|report| report.revision == self.subject.revision) {
            self.report = Some(Arc::new(report));
        }
    }

    /// Whether to annotate the Pod now, and which attempt that is.
    pub fn take_due_sync(&mut self, now: Instant) -> Option<usize> {
        if self.report.is_some() { None } else { self.syncs.take_due(now) }
    }

    fn interval(&self, now: Instant) -> Duration {
        match &self.report {
            Some(_) => RECHECK,
            None if now < self.since + OFTEN => POLL,
            None => SELDOM,
        }
    }
}

/// The memory of all gateways.
#[derive(Debug, Default)]
pub struct FilesTracker(Mutex<HashMap<String, Memory>>);

impl FilesTracker {
    /// What is remembered of the gateway and this subject.
    pub fn recall(&self, owner: &str, subject: Subject, now: Instant) -> Memory {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(owner).cloned();
        known.filter(|memory| memory.subject == subject).unwrap_or_else(|| Memory::new(subject, now))
    }

    pub fn remember(&self, owner: &str, memory: Memory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(owner.to_owned(), memory);
    }

    /// Forgets a gateway that is gone.
    pub fn forget(&self, owner: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(owner);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn subject(revision: &str) -> Subject {
        Subject { pod: "pod".into(), revision: revision.into() }
    }

    fn report(revision: &str) -> Report {
        Report { revision: revision.into(), agents: BTreeMap::new() }
    }

    #[test]
    fn a_sidecar_is_asked_often_until_it_has_the_latest_files_and_then_twice_a_minute() {
        let (tracker, now) = (FilesTracker::default(), Instant::now());
        let mut memory = tracker.recall("owner", subject("two"), now);
        assert!(memory.is_due(now));
        memory.record(Some(report("one")), now);
        assert_eq!((memory.report(), memory.next_question(now)), (None, POLL));
        memory.record(Some(report("two")), now);
        assert_eq!((memory.report(), memory.next_question(now)), (Some(Arc::new(report("two"))), RECHECK));
        assert!(!memory.is_due(now + POLL) && memory.is_due(now + RECHECK));
        tracker.remember("owner", memory);
        assert!(tracker.recall("owner", subject("two"), now).report().is_some());
        assert!(tracker.recall("owner", subject("three"), now).report().is_none());
    }

    #[test]
    fn one_that_does_not_answer_is_asked_ever_more_seldom() {
        let now = Instant::now();
        let mut memory = Memory::new(subject("one"), now);
        memory.record(None, now + OFTEN);
        assert_eq!(memory.next_question(now + OFTEN), SELDOM);
    }

    #[test]
    fn a_pod_is_synced_at_once_and_a_few_times_more_and_no_more_once_it_has_the_files() {
        let now = Instant::now();
        let mut memory = Memory::new(subject("one"), now);
        assert_eq!((memory.take_due_sync(now), memory.take_due_sync(now)), (Some(1), None));
        let later = now + Duration::from_mins(1);
        assert_eq!([2, 3, 4].map(|_| memory.take_due_sync(later)), [Some(2), Some(3), Some(4)]);
        assert_eq!(memory.take_due_sync(later), None);
        let mut memory = Memory::new(subject("one"), now);
        memory.record(Some(report("one")), now);
        assert_eq!(memory.take_due_sync(now), None);
    }
}
