//! How many calls are running, and the phases of the server's shutdown. Touches nothing.

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

/// In this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// No call starts any more.
    Stopping,
    /// Running calls are ended.
    HangingUp,
    /// Connections are closed.
    Closing,
}

/// Exists while a call is running, until the last of its processes has ended.
pub struct RunningCall(Arc<watch::Sender<usize>>);

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl Calls {
    #[must_use]
    pub fn new() -> Self {
        Self { running: Arc::new(watch::Sender::new(0)), phase: Arc::new(watch::Sender::new(Phase::Serving)) }
    }

    /// Counts one more call; `None` if the server is stopping.
    #[must_use]
    pub fn start(&self) -> Option<RunningCall> {
        if *self.phase.borrow() != Phase::Serving {
            return None;
        }
        self.running.send_modify(|running| *running += 1);
        Some(RunningCall(self.running.clone()))
    }

    /// No call starts from now on.
    pub fn stop(&self) {
        self.phase.send_replace(Phase::Stopping);
    }

    /// Ends the running calls.
    pub fn hang_up(&self) {
        self.phase.send_replace(Phase::HangingUp);
    }

    /// Closes their connections.
    pub fn close(&self) {
        self.phase.send_replace(Phase::Closing);
    }

    /// Waits for [`Calls::hang_up`].
    pub async fn hung_up(&self) {
        self.reached(Phase::HangingUp).await;
    }

    /// Waits for [`Calls::close`].
    pub async fn closed(&self) {
        self.reached(Phase::Closing).await;
    }

    async fn reached(&self, phase: Phase) {
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }

    /// How many are running.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.running.borrow()
    }

    /// Waits until none is running. Returns false after `limit`.
    pub async fn ended(&self, limit: Duration) -> bool {
        timeout(limit, self.running.subscribe().wait_for(|running| *running == 0)).await.is_ok()
    }

    /// Returns true if none is running for all of `duration`, and false as soon as one is.
    pub async fn idle_for(&self, duration: Duration) -> bool {
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
    async fn the_server_is_idle_only_if_no_call_ran_all_the_time() {
        let calls = Calls::new();
        assert!(calls.idle_for(MOMENT).await);
        let running = calls.start().unwrap();
        assert!(!calls.idle_for(LONG).await);
        drop(running);
        let other = calls.clone();
        let short = tokio::spawn(async move { drop(other.start()) });
        assert!(!calls.idle_for(LONG).await);
        short.await.unwrap();
        assert!(calls.idle_for(MOMENT).await);
    }

    #[tokio::test]
    async fn a_stopping_server_starts_no_call_and_waits_for_those_that_are_running() {
        let calls = Calls::new();
        let running = calls.start().unwrap();
        calls.stop();
        assert!(calls.start().is_none());
        assert!(!calls.ended(MOMENT).await);
        drop(running);
        assert!(calls.ended(LONG).await);
    }
}
