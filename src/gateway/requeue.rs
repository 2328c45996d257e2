//! When to reconcile a gateway again. Pure.

use std::time::Duration;

use super::config_sync::state::{ConfigState, POLL, RETRY_UNREACHABLE};
use super::plan::Plan;
use super::rollout::Decision;
use super::state::Reconciled;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::conditions::reason;
use crate::references::digests::Fault;

/// What the API server refused (a quota, say) is sent again after this time, and what could not be read is read again.
pub const RETRY: Duration = Duration::from_secs(30);

/// The soonest of everything that only time, or no watch, brings about. `unseen`: how long the cache may still be late with what was sent.
#[must_use]
pub fn after(reconciled: &Reconciled<'_>, unseen: Option<Duration>) -> Duration {
    let Reconciled { gathered, plan, decision, applied, synced, files } = reconciled;
    let waits = match decision {
        Some(Decision::Wait(wait) | Decision::Rejected { again_in: wait, .. }) => Some(*wait),
        _ => None,
    };
    let refused = synced.refused.as_ref().map(|refused| refused.again_in);
    let asks = match &synced.state {
        Some(ConfigState::Pending | ConfigState::Stalled) => Some(synced.poll.max(POLL)),
        Some(ConfigState::Unreachable(_) | ConfigState::NotApplied) => Some(RETRY_UNREACHABLE),
        Some(ConfigState::Applied) => Some(synced.poll).filter(|poll| !poll.is_zero()),
        Some(ConfigState::Rejected(_)) | None => None,
    };
    let seen = unseen.map(|left| left + Duration::from_secs(1));
    let unexposed = matches!(applied.exposed, Some(Err(_)));
    let at_fault = [&applied.fault, &applied.stopped, &synced.fault].iter().any(|fault| fault.is_some());
    let retry = (at_fault || unexposed || is_unwatched(plan)).then_some(RETRY);
    // The plan was made before the gateway said what it lacks, or rejects.
    let lacks = !synced.unavailable.is_subset(&gathered.live.unavailable);
    let learnt = (lacks || reconciled.is_rejected()).then_some(POLL);
    [waits, refused, asks, seen, retry, learnt, files.poll].into_iter().flatten().min().unwrap_or_else(resync)
}

/// Whether something is missing whose appearance no watch shows.
fn is_unwatched(plan: &Plan) -> bool {
    let unreadable = |reason| reason == reason::REFERENCE_UNREADABLE;
    let unwatched = |fault: &Fault| fault.reason == reason::CLAIM_NOT_FOUND || unreadable(fault.reason);
    let warnings = plan.warnings.iter().chain(plan.agent_warnings.values().flatten());
    warnings.chain(plan.pod.as_ref().err()).any(unwatched) || plan.faults.values().any(|fault| unreadable(fault.reason))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::apply::Applied;
    use crate::gateway::config_sync::Synced;
    use crate::gateway::files::Found;
    use crate::gateway::fixtures::{company, plan};
    use crate::gateway::gather::Gathered;
    use crate::gateway::rejections::{Circumstances, Keys, Rejections};
    use crate::gateway::revision::ConfigRevision;
    use crate::openclaw::config::document::ConfigDocument;
    use crate::openclaw::config::passthrough::author::Author;
    use crate::openclaw::config::sections::Fields;
    use crate::references::digests::Digests;

    /// When a gateway is reconciled again that is well but for this.
    fn again(change: impl FnOnce(&mut Plan, &mut Applied, &mut Synced)) -> Duration {
        let gathered: Gathered = company();
        let (mut plan, mut applied, mut synced) = (plan(&gathered), Applied::default(), Synced::default());
        change(&mut plan, &mut applied, &mut synced);
        let decision = Some(Decision::Apply { replaces_pod: false, rollout: None });
        after(
            &Reconciled { gathered: &gathered, plan: &plan, decision, applied, synced, files: Found::default() },
            None,
        )
    }

    #[test]
    fn a_gateway_that_is_well_is_left_alone_for_minutes() {
        assert!(again(|_, _, synced| synced.state = Some(ConfigState::Applied)) > Duration::from_mins(7));
    }

    #[test]
    fn a_change_on_its_way_is_asked_for_often_and_a_gateway_out_of_reach_seldom() {
        assert_eq!(again(|_, _, synced| synced.state = Some(ConfigState::Pending)), POLL);
        let unreachable = ConfigState::Unreachable("no".into());
        assert_eq!(again(|_, _, synced| synced.state = Some(unreachable)), RETRY_UNREACHABLE);
    }

    #[test]
    fn what_the_gateway_said_it_lacks_is_planned_with_at_once() {
        let lacks = |synced: &mut Synced| synced.unavailable = ["openai".to_owned()].into();
        assert_eq!(again(|_, _, synced| lacks(synced)), POLL);
    }

    #[test]
    fn what_the_gateway_rejects_of_a_user_is_planned_without_at_once() {
        let (author, fields, digests) = (Author::Gateway, Fields::new(), Digests::default());
        let circumstances = Circumstances { image: None, digests: &digests };
        let keys = Keys { author: &author, fields: &fields, variables: &[], circumstances };
        let rejections = Rejections::default().with(keys, "no", false).unwrap_or_default();
        let current = Arc::new(ConfigDocument::new(serde_json::json!({})));
        let (name, image, desired) = ("a".into(), "image".into(), Some(Arc::clone(&current)));
        let (ruling, digests) = (None, digests.clone());
        let before =
            ConfigRevision { name, current, desired, image, ruling, rejections: Rejections::default(), digests };
        let after = ConfigRevision { rejections, ..before.clone() };
        let configs = |applied: &mut Applied, synced: &mut Synced| {
            (applied.config, synced.config) = (Some(before), Some(after));
        };
        assert_eq!(again(|_, applied, synced| configs(applied, synced)), POLL);
    }

    #[test]
    fn what_no_watch_shows_is_tried_again() {
        let fault = |reason| Fault { reason, message: String::new(), carried: false };
        assert_eq!(again(|_, applied, _| applied.fault = Some(fault(reason::CHILD_REJECTED))), RETRY);
        assert_eq!(again(|plan, _, _| plan.pod = Err(fault(reason::CLAIM_NOT_FOUND))), RETRY);
        assert!(again(|plan, _, _| plan.pod = Err(fault(reason::SECRET_NOT_FOUND))) > RETRY);
    }

    #[test]
    fn what_the_cache_has_not_shown_yet_is_looked_at_once_it_must() {
        let gathered = company();
        let (plan, decision) = (plan(&gathered), Some(Decision::Apply { replaces_pod: false, rollout: None }));
        let (applied, synced) = (Applied::default(), Synced::default());
        let reconciled =
            Reconciled { gathered: &gathered, plan: &plan, decision, applied, synced, files: Found::default() };
        assert_eq!(after(&reconciled, Some(Duration::from_secs(20))), Duration::from_secs(21));
    }
}
