use k8s_openapi::api::core::v1::PodStatus;
use serde_json::{Value, json};

use super::*;
use crate::api::sandbox::{Rotation, WorkspaceAccess};
use crate::sandbox::fixtures::{self, edit_owner, edit_pod, edit_sandbox, gateway_on, office, run, secret};
use crate::sandbox::step::decide;
use crate::sandbox::validate::validate;

const NOW: &str = "2026-01-01T00:00:00Z";

fn state_with(gathered: &Gathered, applied: &Applied) -> SandboxState {
    let verdict = validate(gathered);
    let wanted = verdict.plan.as_ref().map(|plan| fixtures::pod(gathered, plan));
    let decision = decide(gathered, wanted.as_ref().map_err(|blocked| *blocked), NOW.parse().unwrap());
    let found = Reconciled { gathered, verdict: &verdict, decision: &decision, applied };
    state(&found, None, false, NOW.parse().unwrap())
}

fn ready(gathered: &Gathered) -> (Status, &'static str, String) {
    let ready = state_with(gathered, &Applied::default()).ready;
    (ready.status, ready.reason, ready.message)
}

fn running() -> Gathered {
    let mut office = office();
    run(&mut office);
    office
}

fn with_status(status: Value) -> Gathered {
    let mut office = running();
    edit_pod(&mut office, |pod| pod.status = Some(serde_json::from_value::<PodStatus>(status).unwrap()));
    office
}

fn with_container(state: &Value) -> Gathered {
    let mut container = json!({"name": "shell", "image": "", "imageID": "", "ready": false, "restartCount": 0});
    container.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
    with_status(json!({"containerStatuses": [container]}))
}

#[test]
fn a_pod_that_is_ready_runs_commands() {
    let (status, reason, _) = ready(&running());
    assert_eq!((status, reason), (Status::True, reason::RUNNING));
}

#[test]
fn starts_are_unknown_and_say_what_they_wait_for() {
    let mut office = office();
    assert_eq!(ready(&office).0, Status::Unknown);
    gateway_on(&mut office, None);
    let (status, reason, _) = ready(&office);
    assert_eq!((status, reason), (Status::Unknown, reason::WAITING_FOR_GATEWAY));
    assert_eq!(ready(&with_status(json!({"phase": "Pending"}))).1, reason::STARTING);
    let unschedulable = json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]});
    let (status, reason, message) = ready(&with_status(unschedulable));
    assert_eq!((status, reason), (Status::Unknown, reason::UNSCHEDULABLE));
    assert!(message.contains("0/3 nodes"), "{message}");
}

