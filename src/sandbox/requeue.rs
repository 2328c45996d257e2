//! When to reconcile a sandbox again. Pure: `now` is an argument.

use std::time::Duration;

use jiff::Timestamp;

use super::apply::Applied;
use super::gather::{Found, Gathered};
use super::state;
use super::step::time_until_forced;
use super::validate::Verdict;
use crate::api::sandbox::WorkspaceAccess;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::conditions::reason;
use crate::kubernetes::ledger::CACHE_LAG;

/// What no watch shows the end of is looked at again after this time.
pub const RETRY: Duration = Duration::from_secs(30);

/// When to look again. `unseen`: how long the cache may still be late with what was sent.
#[must_use]
pub fn after(
    gathered: &Gathered,
    verdict: &Verdict,
    applied: &Applied,
    unseen: Option<Duration>,
    now: Timestamp,
) -> Duration {
    let seen = unseen.max(applied.sent.then_some(CACHE_LAG)).map(|left| left + Duration::from_secs(1));
    let unread = verdict.warnings.iter().any(|fault| fault.reason == reason::REFERENCE_UNREADABLE)
        || verdict.plan.as_ref().is_err_and(|blocked| blocked.reason == reason::REFERENCE_UNREADABLE)
        || matches!(
            (&gathered.client_key, &gathered.access_modes),
            (Found::Unreadable(_), _) | (_, Found::Unreadable(_))
        );
    // The claims that users bring are not watched.
    let missing = gathered.mounted.faults.iter().any(|fault| fault.reason == reason::CLAIM_NOT_FOUND)
        || verdict.plan.is_err()
            && gathered.access() != WorkspaceAccess::None
            && gathered.access_modes == Found::Missing;
    let refused = (applied.fault.is_some() || unread || missing).then_some(RETRY);
    let pod = gathered.live.pod.as_deref();
    let lost = pod.and_then(|pod| state::time_until_lost(pod, now));
    let forced = pod.and_then(|pod| time_until_forced(pod, now)).and_then(|left| Duration::try_from(left).ok());
    let tried = applied.refused.as_ref().map(|refused| refused.again_in);
    let all = [applied.settles_in, applied.replaced_in, seen, refused, tried, lost, forced];
    all.into_iter().flatten().min().unwrap_or_else(resync)
}
