//! How many calls run, and when they and their connections are to end. Touches nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// The calls of all connections.
#[derive(Clone)]
pub struct Calls {
    running: Arc<watch::Sender<usize>>,
    phase: Arc<watch::Sender<Phase>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Stopping,
    HangingUp,
    Closing,
}

/// Held while a call runs, until the last of its processes is gone.
pub struct Running(Arc<watch::Sender<usize>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl Calls {
    #[must_use]
    pub fn new() -> Self {
        Self { running: Arc::new(watch::Sender::new(0)), phase: Arc::new(watch::Sender::new(Phase::Serving)) }
    }

    /// Counts one more, unless no more may begin.
    #[must_use]
    pub fn begin(&self) -> Option<Running> {
        if *self.phase.borrow() != Phase::Serving {
            return None;
        }
        self.running.send_modify(|running| *running += 1);
        Some(Running(self.running.clone()))
    }

    /// No more may begin.
    pub fn stop(&self) {
        self.phase.send_replace(Phase::Stopping);
    }

    /// Those that still run are to end now.
    pub fn hang_up(&self) {
        self.phase.send_replace(Phase::HangingUp);
    }

    /// Their connections are to end now.
    pub fn close(&self) {
        self.phase.send_replace(Phase::Closing);
    }

    /// Waits until [`Calls::hang_up`].
    pub async fn hung_up(&self) {
        self.reached(Phase::HangingUp).await;
    }

    /// Waits until [`Calls::close`].
    pub async fn closed(&self) {
        self.reached(Phase::Closing).await;
    }

    async fn reached(&self, phase: Phase) {
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }

    /// How many run.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.running.borrow()
    }

    /// Waits until none runs, at most for `limit`; whether that is so.
    pub async fn ended(&self, limit: Duration) -> bool {
        timeout(limit, self.running.subscribe().wait_for(|running| *running == 0)).await.is_ok()
    }

    /// Whether none ran for all of `duration`; says no as soon as one runs.
    pub async fn quiet(&self, duration: Duration) -> bool {
        let mut running = self.running.subscribe();
        *running.borrow_and_update() == 0 && timeout(duration, running.changed()).await.is_err()
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn it_is_quiet_only_if_nothing_ran_all_the_time() {
        let calls = Calls::new();
        assert!(calls.quiet(MOMENT).await);
        let running = calls.begin().unwrap();
        assert!(!calls.quiet(LONG).await);
        drop(running);
        let other = calls.clone();
        let short = tokio::spawn(async move { drop(other.begin()) });
        assert!(!calls.quiet(LONG).await);
        short.await.unwrap();
        assert!(calls.quiet(MOMENT).await);
    }

    #[tokio::test]
    async fn no_call_begins_once_stopped_and_those_that_run_are_waited_for() {
        let calls = Calls::new();
        let running = calls.begin().unwrap();
        calls.stop();
        assert!(calls.begin().is_none());
        assert!(!calls.ended(MOMENT).await);
        drop(running);
        assert!(calls.ended(LONG).await);
    }
}
