mod not_in_force;

use std::sync::Arc;

use super::*;
use crate::api::sandbox::WorkspaceAccess;
use crate::gateway::config_sync::state::ConfigState;
use crate::gateway::fixtures::{self, company, edit, observed, secret, settle};
use crate::gateway::pod::PodState;
use crate::kubernetes::spec_version::SpecVersion;
use crate::references::digests::{Read, SourceKind};

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

fn sandbox(status: Status, reason: &'static str) -> SandboxState {
    SandboxState {
        sandbox: "default".into(),
        access: WorkspaceAccess::None,
        ready: Desired::new(SANDBOX_READY, status, reason, "of the sandbox"),
        isolation: Desired::new(ISOLATION_VERIFIED, Status::False, reason::NETWORK_POLICY_NOT_ENFORCED, "open"),
        pending: String::new(),
        agent: SpecVersion::of(&with_sandbox().0),
    }
}

/// An Agent with a sandbox, on a gateway that is well.
fn with_sandbox() -> (Agent, GatewayState) {
    let uses = serde_json::json!({"ref": {"name": "default"}});
    let mut gathered = company();
    gathered.sandboxes.insert("default".into(), fixtures::sandbox("default", WorkspaceAccess::None));
    edit(&mut gathered, "concierge", |agent| agent.spec.sandbox = Some(serde_json::from_value(uses).unwrap()));
    let (ready, applied) = (PodState::Ready, ConfigState::Applied);
    let state = observed(&gathered, Some(&ready), Some(&applied));
    (Agent::clone(&gathered.owner), state)
}

fn state(
    pod: Option<&PodState>,
    proof: Option<&ConfigState>,
    change: impl FnOnce(&mut Agent),
) -> (Agent, GatewayState) {
    let mut gathered = company();
    edit(&mut gathered, "concierge", change);
    let state = observed(&gathered, pod, proof);
    (Agent::clone(&gathered.owner), state)
}

#[test]
fn an_agent_is_ready_once_its_gateway_confirmed_the_configuration() {
    let (agent, state) = state(Some(&PodState::Ready), Some(&ConfigState::Applied), |_| {});
    let (status, again) = status(&agent, &GatewayLookup::On(&state), None, vec!["writer".into()], now());
    assert_eq!(summary_of(&status), words("True", "False", "False", "Ready"));
    assert_eq!(status.agent_id.as_deref(), Some("concierge"));
    assert_eq!(status.model.as_deref(), Some("openai/gpt-4o-mini"));
    assert_eq!(again, None);
}

#[test]
fn an_edit_that_the_gateway_has_not_seen_is_not_called_applied() {
    let (mut agent, state) = state(Some(&PodState::Ready), Some(&ConfigState::Applied), |_| {});
    let seen = agent.metadata.generation;
    agent.status = Some(status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now()).0);
    agent.metadata.generation = seen.map(|generation| generation + 1);
    let (edited, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&edited), words("Unknown", "True", "False", "Pending"));
    for kind in [CONFIG_APPLIED, REFERENCES_RESOLVED] {
        let told = find(&edited.conditions, kind).unwrap();
        assert_eq!((told.status.as_str(), told.observed_generation), ("True", seen), "{kind} is of the spec before");
    }
}

#[test]
fn an_agent_that_was_recreated_is_not_called_applied_because_the_one_before_was() {
    let (mut agent, state) = state(Some(&PodState::Ready), Some(&ConfigState::Applied), |_| {});
    agent.metadata.uid = Some("another".into());
    agent.spec.suspend = true;
    let (new, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&new), words("Unknown", "True", "False", "Pending"));
    assert_eq!(find(&new.conditions, CONFIG_APPLIED).unwrap().status, "Unknown");
}

#[test]
fn a_start_up_is_unknown_and_reconciling_and_no_fault() {
    let starts = PodState::Waiting { reason: reason::STARTING, message: "starts".into() };
    let (agent, state) = state(Some(&starts), None, |_| {});
    let (status, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&status), words("Unknown", "True", "False", "Starting"));
    assert_eq!(status.agent_id, None);
}

#[test]
fn an_image_that_cannot_be_pulled_stalls() {
    let broken = PodState::Broken { reason: reason::IMAGE_PULL_FAILED, message: "no such image".into() };
    let (agent, state) = state(Some(&broken), None, |_| {});
    let (status, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&status), words("False", "False", "True", "ImagePullFailed"));
}

#[test]
fn a_missing_reference_is_waited_for_and_then_stalls() {
    let unknown = |agent: &mut Agent| agent.spec.model.primary.provider = "opneai".into();
    let (mut agent, state) = state(None, None, unknown);
    let (first, again) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&first), words("Unknown", "True", "False", "ProviderNotFound"));
    assert!(again.is_some());
    agent.status = Some(first);
    let later = now() + Duration::from_secs(121);
    let (second, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), later);
    assert_eq!(summary_of(&second), words("False", "False", "True", "ProviderNotFound"));
}

