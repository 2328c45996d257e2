//! Where a gateway stands with its configuration, and what is remembered of it between two questions. Pure: `now` is an argument.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::syncs::Syncs;
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::config::reload;

/// A gateway that answers and has not taken up a configuration for this long never will: its file watcher is dead.
const STALLED_AFTER: Duration = Duration::from_mins(3);
/// A gateway that has read a configuration and does not run with it after this time cannot: it stays with the one before, without a word
/// over its API, and may not start with this one.
const APPLIED_WITHIN: Duration = Duration::from_mins(1);
/// The same where it has to restart for it: it first lets turns that run end, for up to five minutes, and then takes up to a minute.
const RESTARTED_WITHIN: Duration = Duration::from_mins(7);
/// For this long, a first rejection may still concern the file before ours.
const CONFIRM_AFTER: Duration = Duration::from_secs(5);
/// A final answer is asked for again after this time.
const RECHECK: Duration = Duration::from_mins(8);
/// How soon to ask again while a change is on its way: often at first, seldom when it takes long.
pub const POLL: Duration = Duration::from_millis(250);
const SLOWEST_POLL: Duration = Duration::from_secs(5);
/// A gateway that could not be asked is left alone for this time: too many calls with a token that it does not accept lock the operator
/// out.
pub const RETRY_UNREACHABLE: Duration = Duration::from_secs(5);

/// What the gateway says of the configuration that it should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigState {
    Applied,
    /// It still runs an older one.
    Pending,
    /// It rejected the configuration; its own words.
    Rejected(String),
    /// It can't be asked; why.
    Unreachable(String),
    /// It has read the configuration and does not run with it.
    NotApplied,
    /// It answers, but does not take up the configuration: its Pod is replaced.
    Stalled,
}

/// Whom a question concerns, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The run of the gateway's process.
    pub run: String,
    /// The hash of the configuration.
    pub document: String,
}

/// How long a gateway that runs with `before` may take to apply `after`, once it has read it.
#[must_use]
pub fn patience(before: Option<&ConfigDocument>, after: &ConfigDocument) -> Duration {
    match before {
        Some(before) if !reload::restarts(before.value(), after.value()) => APPLIED_WITHIN,
        _ => RESTARTED_WITHIN,
    }
}

/// What is remembered of one gateway.
#[derive(Clone, Debug)]
pub struct Memory {
    pub(super) subject: Subject,
    /// See [`patience`].
    pub(super) applied_within: Duration,
    /// When the gateway was first asked about this subject.
    since: Instant,
    /// Since when it has read the configuration without running with it.
    read_since: Option<Instant>,
    /// Since when it says that it has not read it. While it says nothing, nothing is known of that.
    pending_since: Option<Instant>,
    syncs: Syncs,
    /// The file that this run of the gateway had seen before ours was written: a rejection of that one does not concern ours.
    pub(super) before: Option<String>,
    /// The file that it saw last.
    pub(super) seen: Option<String>,
    answer: Option<(ConfigState, Instant)>,
    /// The Providers whose credentials this run lacks, as it said last.
    pub(super) unavailable: Option<BTreeSet<String>>,
    /// When to ask it for them about this subject; `None`: now.
    credentials_due: Option<Instant>,
}

impl Memory {
    /// The memory of a gateway that is asked about this subject from now on. `seen`: the file that the same run saw last.
    #[must_use]
    pub fn new(subject: Subject, seen: Option<String>, now: Instant) -> Self {
        let before = seen.clone();
        Self {
            subject,
            applied_within: APPLIED_WITHIN,
            since: now,
            read_since: None,
            pending_since: None,
            syncs: Syncs::new(now),
            before,
            seen,
            answer: None,
            unavailable: None,
            credentials_due: None,
        }
    }

