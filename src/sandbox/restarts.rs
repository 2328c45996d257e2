//! How long a Pod that ended right after its start is left alone before another takes its place. Memory only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::kubernetes::backoff::Backoff;

/// A Pod that lived so long was well.
const LIVED: Duration = Duration::from_mins(1);

/// By the UID of the Agent.
#[derive(Debug, Default)]
pub struct Restarts {
    backoff: Backoff,
    /// The Pod that ended, and when it may be replaced.
    due: Mutex<HashMap<String, (String, Instant)>>,
}

impl Restarts {
    /// How long to wait before the Pod that ended after this time is replaced; `None`: replace it now.
    pub fn wait(&self, agent: &str, pod: &str, lived: Duration, now: Instant) -> Option<Duration> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let at = match due.get(agent) {
            Some((known, at)) if known == pod => *at,
            _ => {
                if lived >= LIVED {
                    self.backoff.succeeded(agent);
                }
                let at = if lived >= LIVED { now } else { now + self.backoff.failed(agent) };
                due.insert(agent.to_owned(), (pod.to_owned(), at));
                at
            }
        };
        at.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// The Agent is gone.
    pub fn forget(&self, agent: &str) {
        self.backoff.succeeded(agent);
        self.due.lock().unwrap_or_else(PoisonError::into_inner).remove(agent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_lived_is_replaced_at_once() {
        assert_eq!(Restarts::default().wait("a", "p", LIVED, Instant::now()), None);
    }

    #[test]
    fn pods_that_end_at_once_are_replaced_ever_more_slowly() {
        let (restarts, now, short) = (Restarts::default(), Instant::now(), Duration::from_secs(1));
        let first = restarts.wait("a", "1", short, now).unwrap_or_default();
        assert!((1.5..=2.5).contains(&first.as_secs_f64()), "{first:?}");
        assert_eq!(restarts.wait("a", "1", short, now), Some(first), "the same Pod counts once");
        assert_eq!(restarts.wait("a", "1", short, now + first), None);
        let second = restarts.wait("a", "2", short, now).unwrap_or_default();
        assert!(second > first, "{second:?}");
    }
}
