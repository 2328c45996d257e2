//! When a Pod is annotated so that the kubelet brings it a changed ConfigMap. Pure.

use std::time::{Duration, Instant};

/// At once when the gateway is first seen without it, then this long after it: the kubelet may not have heard of the change yet.
const AFTER: [Duration; 4] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];

/// How often the Pod was annotated for one state of a ConfigMap.
#[derive(Clone, Copy, Debug)]
pub struct Syncs {
    since: Instant,
    taken: usize,
}

impl Syncs {
    /// `now`: when the Pod was first seen without that state.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { since: now, taken: 0 }
    }

    /// Whether it is time to annotate the Pod once more: then which time this is, counted from one.
    pub fn take_due(&mut self, now: Instant) -> Option<usize> {
        let after = AFTER.get(self.taken)?;
        if now < self.since + *after {
            return None;
        }
        self.taken += 1;
        Some(self.taken)
    }
}
