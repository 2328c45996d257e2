//! What a look at the running gateway calls for. Pure.

use super::proof::Proof;
use crate::gateway::apply::Mounted;
use crate::gateway::pod::PodState;

/// The next step with the configuration and the Pod that mounts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// All is as it should be, or time will tell.
    Wait,
    /// The gateway runs with what is wanted: that is kept, to be written back over a later one that it refuses.
    Accept,
    /// The gateway refuses what is mounted, in these words: the last accepted one is written back. With `recreate` its Pod is then made
    /// anew, if there was one to write back.
    TakeBack { words: &'a str, recreate: bool },
    /// The Pod has to be made anew.
    Recreate,
}

/// `fresh`: whether this pass has sent anything, so that the Pod can't have seen it yet.
#[must_use]
pub fn decide<'a>(state: &'a PodState, proof: Option<&'a Proof>, config: &Mounted, fresh: bool) -> Step<'a> {
    match (state, proof) {
        // The kubelet would wait up to five minutes before it tries again.
        (PodState::ConfigurationRefused { .. }, _) if fresh => Step::Recreate,
        // Once: what is refused too is the kubelet's to retry.
        (PodState::ConfigurationRefused { message }, _) => {
            Step::TakeBack { words: message, recreate: config.refusal.is_none() }
        }
        // What it runs, it has accepted, whatever it said before.
        (_, Some(Proof::Applied)) if config.text == config.wanted => Step::Accept,
        (_, Some(Proof::Refused(words))) if config.refusal.is_none() => Step::TakeBack { words, recreate: false },
        (_, Some(Proof::Stalled)) => Step::Recreate,
        _ => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::build::config_map::Refusal;

    fn mounted(text: &str, refused: bool) -> Mounted {
        let refusal = refused.then(|| Refusal { hash: "hash".into(), message: "no".into() });
        Mounted { name: "a".into(), text: text.into(), wanted: "wanted".into(), refusal }
    }

    fn refused() -> PodState {
        PodState::ConfigurationRefused { message: "no".into() }
    }

    #[test]
    fn a_configuration_that_runs_and_is_wanted_is_kept() {
        let applied = Proof::Applied;
        assert_eq!(decide(&PodState::Ready, Some(&applied), &mounted("wanted", false), false), Step::Accept);
        assert_eq!(decide(&PodState::Ready, Some(&applied), &mounted("earlier", true), false), Step::Wait);
    }

    #[test]
    fn a_refusal_while_running_is_taken_back_once_and_disturbs_no_pod() {
        let proof = Proof::Refused("no".into());
        let step = Step::TakeBack { words: "no", recreate: false };
        assert_eq!(decide(&PodState::Ready, Some(&proof), &mounted("wanted", false), false), step);
        assert_eq!(decide(&PodState::Ready, Some(&proof), &mounted("earlier", true), false), Step::Wait);
    }

    #[test]
    fn a_gateway_that_ended_over_its_configuration_is_made_anew_once() {
        let step = |recreate| Step::TakeBack { words: "no", recreate };
        assert_eq!(decide(&refused(), None, &mounted("wanted", false), false), step(true));
        assert_eq!(decide(&refused(), None, &mounted("earlier", true), false), step(false));
    }

    #[test]
    fn a_gateway_that_ended_over_an_earlier_configuration_is_made_anew_with_the_next() {
        assert_eq!(decide(&refused(), None, &mounted("wanted", false), true), Step::Recreate);
    }

    #[test]
    fn a_gateway_that_takes_up_nothing_is_made_anew() {
        assert_eq!(decide(&PodState::Ready, Some(&Proof::Stalled), &mounted("wanted", false), false), Step::Recreate);
    }

    #[test]
    fn a_pod_that_starts_is_left_alone() {
        let starts = PodState::Waiting { reason: "Starting", message: String::new() };
        assert_eq!(decide(&starts, None, &mounted("wanted", false), false), Step::Wait);
    }
}
