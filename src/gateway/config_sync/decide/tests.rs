use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::gateway::rejections::Rejections;
use crate::openclaw::config::document::ConfigDocument;
use crate::references::digests::Digests;

fn document(text: &str) -> Arc<ConfigDocument> {
    Arc::new(ConfigDocument::new(json!(text)))
}

fn ruled(current: &str, ruling: Option<Ruling>) -> ConfigRevision {
    let (current, desired) = (document(current), Some(document("desired")));
    ConfigRevision {
        name: "a".into(),
        current,
        desired,
        image: "image".into(),
        ruling,
        rejections: Rejections::default(),
        digests: Digests::default(),
    }
}

fn rejected(failed_start: bool) -> Ruling {
    Ruling::Rejected(Rejection { hash: "hash".into(), message: "no".into(), failed_start })
}

fn revision(current: &str, is_rejected: bool) -> ConfigRevision {
    ruled(current, is_rejected.then(|| rejected(false)))
}

const NOTHING: Before = Before { predates: false, replaced: false, has_fallback: true };

fn decide<'a>(pod: &'a PodState, state: Option<&'a ConfigState>, config: &ConfigRevision, before: Before) -> Step<'a> {
    super::decide(Look { pod, state, failed_start: None }, config, before)
}

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
    let step = Step::RollBack { message: "no", replace_pod: false, failed_start: false };
    assert_eq!(decide(&PodState::Ready, Some(&rejected), &revision("desired", false), NOTHING), step);
    assert_eq!(decide(&PodState::Ready, Some(&rejected), &revision("earlier", true), NOTHING), Step::Wait);
}

#[test]
fn a_gateway_that_ended_over_its_configuration_is_replaced_once() {
    let step = |replace_pod| Step::RollBack { message: "no", replace_pod, failed_start: false };
    assert_eq!(decide(&ended(), None, &revision("desired", false), NOTHING), step(true));
    assert_eq!(decide(&ended(), None, &revision("earlier", true), NOTHING), step(false));
}

#[test]
fn a_pod_that_may_have_run_an_earlier_configuration_says_nothing_against_the_present_one() {
    let predates = Before { predates: true, ..NOTHING };
    assert_eq!(decide(&ended(), None, &revision("desired", false), predates), Step::ReplacePod);
    assert_eq!(failed_start(&revision("desired", false), predates), Step::ReplacePod);
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

#[test]
fn a_configuration_that_is_read_and_not_applied_is_rolled_back_before_any_pod_starts_with_it() {
    let not_applied = ConfigState::NotApplied;
    let decide = |config: &ConfigRevision, before| decide(&PodState::Ready, Some(&not_applied), config, before);
    let step = Step::RollBack { message: NOT_APPLIED, replace_pod: false, failed_start: false };
    assert_eq!(decide(&revision("desired", false), NOTHING), step);
    assert_eq!(decide(&revision("earlier", true), NOTHING), Step::ReplacePod, "this one it has accepted");
    let first = Before { has_fallback: false, ..NOTHING };
    assert_eq!(decide(&revision("desired", false), first), Step::ReplacePod);
    assert_eq!(decide(&revision("desired", false), Before { replaced: true, ..first }), Step::Wait);
}

/// The step after two failed starts with this configuration.
fn failed_start(config: &ConfigRevision, before: Before) -> Step<'static> {
    static CRASHED: PodState = PodState::Broken { reason: "GatewayCrashed", message: String::new() };
    let look = Look { pod: &CRASHED, state: None, failed_start: Some("code 1") };
    super::decide(look, config, before)
}

#[test]
fn a_gateway_that_does_not_start_gets_the_configuration_back_that_it_accepted() {
    let step = Step::RollBack { message: "code 1", replace_pod: true, failed_start: true };
    assert_eq!(failed_start(&revision("desired", false), NOTHING), step);
    let accepted = Before { has_fallback: false, ..NOTHING };
    let search = Step::Acquit { message: "code 1" };
    assert_eq!(failed_start(&revision("desired", false), accepted), search, "there is nothing to go back to");
}

#[test]
fn a_configuration_is_acquitted_if_the_gateway_does_not_start_with_the_last_good_one_either() {
    let before = Before { has_fallback: false, ..NOTHING };
    let suspected = ruled("earlier", Some(rejected(true)));
    assert_eq!(failed_start(&suspected, before), Step::Acquit { message: "code 1" });
    let acquitted = ruled("desired", Some(Ruling::Acquitted("hash".into())));
    assert_eq!(failed_start(&acquitted, NOTHING), Step::Wait);
    let in_its_own_words = revision("earlier", true);
    assert_eq!(failed_start(&in_its_own_words, before), Step::Wait);
}

#[test]
fn after_a_restart_of_the_operator_another_pod_tells_whether_the_last_good_configuration_starts() {
    let restarted = Before { predates: true, has_fallback: false, ..NOTHING };
    assert_eq!(failed_start(&ruled("earlier", Some(rejected(true))), restarted), Step::ReplacePod);
}

#[test]
fn a_gateway_that_did_not_start_is_tried_at_once_with_another_configuration() {
    let edited = Before { predates: true, has_fallback: false, ..NOTHING };
    assert_eq!(failed_start(&revision("desired", false), edited), Step::ReplacePod);
}
