//! When to ask a gateway again. Pure: `now` is an argument.
//!
//! While a run is due or in progress, often enough that its end is told within five seconds; else when the next one is due, and now and
//! then, because somebody may edit jobs by hand.

use std::time::Duration;

use jiff::Timestamp;

use crate::openclaw::cron::job::Job;

/// While a run is due or in progress.
const OFTEN: Duration = Duration::from_secs(2);
/// How long the gateway takes to begin a run that is due.
const LATE: Duration = Duration::from_millis(500);
/// How soon an edit by hand is seen.
const SELDOM: Duration = Duration::from_secs(30);

/// How long to wait; `None`: no job is watched.
#[must_use]
pub fn ask_again<'a>(jobs: impl Iterator<Item = &'a Job>, now: Timestamp) -> Option<Duration> {
    let wait = |job: &Job| {
        if job.state.running_since().is_some() {
            return OFTEN;
        }
        let next = job.state.next_run().filter(|_| job.enabled);
        match next.map(|next| Duration::try_from(next.duration_since(now))) {
            // It has not begun yet, though it is due.
            Some(Err(_)) => OFTEN,
            Some(Ok(ahead)) => SELDOM.min(ahead + LATE),
            None => SELDOM,
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
        ask_again([job].iter(), Timestamp::from_second(100).unwrap())
    }

    #[test]
    fn a_run_that_is_due_or_in_progress_is_asked_for_often() {
        assert_eq!(again(true, &json!({"runningAtMs": 1})), Some(OFTEN));
        assert_eq!(again(true, &json!({"nextRunAtMs": 99_000})), Some(OFTEN));
    }

    #[test]
    fn a_run_that_lies_ahead_is_waited_for() {
        assert_eq!(again(true, &json!({"nextRunAtMs": 110_000})), Some(Duration::from_millis(10_500)));
        assert_eq!(again(true, &json!({"nextRunAtMs": 1_000_000})), Some(SELDOM));
        assert_eq!(again(false, &json!({})), Some(SELDOM));
    }

    #[test]
    fn a_gateway_without_jobs_is_not_asked() {
        assert_eq!(ask_again([].iter(), Timestamp::UNIX_EPOCH), None);
    }
}
