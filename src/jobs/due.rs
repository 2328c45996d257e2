//! When to ask a gateway again. Pure: `now` is an argument.
//!
//! While a run is due or in progress, often enough that its end is told within five seconds; else when the next one is due, and now and
//! then, because somebody may edit jobs by hand.

use std::time::Duration;

use jiff::Timestamp;

use crate::openclaw::cron::job::Job;

/// While a run is due or in progress.
const POLL: Duration = Duration::from_secs(2);
/// How long the gateway takes to begin a run that is due.
const START_LAG: Duration = Duration::from_millis(500);
/// How soon an edit by hand is seen.
const IDLE_POLL: Duration = Duration::from_secs(30);

/// How long to wait; `None`: no job is watched.
#[must_use]
pub fn poll_after<'a>(jobs: impl Iterator<Item = &'a Job>, now: Timestamp) -> Option<Duration> {
    let wait = |job: &Job| {
        if job.state.running_since().is_some() {
            return POLL;
        }
        let next = job.state.next_run().filter(|_| job.enabled);
        match next.map(|next| Duration::try_from(next.duration_since(now))) {
            // It has not begun yet, though it is due.
            Some(Err(_)) => POLL,
            Some(Ok(ahead)) => IDLE_POLL.min(ahead + START_LAG),
            None => IDLE_POLL,
        }
    };
    jobs.map(wait).min()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::openclaw::cron::job::listed;

    fn again(enabled: bool, state: &Value) -> Option<Duration> {
        let job = listed(&json!({"id": "1", "enabled": enabled, "state": state})).unwrap();
        poll_after([job].iter(), Timestamp::from_second(100).unwrap())
    }

    #[test]
    fn a_run_that_is_due_or_in_progress_is_asked_for_often() {
        assert_eq!(again(true, &json!({"runningAtMs": 1})), Some(POLL));
        assert_eq!(again(true, &json!({"nextRunAtMs": 99_000})), Some(POLL));
    }

    #[test]
    fn a_run_that_lies_ahead_is_waited_for() {
        assert_eq!(again(true, &json!({"nextRunAtMs": 110_000})), Some(Duration::from_millis(10_500)));
        assert_eq!(again(true, &json!({"nextRunAtMs": 1_000_000})), Some(IDLE_POLL));
        assert_eq!(again(false, &json!({})), Some(IDLE_POLL));
    }

    #[test]
    fn a_gateway_without_jobs_is_not_asked() {
        assert_eq!(poll_after([].iter(), Timestamp::UNIX_EPOCH), None);
    }
}
