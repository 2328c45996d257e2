//! Condition `Healthy`: whether the last run succeeded, and why not. Pure.

use crate::api::cron_job::Run;
use crate::api::runs::RunStatus;
use crate::kubernetes::conditions::{Desired, HEALTHY, Status, reason};

/// Whether the last run that took place succeeded. `failures`: how many in a row did not.
#[must_use]
pub fn healthy(runs: &[Run], failures: i32) -> Desired {
    let Some(run) = runs.iter().find(|run| run.status != RunStatus::Skipped) else {
        return Desired::new(HEALTHY, Status::Unknown, reason::NOT_RUN_YET, "No run has ended yet.");
    };
    if run.status == RunStatus::Succeeded {
        return Desired::new(HEALTHY, Status::True, reason::SUCCEEDED, "The last run succeeded.");
    }
    let word =
        cause(runs).and_then(|word| FAILURES.into_iter().find(|known| *known == word)).unwrap_or(reason::RUN_FAILED);
    let words = run.error.as_deref().unwrap_or("the gateway gave no reason");
    let message = if failures > 1 { format!("{failures} consecutive runs failed: {words}") } else { words.to_owned() };
    Desired::new(HEALTHY, Status::False, word, message)
}

/// What the gateway says of a run whose Provider it has disabled for a while after an earlier failure.
const DISABLED: &str = "temporarily disabled after a provider auth/billing failure";

/// Why the last run failed: where it is only the consequence of an earlier failure, the reason of that one.
fn cause(runs: &[Run]) -> Option<&str> {
    let failed = runs.iter().filter(|run| run.status != RunStatus::Skipped);
    let mut streak = failed.take_while(|run| run.status != RunStatus::Succeeded);
    let is_consequence = |run: &&Run| run.error.as_ref().is_some_and(|words| words.contains(DISABLED));
    streak.find(|run| !is_consequence(run)).or(runs.first())?.reason.as_deref()
}

/// The reasons that a run may have, see [`outcome`].
const FAILURES: [&str; 8] = [
    reason::CREDIT_EXHAUSTED,
    reason::UNAUTHORIZED,
    reason::RATE_LIMITED,
    reason::TIMED_OUT,
    reason::MODEL_NOT_FOUND,
    reason::SERVER_ERROR,
    reason::NOT_DELIVERED,
    reason::RUN_FAILED,
];