#[test]
fn a_refused_configuration_is_told_in_the_gateways_words() {
    let (agent, state) =
        state(Some(&PodState::Ready), Some(&ConfigState::Rejected("gateway: Unrecognized key: \"x\"".into())), |_| {});
    let (status, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&status), words("False", "False", "True", "Rejected"));
    let condition = find(&status.conditions, CONFIG_APPLIED).unwrap();
    assert!(condition.message.contains("Unrecognized key: \"x\""));
}

#[test]
fn a_suspended_agent_is_no_fault() {
    let (agent, state) = state(None, None, |agent| agent.spec.suspend = true);
    let (status, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&status), words("True", "False", "False", "Suspended"));
}

#[test]
fn whoever_waits_for_an_agent_that_is_suspended_or_whose_gateway_is_waits_no_longer() {
    let mut gathered = company();
    edit(&mut gathered, "concierge", |agent| agent.spec.suspend = true);
    let with_owner = observed(&gathered, None, None);
    for agent in [&gathered.owner, &gathered.joined[0]] {
        let (status, _) = status(agent, &GatewayLookup::On(&with_owner), None, Vec::new(), now());
        assert_eq!(summary_of(&status), words("True", "False", "False", "Suspended"), "{}", agent.name_any());
    }
    let mut gathered = company();
    edit(&mut gathered, "writer", |agent| agent.spec.suspend = true);
    let alone = observed(&gathered, Some(&PodState::Ready), Some(&ConfigState::Applied));
    let (status, _) = status(&gathered.joined[0], &GatewayLookup::On(&alone), None, Vec::new(), now());
    assert_eq!(summary_of(&status), words("True", "False", "False", "Suspended"));
}

#[test]
fn a_paused_agent_claims_nothing() {
    let (agent, mut state) = state(Some(&PodState::Ready), Some(&ConfigState::Applied), |_| {});
    state.ready = Desired::new(GATEWAY_READY, Status::Unknown, reason::PAUSED, "paused");
    let (status, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&status), words("Unknown", "False", "False", "Paused"));
}

#[test]
fn an_edit_of_one_agent_never_changes_whether_another_is_ready() {
    let mut gathered = company();
    let (ready, applied) = (PodState::Ready, ConfigState::Applied);
    let before = observed(&gathered, Some(&ready), Some(&applied));
    let mut concierge = Agent::clone(&gathered.owner);
    concierge.status = Some(status(&concierge, &GatewayLookup::On(&before), None, Vec::new(), now()).0);
    edit(&mut gathered, "writer", |agent| agent.spec.model.primary.provider = "openai".into());
    let later = now() + Duration::from_secs(30);
    for under_way in [ConfigState::Pending, ConfigState::Rejected("no".into())] {
        let state = observed(&gathered, Some(&ready), Some(&under_way));
        let (other, _) = status(&concierge, &GatewayLookup::On(&state), None, Vec::new(), later);
        let before = concierge.status.as_ref().unwrap();
        assert_eq!(find(&other.conditions, READY), find(&before.conditions, READY), "nor is there an Event");
        let (edited, _) = status(&gathered.joined[0], &GatewayLookup::On(&state), None, Vec::new(), later);
        assert_ne!(find(&edited.conditions, READY).unwrap().status, "True");
    }
    let starts = PodState::Waiting { reason: reason::STARTING, message: "starts".into() };
    let state = observed(&gathered, Some(&starts), None);
    let (other, _) = status(&concierge, &GatewayLookup::On(&state), None, Vec::new(), later);
    assert_eq!(
        summary_of(&other),
        words("Unknown", "True", "False", "Starting"),
        "a Pod that is away is another thing"
    );
}

#[test]
fn an_agent_whose_key_the_gateway_lacks_is_not_ready_and_the_others_are() {
    let mut gathered = company();
    edit(&mut gathered, "concierge", |agent| agent.spec.model.fallbacks.clear());
    settle(&mut gathered);
    secret(&mut gathered, "keys", &[("openai", "one")]);
    let state = fixtures::observed_without(&gathered, "litellm");
    let of = |agent: &Agent| status(agent, &GatewayLookup::On(&state), None, Vec::new(), now()).0;
    assert_eq!(summary_of(&of(&gathered.owner)), words("True", "False", "False", "Ready"));
    let writer = of(&gathered.joined[0]);
    assert_eq!(summary_of(&writer), words("False", "False", "True", "CredentialsUnavailable"));
    let ready = find(&writer.conditions, READY).unwrap();
    for part in ["Provider \"litellm\"", "Secret \"keys\" has no key \"litellm\""] {
        assert!(ready.message.contains(part), "{}", ready.message);
    }
}

