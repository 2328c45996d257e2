use super::*;
use crate::agent::fixtures::{company, edit, plan};
use crate::agent::{apply::Applied, observe::observe, pod::PodState};
use crate::cluster::conditions::find;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// `Ready`, `Reconciling`, `Stalled` and the reason of `Ready`.
fn summary_of(status: &AgentStatus) -> (String, String, String, String) {
    let condition = |kind| find(&status.conditions, kind).unwrap().clone();
    (condition(READY).status, condition(RECONCILING).status, condition(STALLED).status, condition(READY).reason)
}

fn words(ready: &str, reconciling: &str, stalled: &str, reason: &str) -> (String, String, String, String) {
    (ready.into(), reconciling.into(), stalled.into(), reason.into())
}

fn state(pod: Option<&PodState>, proof: Option<&Proof>, change: impl FnOnce(&mut Agent)) -> (Agent, GatewayState) {
    let mut gathered = company();
    edit(&mut gathered, "concierge", change);
    let state = observe(&gathered, &plan(&gathered), &Applied::default(), pod, proof, None, false);
    (Agent::clone(&gathered.owner), state)
}

#[test]
fn an_agent_is_ready_once_its_gateway_confirmed_the_configuration() {
    let (agent, state) = state(Some(&PodState::Ready), Some(&Proof::Applied), |_| {});
    let (status, again) = status(&agent, &Place::On(&state), vec!["writer".into()], now());
    assert_eq!(summary_of(&status), words("True", "False", "False", "Ready"));
    assert_eq!(status.agent_id.as_deref(), Some("concierge"));
    assert_eq!(status.model.as_deref(), Some("openai/gpt-4o-mini"));
    assert_eq!(again, None);
}

#[test]
fn a_start_up_is_unknown_and_reconciling_and_no_fault() {
    let starts = PodState::Waiting { reason: reason::STARTING, message: "starts".into() };
    let (agent, state) = state(Some(&starts), None, |_| {});
    let (status, _) = status(&agent, &Place::On(&state), Vec::new(), now());
    assert_eq!(summary_of(&status), words("Unknown", "True", "False", "Starting"));
    assert_eq!(status.agent_id, None);
}

#[test]
fn an_image_that_cannot_be_pulled_stalls() {
    let broken = PodState::Broken { reason: reason::IMAGE_PULL_FAILED, message: "no such image".into() };
    let (agent, state) = state(Some(&broken), None, |_| {});
    let (status, _) = status(&agent, &Place::On(&state), Vec::new(), now());
    assert_eq!(summary_of(&status), words("False", "False", "True", "ImagePullFailed"));
}

#[test]
fn a_missing_reference_is_waited_for_and_then_stalls() {
    let unknown = |agent: &mut Agent| agent.spec.model.primary.provider = "opneai".into();
    let (mut agent, state) = state(None, None, unknown);
    let (first, again) = status(&agent, &Place::On(&state), Vec::new(), now());
    assert_eq!(summary_of(&first), words("Unknown", "True", "False", "ProviderNotFound"));
    assert!(again.is_some());
    agent.status = Some(first);
    let later = now() + Duration::from_secs(121);
    let (second, _) = status(&agent, &Place::On(&state), Vec::new(), later);
    assert_eq!(summary_of(&second), words("False", "False", "True", "ProviderNotFound"));
}

#[test]
fn a_refused_configuration_is_told_in_the_gateways_words() {
    let (agent, state) =
        state(Some(&PodState::Ready), Some(&Proof::Refused("gateway: Unrecognized key: \"x\"".into())), |_| {});
    let (status, _) = status(&agent, &Place::On(&state), Vec::new(), now());
    assert_eq!(summary_of(&status), words("False", "False", "True", "Refused"));
    let condition = find(&status.conditions, CONFIG_APPLIED).unwrap();
    assert!(condition.message.contains("Unrecognized key: \"x\""));
}

#[test]
fn a_suspended_agent_is_no_fault() {
    let (agent, state) = state(None, None, |agent| agent.spec.suspend = true);
    let (status, _) = status(&agent, &Place::On(&state), Vec::new(), now());
    assert_eq!(summary_of(&status), words("Unknown", "False", "False", "Suspended"));
}

#[test]
fn the_status_is_the_same_when_nothing_changed() {
    let (mut agent, state) = state(Some(&PodState::Ready), Some(&Proof::Applied), |_| {});
    let (first, _) = status(&agent, &Place::On(&state), Vec::new(), now());
    agent.status = Some(first.clone());
    let (second, _) = status(&agent, &Place::On(&state), Vec::new(), now() + Duration::from_hours(1));
    assert_eq!(first, second);
}
