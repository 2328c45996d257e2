//! One reconcile within its time, and when to try again after a failure. Touches the network through the reconcile.

use std::future::Future;
use std::time::{Duration, Instant};

use super::queues::Controller;
use crate::kubernetes::backoff::Backoff;
use crate::kubernetes::errors::{is_conflict, is_namespace_terminating};
use crate::kubernetes::reconciler::ReconcileError;
use crate::telemetry::metrics::{Metrics, Outcome};

/// A reconcile that takes longer is given up and tried again later.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// How soon to try again after another writer was faster.
const CONFLICT: Duration = Duration::from_millis(500);

/// What the reconcile gave, unless it took too long.
pub async fn within_time<T>(
    controller: Controller,
    metrics: &Metrics,
    reconcile: impl Future<Output = Result<T, ReconcileError>>,
) -> Result<T, ReconcileError> {
    let started = Instant::now();
    // On the heap: a reconcile may hold many children at once.
    let reconciled = tokio::time::timeout(TIME_LIMIT, Box::pin(reconcile)).await;
    let outcome = match &reconciled {
        Ok(Ok(_)) => Outcome::Done,
        Ok(Err(_)) => Outcome::Failed,
        Err(_elapsed) => Outcome::TimedOut,
    };
    metrics.reconciled(controller.name(), outcome, started.elapsed());
    reconciled.unwrap_or_else(|_elapsed| Err(ReconcileError::TimedOut(TIME_LIMIT)))
}

/// When to try again; `None`: only when something changes. `key`: what the back-off counts failures of.
pub fn wait_after(
    error: &ReconcileError,
    controller: Controller,
    (namespace, name): (&str, &str),
    backoff: &Backoff,
    key: &str,
) -> Option<Duration> {
    let controller = controller.name();
    if error.api().is_some_and(is_conflict) {
        tracing::info!(controller, name, namespace, %error, "conflict, retrying");
        return Some(CONFLICT);
    }
    if error.api().is_some_and(is_namespace_terminating) {
        tracing::debug!(controller, name, namespace, "the namespace is being deleted");
        return None;
    }
    let wait = backoff.failed(key);
    tracing::warn!(controller, name, namespace, %error, wait = wait.as_secs(), "a reconcile failed");
    Some(wait)
}
