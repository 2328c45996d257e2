//! How long a failing object waits before the next try: 2 s, doubled each time up to 256 s, with jitter. No I/O.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Every object is looked at again after this time, more or less: deletions behind a lost watch make no event.
const RESYNC: Duration = Duration::from_mins(10);

/// When to look at an object again that is as it should be.
#[must_use]
pub fn resync() -> Duration {
    jitter(RESYNC, 0.2)
}

/// The longest exponent: 2 s × 2⁷ = 256 s.
const MOST_DOUBLINGS: u32 = 7;

/// Failures in a row, per object.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// The wait after one more failure of the object with this UID.
    pub fn failed(&self, uid: &str) -> Duration {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.entry(uid.to_owned()).or_insert(0);
        let base = Duration::from_secs(2 << (*failures).min(MOST_DOUBLINGS));
        *failures = failures.saturating_add(1);
        jitter(base, 0.2)
    }

    /// The object is well again, or gone.
    pub fn succeeded(&self, uid: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// The duration, longer or shorter by up to `share` of itself, so that many objects do not come at once.
fn jitter(base: Duration, share: f64) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    base.mul_f64(1.0 - share + 2.0 * share * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_2_to_256_seconds_and_start_over_after_a_success() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (0..10).map(|_| backoff.failed("uid").as_secs_f64()).collect();
        assert!((1.6..=2.4).contains(&waits[0]), "{waits:?}");
        assert!(waits[9] <= 256.0 * 1.2 && waits[9] >= 256.0 * 0.8, "{waits:?}");
        backoff.succeeded("uid");
        assert!(backoff.failed("uid").as_secs_f64() <= 2.4);
    }
}
