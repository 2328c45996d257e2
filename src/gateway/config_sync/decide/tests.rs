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
    let (current, desired) = (document(current), Some(document("desired")));
    ConfigRevision { name: "a".into(), current, desired, image: "image".into(), rejection }
}

const NOTHING: Before = Before { predates: false, replaced: false, has_fallback: true, suspicion: None };

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
fn a_pod_that_may_have_run_an_earlier_configuration_says_nothing_against_the_present_one() {
    let predates = Before { predates: true, ..NOTHING };
    assert_eq!(decide(&ended(), None, &revision("desired", false), predates), Step::ReplacePod);
    assert_eq!(failed_start("desired", false, predates), Step::ReplacePod);
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
    let step = Step::RollBack { message: NOT_APPLIED, replace_pod: false };
    assert_eq!(decide(&revision("desired", false), NOTHING), step);
    assert_eq!(decide(&revision("earlier", true), NOTHING), Step::ReplacePod, "this one it has accepted");
    let first = Before { has_fallback: false, ..NOTHING };
    assert_eq!(decide(&revision("desired", false), first), Step::ReplacePod);
    assert_eq!(decide(&revision("desired", false), Before { replaced: true, ..first }), Step::Wait);
}

/// The step after two failed starts with this configuration.
fn failed_start(current: &str, rejected: bool, before: Before) -> Step<'static> {
    static CRASHED: PodState = PodState::Broken { reason: "GatewayCrashed", message: String::new() };
    let look = Look { pod: &CRASHED, state: None, failed_start: Some("code 1") };
    super::decide(look, &revision(current, rejected), before)
}

#[test]
fn a_gateway_that_does_not_start_gets_the_configuration_back_that_it_accepted() {
    let step = Step::RollBack { message: "code 1", replace_pod: true };
    assert_eq!(failed_start("desired", false, NOTHING), step);
    let accepted = Before { has_fallback: false, ..NOTHING };
    assert_eq!(failed_start("desired", false, accepted), Step::Wait, "it is not the configuration's doing");
}

#[test]
fn a_configuration_is_acquitted_if_the_gateway_does_not_start_with_the_last_good_one_either() {
    let suspected = Before { has_fallback: false, suspicion: Some(Suspicion::Suspected), ..NOTHING };
    assert_eq!(failed_start("earlier", true, suspected), Step::Acquit);
    let acquitted = Before { suspicion: Some(Suspicion::Acquitted), ..NOTHING };
    assert_eq!(failed_start("desired", false, acquitted), Step::Wait);
    assert_eq!(failed_start("earlier", true, NOTHING), Step::Wait, "it was rejected in the gateway's own words");
}
