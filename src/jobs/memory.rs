//! What a reconcile of the jobs of a gateway leaves to the next one. Pure: `now` is an argument.
//!
//! Each status that is written triggers reconciles, and most triggers change nothing of what a gateway is to hold: so a gateway is left
//! alone until its time comes, or until something that a reconcile depends on has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::changes::Change;
use super::history::History;
use crate::declarations::wanted::Wanted;
use crate::kubernetes::spec_version::SpecVersion;
use crate::world::facts::RefreshRequests;

/// How soon what the gateway did not accept is sent again: the gateway may have been repaired.
pub const RETRY: Duration = Duration::from_secs(30);

/// What a reconcile depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    /// The run of the gateway's process, and the agents that it has.
    pub run: String,
    pub agents: BTreeSet<String>,
    /// By key: each CronJob, and what it wants.
    pub wanted: BTreeMap<String, (SpecVersion, Wanted)>,
    /// The agents that have a heartbeat.
    pub with_heartbeat: BTreeSet<String>,
    /// Whether jobs stay that no CronJob seems to want.
    pub keeps_unowned: bool,
    /// How often something was asked of the gateway that nothing else here shows.
    pub refreshes: RefreshRequests,
}

/// What is known of one gateway's jobs.
#[derive(Debug, Default)]
pub struct Memory {
    pub history: History,
    rest: Option<(Inputs, Instant)>,
    /// What was sent lately in vain, by key, and what there is to say of it.
    futile: BTreeMap<String, (Change, String, Instant)>,
    /// Until when the gateway takes no more calls of a method.
    throttled: BTreeMap<&'static str, Instant>,
    /// How much there was to change when the last reconcile left some of it undone.
    undone: Option<usize>,
}

impl Memory {
    /// How long the gateway may still be left alone; `None`: its time has come, or something is new.
    #[must_use]
    pub fn idle_for(&self, inputs: &Inputs, now: Instant) -> Option<Duration> {
        let (before, until) = self.rest.as_ref()?;
        let left = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        (before == inputs).then_some(left)
    }

    /// A reconcile begins: nothing that was said of another run of the gateway holds.
    pub fn begin(&mut self, inputs: &Inputs) {
        if self.rest.take().is_none_or(|(before, _)| before.run != inputs.run) {
            self.futile.clear();
            self.throttled.clear();
        }
        self.futile.retain(|key, _| inputs.wanted.contains_key(key));
    }

    /// A reconcile came to its end, and the next one is due at this time.
    pub fn idle_until(&mut self, inputs: Inputs, until: Instant) {
        self.rest = Some((inputs, until));
    }

    /// Whether there is less to change than when the last reconcile left some of it undone. A gateway that says yes and changes nothing
    /// does not get on. `undone`: how much there was to change this time, if some of it was left.
    pub fn gets_on(&mut self, undone: Option<usize>) -> bool {
        let before = std::mem::replace(&mut self.undone, undone);
        before.is_none_or(|before| undone.is_none_or(|undone| undone < before))
    }

    /// Whether the gateway takes no such call now.
    #[must_use]
    pub fn is_throttled(&self, change: &Change, now: Instant) -> bool {
        self.throttled.get(change.method()).is_some_and(|until| *until > now)
    }

    /// The gateway takes no such call before this time.
    pub fn throttle(&mut self, change: &Change, until: Instant) {
        self.throttled.insert(change.method(), until);
    }

    /// When the gateway takes again what it did not take.
    #[must_use]
    pub fn throttled_for(&self, now: Instant) -> Option<Duration> {
        self.throttled.values().filter_map(|until| until.checked_duration_since(now)).min()
    }

    /// Why there is no use in sending exactly this again now.
    #[must_use]
    pub fn why_futile(&self, key: &str, change: &Change, now: Instant) -> Option<&str> {
        let (sent, words, at) = self.futile.get(key)?;
        (sent == change && now.duration_since(*at) < RETRY).then_some(words)
    }

    /// The gateway did not accept this, or accepted it without effect.
    pub fn mark_futile(&mut self, key: &str, change: Change, words: String, now: Instant) {
        self.futile.insert(key.to_owned(), (change, words, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declarations::fixtures::cron_job;

    const SOON: Duration = Duration::from_secs(10);

    fn inputs(run: &str, generation: i64) -> Inputs {
        let wanted = Wanted { declaration: None, enabled: true, paused: false, agent_known: true, over: false };
        let mut cron_job = cron_job("b", "{every: 10m}");
        cron_job.metadata.generation = Some(generation);
        let wanted = BTreeMap::from([("k8s:a/b".to_owned(), (SpecVersion::of(&cron_job), wanted))]);
        let (agents, with_heartbeat) = (BTreeSet::new(), BTreeSet::new());
        Inputs {
            run: run.to_owned(),
            agents,
            wanted,
            with_heartbeat,
            keeps_unowned: false,
            refreshes: RefreshRequests::default(),
        }
    }

    #[test]
    fn a_gateway_is_left_alone_until_its_time_comes_or_something_is_new() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        assert_eq!(memory.idle_for(&inputs("1", 1), now), None);
        memory.begin(&inputs("1", 1));
        memory.idle_until(inputs("1", 1), now + SOON);
        assert_eq!(memory.idle_for(&inputs("1", 1), now), Some(SOON));
        assert_eq!(memory.idle_for(&inputs("1", 1), now + SOON), None);
        assert_eq!(memory.idle_for(&inputs("1", 2), now), None);
        assert_eq!(memory.idle_for(&inputs("2", 1), now), None);
    }

    #[test]
    fn a_gateway_that_says_yes_and_changes_nothing_does_not_get_on() {
        let mut memory = Memory::default();
        assert!(memory.gets_on(Some(60)) && memory.gets_on(Some(10)));
        assert!(!memory.gets_on(Some(10)) && !memory.gets_on(Some(60)));
        assert!(memory.gets_on(None) && memory.gets_on(Some(60)));
    }

    #[test]
    fn a_pass_that_fails_leaves_no_rest() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.idle_until(inputs("1", 1), now + SOON);
        memory.begin(&inputs("1", 1));
        assert_eq!(memory.idle_for(&inputs("1", 1), now), None);
    }

    #[test]
    fn a_method_that_the_gateway_takes_no_more_of_rests_while_others_go_on() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let (remove, disable) = (Change::Remove { id: "1".to_owned() }, Change::Disable { id: "1".to_owned() });
        assert_eq!(memory.throttled_for(now), None);
        memory.throttle(&remove, now + SOON);
        assert!(memory.is_throttled(&remove, now) && !memory.is_throttled(&disable, now));
        assert_eq!(memory.throttled_for(now), Some(SOON));
        assert!(!memory.is_throttled(&remove, now + SOON));
    }

    #[test]
    fn what_was_refused_is_said_again_after_a_while_by_an_edit_and_to_another_run() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let change = Change::Remove { id: "1".to_owned() };
        memory.begin(&inputs("1", 1));
        memory.mark_futile("k8s:a/b", change.clone(), "no".to_owned(), now);
        memory.idle_until(inputs("1", 1), now);
        memory.begin(&inputs("1", 1));
        assert_eq!(memory.why_futile("k8s:a/b", &change, now), Some("no"));
        assert_eq!(memory.why_futile("k8s:a/b", &change, now + RETRY), None);
        assert_eq!(memory.why_futile("k8s:a/b", &Change::Remove { id: "2".to_owned() }, now), None);
        memory.idle_until(inputs("1", 1), now);
        memory.begin(&inputs("2", 1));
        assert_eq!(memory.why_futile("k8s:a/b", &change, now), None);
    }
}