    /// Whether the gateway said last that it runs the configuration.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        matches!(self.answer, Some((ConfigState::Applied, _)))
    }

    /// The last answer, while it still holds.
    #[must_use]
    pub fn settled(&self, now: Instant) -> Option<ConfigState> {
        let (state, at) = self.answer.as_ref()?;
        let holds = match state {
            ConfigState::Applied | ConfigState::Rejected(_) => RECHECK,
            ConfigState::Unreachable(_) | ConfigState::NotApplied => RETRY_UNREACHABLE,
            ConfigState::Pending | ConfigState::Stalled => return None,
        };
        (now < *at + holds).then(|| state.clone())
    }

    /// What the gateway said last; it was not asked now.
    #[must_use]
    pub fn last(&self) -> ConfigState {
        match &self.answer {
            Some((state, _)) if *state != ConfigState::Stalled => state.clone(),
            _ => ConfigState::Pending,
        }
    }

    /// How soon to ask again while something is on its way; else zero.
    #[must_use]
    pub fn next_question(&self, now: Instant) -> Duration {
        if self.is_applied() { self.credentials_retry(now).unwrap_or_default() } else { self.poll_after(now) }
    }

    fn poll_after(&self, now: Instant) -> Duration {
        (now.duration_since(self.since) / 10).clamp(POLL, SLOWEST_POLL)
    }

    /// Remembers an answer, and returns what to make of it.
    pub fn record(&mut self, state: ConfigState, now: Instant) -> ConfigState {
        let reads = state == ConfigState::NotApplied;
        self.read_since = if reads { self.read_since.or(Some(now)) } else { None };
        let state = match state {
            ConfigState::NotApplied if self.read_since.is_some_and(|since| now < since + self.applied_within) => {
                ConfigState::Pending
            }
            // It may concern a file before ours that no question has met.
            ConfigState::Rejected(_) if now < self.since + CONFIRM_AFTER => ConfigState::Pending,
            state => state,
        };
        let waits = state == ConfigState::Pending && !reads;
        self.pending_since = if waits { self.pending_since.or(Some(now)) } else { None };
        let stalled = self.pending_since.is_some_and(|since| now >= since + STALLED_AFTER);
        let state = if stalled { ConfigState::Stalled } else { state };
        self.answer = Some((state.clone(), now));
        state
    }

    /// Whether it is time to ask which credentials the gateway lacks: once for each configuration that it runs, and now and then.
    #[must_use]
    pub fn is_credentials_due(&self, now: Instant) -> bool {
        self.credentials_due.is_none_or(|due| now >= due)
    }

    /// How soon to ask again what it lacks; `None`: it has said so.
    fn credentials_retry(&self, now: Instant) -> Option<Duration> {
        self.credentials_due.filter(|_| self.unavailable.is_none()).map(|due| due.saturating_duration_since(now))
    }

    /// Remembers what it lacks; `None`: it did not say.
    pub fn record_credentials(&mut self, unavailable: Option<BTreeSet<String>>, now: Instant) {
        // One that does not say it, for whatever reason, is asked less and less often.
        let retry = (now.duration_since(self.since) / 2).clamp(RETRY_UNREACHABLE, RECHECK);
        self.credentials_due = Some(now + if unavailable.is_some() { RECHECK } else { retry });
        if unavailable.is_some() {
            self.unavailable = unavailable;
        }
    }

    /// Whether it is time to annotate the Pod once more: then which time this is, counted from one.
    pub fn take_due_sync(&mut self, now: Instant) -> Option<usize> {
        self.syncs.take_due(now)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn memory(seen: Option<&str>, now: Instant) -> Memory {
        let subject = Subject { run: "pod/0".into(), document: "hash".into() };
        Memory::new(subject, seen.map(str::to_owned), now)
    }

    fn rejected() -> ConfigState {
        ConfigState::Rejected("no".into())
    }

    #[test]
    fn a_pod_is_annotated_at_once_and_again_after_1_3_and_10_seconds() {
        let start = Instant::now();
        let mut memory = memory(None, start);
        let due = |tenth: &u64| memory.take_due_sync(start + Duration::from_millis(tenth * 100)).is_some();
        assert_eq!((0..300).filter(due).collect::<Vec<u64>>(), [0, 10, 30, 100]);
    }

    #[test]
    fn a_final_answer_is_not_asked_for_again_for_a_while_and_a_pending_one_is() {
        let now = Instant::now();
        let mut memory = memory(None, now);
        memory.record(ConfigState::Applied, now);
        assert_eq!(memory.settled(now + Duration::from_mins(1)), Some(ConfigState::Applied));
        assert_eq!(memory.settled(now + RECHECK), None);
        memory.record(ConfigState::Pending, now);
        assert_eq!(memory.settled(now), None);
    }

    #[test]
    fn a_change_that_takes_long_is_asked_for_less_and_less_often() {
        let start = Instant::now();
        let memory = memory(None, start);
        let poll = |seconds| memory.poll_after(start + Duration::from_secs(seconds));
        assert_eq!([0, 2, 10, 50, 170].map(poll), [POLL, POLL, Duration::from_secs(1), SLOWEST_POLL, SLOWEST_POLL]);
    }

    #[test]
    fn of_a_gateway_that_was_not_asked_holds_what_it_said_last() {
        let now = Instant::now();
        let mut memory = memory(None, now);
        assert_eq!(memory.last(), ConfigState::Pending);
        memory.record(ConfigState::Applied, now);
        assert_eq!(memory.last(), ConfigState::Applied);
        memory.record(ConfigState::Pending, now);
        memory.record(ConfigState::Pending, now + STALLED_AFTER);
        assert_eq!(memory.last(), ConfigState::Pending);
    }

    #[test]
    fn a_gateway_that_cannot_be_reached_is_left_alone_for_five_seconds() {
        let now = Instant::now();
        let mut memory = memory(None, now);
        memory.record(ConfigState::Unreachable("no".into()), now);
        assert!(memory.settled(now + Duration::from_secs(4)).is_some());
        assert_eq!(memory.settled(now + RETRY_UNREACHABLE), None);
    }

    #[test]
    fn a_first_rejection_counts_only_once_it_cannot_concern_the_file_before() {
        let start = Instant::now();
        let mut unknown = memory(None, start);
        assert_eq!(unknown.record(rejected(), start), ConfigState::Pending);
        assert_eq!(unknown.record(rejected(), start + CONFIRM_AFTER), rejected());
        let mut known = memory(Some("file"), start);
        assert_eq!(known.record(rejected(), start), ConfigState::Pending, "a file between the two was never met");
        assert_eq!(known.record(rejected(), start + CONFIRM_AFTER), rejected());
    }

    #[test]
    fn a_configuration_that_was_read_and_is_not_in_force_after_a_minute_is_not_applied() {
        let start = Instant::now();
        let mut memory = memory(None, start);
        let read = start + Duration::from_secs(179);
        assert_eq!(memory.record(ConfigState::NotApplied, read), ConfigState::Pending);
        assert_eq!(memory.record(ConfigState::NotApplied, start + STALLED_AFTER), ConfigState::Pending);
        assert_eq!(memory.record(ConfigState::NotApplied, read + APPLIED_WITHIN), ConfigState::NotApplied);
    }

    #[test]
    fn a_gateway_that_has_to_restart_may_wait_five_minutes_for_its_turns() {
        let document =
            |port: u16, model: &str| ConfigDocument::new(json!({"gateway": {"port": port}, "models": model}));
        let (before, start) = (document(1, "small"), Instant::now());
        for (after, minutes) in [(document(2, "small"), 6), (document(1, "large"), 0)] {
            let mut memory = memory(None, start);
            memory.applied_within = patience(Some(&before), &after);
            memory.record(ConfigState::NotApplied, start);
            let state = |memory: &mut Memory, minutes| {
                memory.record(ConfigState::NotApplied, start + Duration::from_mins(minutes))
            };
            assert_eq!(state(&mut memory, minutes), ConfigState::Pending);
            assert_eq!(state(&mut memory, minutes + 1), ConfigState::NotApplied);
        }
    }

    #[test]
    fn a_gateway_that_takes_up_nothing_for_three_minutes_stalls() {
        let start = Instant::now();
        let mut memory = memory(None, start);
        for seconds in [0, 179] {
            let state = memory.record(ConfigState::Pending, start + Duration::from_secs(seconds));
            assert_eq!(state, ConfigState::Pending);
        }
        assert_eq!(memory.record(ConfigState::Pending, start + STALLED_AFTER), ConfigState::Stalled);
    }

    #[test]
    fn the_time_in_which_a_gateway_could_not_be_asked_counts_for_nothing() {
        let start = Instant::now();
        let mut memory = memory(None, start);
        memory.record(ConfigState::Pending, start);
        memory.record(ConfigState::Unreachable("no".into()), start + Duration::from_secs(10));
        let back = start + STALLED_AFTER * 2;
        assert_eq!(memory.record(ConfigState::Pending, back), ConfigState::Pending);
        assert_eq!(memory.record(ConfigState::Pending, back + STALLED_AFTER), ConfigState::Stalled);
    }

    #[test]
    fn a_gateway_that_did_not_say_what_it_lacks_is_asked_again_soon() {
        let now = Instant::now();
        let mut memory = memory(None, now);
        memory.record(ConfigState::Applied, now);
        memory.record_credentials(None, now);
        assert_eq!(memory.credentials_retry(now), Some(RETRY_UNREACHABLE));
        memory.record_credentials(None, now + Duration::from_mins(1));
        assert_eq!(
            memory.credentials_retry(now + Duration::from_mins(1)),
            Some(Duration::from_secs(30)),
            "then less often"
        );
        memory.record_credentials(Some(BTreeSet::new()), now);
        assert_eq!(memory.credentials_retry(now), None);
    }
}