#[test]
fn variables_that_have_no_effect_are_named_and_stand_in_nobodys_way() {
    let mut gathered = company();
    let gateway = serde_json::json!({"envFrom": [{"secretRef": {"name": "team"}}]});
    edit(&mut gathered, "concierge", |agent| agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap()));
    secret(&mut gathered, "team", &[("OPENCLAW_SKIP_CRON", "1"), ("OPENCLAW_GATEWAY_TOKEN", "x"), ("API_KEY", "k")]);
    let state = observed(&gathered, Some(&PodState::Ready), Some(&ConfigState::Applied));
    let (status, _) = status(&gathered.owner, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&status), words("True", "False", "False", "Ready"));
    let references = find(&status.conditions, REFERENCES_RESOLVED).unwrap();
    assert_eq!((references.status.as_str(), references.reason.as_str()), ("True", reason::VARIABLES_IGNORED));
    for part in
        ["OPENCLAW_GATEWAY_TOKEN of Secret \"team\", OPENCLAW_SKIP_CRON of Secret \"team\"", "Agent \"concierge\""]
    {
        assert!(references.message.contains(part), "{}", references.message);
    }
}

#[test]
fn the_status_is_the_same_when_nothing_changed() {
    let (mut agent, state) = state(Some(&PodState::Ready), Some(&ConfigState::Applied), |_| {});
    let (first, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now());
    agent.status = Some(first.clone());
    let (second, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now() + Duration::from_hours(1));
    assert_eq!(first, second);
}

#[test]
fn an_agent_is_ready_only_with_its_sandbox() {
    let (agent, state) = with_sandbox();
    let cases = [
        (Status::True, reason::RUNNING, words("True", "False", "False", "Ready")),
        (Status::Unknown, reason::RECREATING, words("Unknown", "True", "False", "Recreating")),
        (Status::False, reason::IMAGE_PULL_FAILED, words("False", "False", "True", "ImagePullFailed")),
    ];
    for (ready, reason, expected) in cases {
        let (status, _) = status(&agent, &GatewayLookup::On(&state), Some(&sandbox(ready, reason)), Vec::new(), now());
        assert_eq!(summary_of(&status), expected);
        assert_eq!(find(&status.conditions, SANDBOX_READY).unwrap().reason, reason);
        assert_eq!(find(&status.conditions, ISOLATION_VERIFIED).unwrap().status, "False");
    }
}

#[test]
fn a_sandbox_that_was_not_looked_at_since_the_last_edit_is_work_in_progress() {
    let (agent, state) = with_sandbox();
    let of_before =
        SandboxState { agent: SpecVersion::of(&*company().owner), ..sandbox(Status::True, reason::RUNNING) };
    let (new, _) = status(&agent, &GatewayLookup::On(&state), Some(&of_before), Vec::new(), now());
    assert_eq!(summary_of(&new), words("Unknown", "True", "False", "Pending"));
    assert_eq!(find(&new.conditions, SANDBOX_READY).unwrap().status, "Unknown");
    let mut edited = agent.clone();
    let known = sandbox(Status::True, reason::RUNNING);
    edited.status = Some(status(&agent, &GatewayLookup::On(&state), Some(&known), Vec::new(), now()).0);
    edited.metadata.generation = Some(3);
    let (edited, _) = status(&edited, &GatewayLookup::On(&state), Some(&known), Vec::new(), now());
    let told = find(&edited.conditions, SANDBOX_READY).unwrap();
    assert_eq!((told.status.as_str(), told.observed_generation), ("True", Some(2)), "it is of the spec before");
}

#[test]
fn a_restart_of_the_operator_changes_no_status() {
    let (mut agent, gateway) = with_sandbox();
    let states = [
        sandbox(Status::True, reason::RUNNING),
        sandbox(Status::Unknown, reason::STARTING),
        sandbox(Status::False, reason::POD_FAILED),
    ];
    for known in states {
        let (before, _) = status(&agent, &GatewayLookup::On(&gateway), Some(&known), Vec::new(), now());
        agent.status = Some(before.clone());
        let later = now() + Duration::from_secs(30);
        assert_eq!(status(&agent, &GatewayLookup::On(&gateway), None, Vec::new(), later).0, before);
        assert_eq!(status(&agent, &GatewayLookup::Unknown, None, Vec::new(), later).0, before);
    }
}

#[test]
fn a_sandbox_that_was_never_looked_at_is_work_in_progress() {
    let (agent, state) = with_sandbox();
    let (status, _) = status(&agent, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&status), words("Unknown", "True", "False", "Pending"));
    assert_eq!(find(&status.conditions, SANDBOX_READY).unwrap().status, "Unknown");
}