#[test]
fn real_faults_are_told_in_the_words_of_whoever_found_them() {
    let pull = with_container(&json!({"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}));
    let (status, reason, message) = ready(&pull);
    assert_eq!((status, reason), (Status::False, reason::IMAGE_PULL_FAILED));
    assert!(message.contains("not found"), "{message}");
    let crash = with_container(&json!({
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "message": "no such file\n"}}
    }));
    let (status, reason, message) = ready(&crash);
    assert_eq!((status, reason), (Status::False, reason::POD_FAILED));
    assert!(message.ends_with("exited with code 1: no such file"), "{message}");
}

#[test]
fn a_silent_node_is_named_and_nothing_else_is_done() {
    let silent = with_container(&json!({"ready": true, "state": {"running": {}}}));
    let (status, reason, message) = ready(&silent);
    assert_eq!((status, reason), (Status::False, reason::NODE_LOST));
    assert!(message.contains("node \"one\""), "{message}");
    let mut leaving = running();
    edit_pod(&mut leaving, |pod| {
        pod.metadata.deletion_timestamp = serde_json::from_str("\"2025-12-31T23:59:45Z\"").unwrap();
    });
    assert_eq!(ready(&leaving).1, reason::RECREATING);
    edit_pod(&mut leaving, |pod| {
        pod.metadata.deletion_timestamp = serde_json::from_str("\"2025-12-31T23:59:15Z\"").unwrap();
    });
    assert_eq!(ready(&leaving).1, reason::NODE_LOST);
}

#[test]
fn what_is_pending_is_told_while_rotation_puts_it_off() {
    let mut office = running();
    secret(&mut office, "gitea", &[("token", "new")]);
    assert_eq!(state_with(&office, &Applied::default()).pending, "");
    for rotation in [Rotation::WhenIdle, Rotation::OnDelete] {
        edit_sandbox(&mut office, |sandbox| sandbox.spec.rotation = rotation);
        let state = state_with(&office, &Applied::default());
        assert_eq!(state.pending, "Secret \"gitea\" key \"token\" changed");
        assert_eq!(state.ready.status, Status::True);
    }
}

#[test]
fn the_access_is_that_of_the_pod_that_runs() {
    let mut office = running();
    office.used.workspace_access = Some(WorkspaceAccess::None);
    assert_eq!(state_with(&office, &Applied::default()).access, WorkspaceAccess::Rw);
    office.live.pod = None;
    assert_eq!(state_with(&office, &Applied::default()).access, WorkspaceAccess::None);
}

#[test]
fn a_deleted_sandbox_is_a_fault_though_its_pod_runs() {
    let mut office = running();
    office.sandbox = None;
    let (status, reason, message) = ready(&office);
    assert_eq!((status, reason), (Status::False, reason::SANDBOX_NOT_FOUND));
    assert!(message.ends_with("its Pod keeps running"), "{message}");
}

#[test]
fn a_sandbox_rests_with_its_gateway() {
    let mut office = running();
    edit_owner(&mut office, |owner| owner.spec.suspend = true);
    let (status, reason, _) = ready(&office);
    assert_eq!((status, reason), (Status::Unknown, reason::SUSPENDED));
}

#[test]
fn a_secret_that_went_away_is_told_of_a_sandbox_that_runs() {
    let mut office = running();
    office.reads.clear();
    let (status, _, message) = ready(&office);
    assert_eq!(status, Status::True);
    assert!(message.contains("Secret \"gitea\" does not exist"), "{message}");
}

#[test]
fn a_pod_that_ends_again_and_again_is_a_fault() {
    let ended = with_status(json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}));
    assert_eq!(ready(&ended).1, reason::RECREATING);
    let applied = Applied { replaced_in: Some(Duration::from_secs(2)), ..Applied::default() };
    let ready = state_with(&ended, &applied).ready;
    assert_eq!((ready.status, ready.reason), (Status::False, reason::POD_FAILED));
    assert!(ready.message.contains("Failed Evicted low on memory"), "{}", ready.message);
}

#[test]
fn a_change_that_is_refused_is_told_while_commands_run() {
    let mut office = running();
    edit_sandbox(&mut office, |sandbox| sandbox.spec.runtime_class_name = Some("gvisro".into()));
    let words = "Pod \"writer-sandbox\": pod rejected: RuntimeClass \"gvisro\" not found (403)";
    let refused = Some(Refusal { words: words.into(), again_in: Duration::from_secs(2) });
    let applied = Applied { refused, ..Applied::default() };
    let state = state_with(&office, &applied);
    assert_eq!((state.ready.status, state.ready.reason), (Status::True, reason::REPLACEMENT_REJECTED));
    for part in [words, "spec.runtimeClassName changed", "Correct Sandbox \"default\""] {
        assert!(state.ready.message.contains(part), "{}", state.ready.message);
    }
    assert_eq!(state.pending, "spec.runtimeClassName changed");
    edit_pod(&mut office, |pod| pod.status = None);
    let state = state_with(&office, &applied);
    assert_eq!((state.ready.status, state.ready.reason), (Status::Unknown, reason::STARTING));
    assert!(state.ready.message.contains(words), "{}", state.ready.message);
}

#[test]
fn a_replacement_that_could_not_mount_something_is_told_with_what_is_missing() {
    let mut office = running();
    office.mounted.faults =
        vec![Fault { reason: reason::CLAIM_NOT_FOUND, message: "\"nas\" is missing".into(), carried: true }];
    let (status, reason, message) = ready(&office);
    assert_eq!((status, reason), (Status::True, reason::RUNNING));
    assert!(message.contains("although \"nas\" is missing"), "{message}");
    edit_sandbox(&mut office, |sandbox| sandbox.spec.image = "debian:12".into());
    let (status, reason, message) = ready(&office);
    assert_eq!((status, reason), (Status::False, reason::CLAIM_NOT_FOUND));
    assert!(message.contains("not replaced (spec.image changed) and keeps running"), "{message}");
    let pending = state_with(&office, &Applied::default()).pending;
    assert_eq!(pending, "spec.image changed");
}

#[test]
fn a_home_that_cannot_follow_is_told_though_commands_run() {
    let rejected_home = Some(Fault { reason: reason::CLAIM_CHANGE_REJECTED, message: "no".into(), carried: false });
    let ready = state_with(&running(), &Applied { rejected_home, ..Applied::default() }).ready;
    assert_eq!((ready.status, ready.reason), (Status::True, reason::CLAIM_CHANGE_REJECTED));
}
