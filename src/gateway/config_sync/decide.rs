//! What a look at the running gateway calls for. Pure.

use super::state::ConfigState;
use crate::gateway::pod::PodState;
use crate::gateway::revision::ConfigRevision;

/// The next step with the configuration and the Pod that mounts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Everything is as desired, or only time can tell.
    Wait,
    /// The gateway runs the desired configuration: it is saved, to be written back over a later one that the gateway rejects.
    SaveLastGood,
    /// The gateway rejects what is mounted, with this message: the last good configuration is written back. With `replace_pod` its Pod is
    /// then replaced, if there was one to write back.
    RollBack { message: &'a str, replace_pod: bool },
    /// The Pod is replaced.
    ReplacePod,
}

/// What happened before this look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    /// This reconcile has sent something, so that the Pod can't have seen it yet.
    pub sent: bool,
    /// A Pod was replaced already because it did not take up this very configuration: another one would do no better.
    pub replaced: bool,
}

#[must_use]
pub fn decide<'a>(
    pod: &'a PodState,
    state: Option<&'a ConfigState>,
    config: &ConfigRevision,
    before: Before,
) -> Step<'a> {
    match (pod, state) {
        // The kubelet would wait up to five minutes before it tries again.
        (PodState::ConfigurationRejected { .. }, _) if before.sent => Step::ReplacePod,
        // Once: if the last good one is rejected too, the retries are left to the kubelet.
        (PodState::ConfigurationRejected { message }, _) => {
            Step::RollBack { message, replace_pod: config.rejection.is_none() }
        }
        // What it runs, it has accepted, whatever it said before.
        (_, Some(ConfigState::Applied)) if config.is_desired() => Step::SaveLastGood,
        (_, Some(ConfigState::Rejected(message))) if config.rejection.is_none() => {
            Step::RollBack { message, replace_pod: false }
        }
        (_, Some(ConfigState::Stalled)) if !before.replaced => Step::ReplacePod,
        _ => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::gateway::revision::Rejection;
    use crate::openclaw::config::document::ConfigDocument;

    fn document(text: &str) -> Arc<ConfigDocument> {
        Arc::new(ConfigDocument::new(json!(text)))
    }

    fn revision(current: &str, rejected: bool) -> ConfigRevision {
        let rejection = rejected.then(|| Rejection { hash: "hash".into(), message: "no".into() });
        ConfigRevision { name: "a".into(), current: document(current), desired: document("desired"), rejection }
    }

    const NOTHING: Before = Before { sent: false, replaced: false };

    fn ended() -> PodState {
        PodState::ConfigurationRejected { message: "no".into() }
    }

    #[test]
    fn a_desired_configuration_that_runs_is_saved() {
        let applied = ConfigState::Applied;
        assert_eq!(decide(&PodState::Ready, Some(&applied), &revision("desired", false), NOTHING), Step::SaveLastGood);
        assert_eq!(decide(&PodState::Ready, Some(&applied), &revision("earlier", true), NOTHING), Step::Wait);
    }

    #[test]
    fn a_rejection_while_running_is_rolled_back_once_and_disturbs_no_pod() {
        let rejected = ConfigState::Rejected("no".into());
        let step = Step::RollBack { message: "no", replace_pod: false };
        assert_eq!(decide(&PodState::Ready, Some(&rejected), &revision("desired", false), NOTHING), step);
        assert_eq!(decide(&PodState::Ready, Some(&rejected), &revision("earlier", true), NOTHING), Step::Wait);
    }

    #[test]
    fn a_gateway_that_ended_over_its_configuration_is_replaced_once() {
        let step = |replace_pod| Step::RollBack { message: "no", replace_pod };
        assert_eq!(decide(&ended(), None, &revision("desired", false), NOTHING), step(true));
        assert_eq!(decide(&ended(), None, &revision("earlier", true), NOTHING), step(false));
    }

    #[test]
    fn a_gateway_that_ended_over_an_earlier_configuration_is_replaced_with_the_next() {
        assert_eq!(
            decide(&ended(), None, &revision("desired", false), Before { sent: true, ..NOTHING }),
            Step::ReplacePod
        );
    }

    #[test]
    fn a_gateway_that_takes_up_nothing_is_replaced_once_for_a_configuration() {
        let stalled = ConfigState::Stalled;
        let again = Before { replaced: true, ..NOTHING };
        assert_eq!(decide(&PodState::Ready, Some(&stalled), &revision("desired", false), again), Step::Wait);
        assert_eq!(decide(&PodState::Ready, Some(&stalled), &revision("desired", false), NOTHING), Step::ReplacePod);
    }

    #[test]
    fn a_pod_that_starts_is_left_alone() {
        let starts = PodState::Waiting { reason: "Starting", message: String::new() };
        assert_eq!(decide(&starts, None, &revision("desired", false), NOTHING), Step::Wait);
    }

    #[test]
    fn a_gateway_that_cannot_be_asked_is_left_alone() {
        let unreachable = ConfigState::Unreachable("no".into());
        assert_eq!(decide(&PodState::Ready, Some(&unreachable), &revision("desired", false), NOTHING), Step::Wait);
    }
}