#[test]
fn an_agent_without_a_sandbox_says_nothing_of_one() {
    let (agent, state) = state(Some(&PodState::Ready), Some(&ConfigState::Applied), |_| {});
    let left_over = sandbox(Status::False, reason::POD_FAILED);
    let (status, _) = status(&agent, &GatewayLookup::On(&state), Some(&left_over), Vec::new(), now());
    assert_eq!(summary_of(&status), words("True", "False", "False", "Ready"));
    assert!(find(&status.conditions, SANDBOX_READY).is_none());
    assert!(find(&status.conditions, ISOLATION_VERIFIED).is_none());
}

#[test]
fn each_agent_tells_of_the_missing_secret_that_only_it_uses() {
    let mut gathered = company();
    edit(&mut gathered, "concierge", |agent| agent.spec.model.fallbacks.clear());
    fixtures::edit_provider(&mut gathered, "litellm", |provider| {
        provider.spec.credentials.as_mut().unwrap().secret_key_ref.name = "writers".into();
    });
    secret(&mut gathered, "writers", &[("litellm", "two")]);
    settle(&mut gathered);
    gathered.reads.insert((SourceKind::Secret, "writers".into()), Read::Missing);
    let (ready, applied) = (PodState::Ready, ConfigState::Applied);
    let state = observed(&gathered, Some(&ready), Some(&applied));
    for (agent, expected) in [(&gathered.owner, "True"), (&gathered.joined[0], "False")] {
        let (status, _) = status(agent, &GatewayLookup::On(&state), None, Vec::new(), now());
        assert_eq!(summary_of(&status), words("True", "False", "False", "Ready"));
        assert_eq!(find(&status.conditions, REFERENCES_RESOLVED).unwrap().status, expected, "{}", agent.name_any());
    }
}

#[test]
fn a_joined_agent_stalls_with_its_gateway_when_that_lacks_something_for_long() {
    let mut gathered = company();
    let gateway = serde_json::json!({"envFrom": [{"secretRef": {"name": "gone"}}]});
    edit(&mut gathered, "concierge", |agent| agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap()));
    let state = observed(&gathered, None, None);
    let mut writer = Agent::clone(&gathered.joined[0]);
    let (first, _) = status(&writer, &GatewayLookup::On(&state), None, Vec::new(), now());
    assert_eq!(summary_of(&first), words("Unknown", "True", "False", "SecretNotFound"));
    writer.status = Some(first);
    let (second, _) = status(&writer, &GatewayLookup::On(&state), None, Vec::new(), now() + Duration::from_secs(121));
    assert_eq!(summary_of(&second), words("False", "False", "True", "SecretNotFound"));
}

#[test]
fn what_is_left_of_a_deleted_agent_of_the_same_name_is_waited_for() {
    let (agent, mut state) = state(None, None, |_| {});
    let fault = Fault { reason: reason::BEING_DELETED, message: "waiting".into(), carried: false };
    let waits = words("Unknown", "True", "False", "BeingDeleted");
    let told = |place: &GatewayLookup<'_>| summary_of(&status(&agent, place, None, Vec::new(), now()).0);
    assert_eq!(told(&GatewayLookup::Blocked(fault.clone())), waits);
    state.fault = Some(fault);
    assert_eq!(told(&GatewayLookup::On(&state)), waits);
}

#[test]
fn the_model_profile_in_use_is_shown_with_the_time_of_the_switch() {
    let profiles = serde_json::json!([{"name": "large", "primary": {"provider": "openai", "model": "gpt-4o"}}]);
    let with_profiles = |agent: &mut Agent| {
        agent.spec.model_profiles = serde_json::from_value(profiles).unwrap();
        agent.spec.active_model_profile = Some("large".into());
    };
    let (mut agent, state) = state(Some(&PodState::Ready), Some(&ConfigState::Applied), with_profiles);
    let seen = |agent: &Agent, now| status(agent, &GatewayLookup::On(&state), None, Vec::new(), now).0;
    let shown = |status: &AgentStatus| {
        let profile = status.active_model_profile.clone();
        (status.model.clone().unwrap(), profile.map(|profile| (profile.name, profile.since.0)))
    };
    let later = now() + jiff::SignedDuration::from_secs(60);
    agent.status = Some(seen(&agent, now()));
    assert_eq!(shown(&seen(&agent, later)), ("openai/gpt-4o".into(), Some(("large".into(), now()))));
    agent.spec.active_model_profile = None;
    assert_eq!(shown(&seen(&agent, later)), ("openai/gpt-4o-mini".into(), None));
}
