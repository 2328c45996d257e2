//! When a CronJob is reconciled again. Pure.

use std::time::Duration;

use crate::kubernetes::backoff::resync;

/// The next reconcile: when something is due, and now and then in any case, because an event may have been lost.
pub fn after(due: [Option<Duration>; 2]) -> Duration {
    due.into_iter().flatten().fold(resync(), Duration::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_far_ahead_does_not_end_the_regular_looks() {
        let (minute, year) = (Duration::from_mins(1), Duration::from_hours(8760));
        assert!(after([Some(year), None]) < Duration::from_hours(1));
        assert_eq!(after([Some(year), Some(minute)]), minute);
        assert!(after([None, None]) < Duration::from_hours(1));
    }
}
