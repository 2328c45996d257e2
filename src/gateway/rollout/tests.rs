use super::*;
use crate::gateway::build::deployment;
use crate::gateway::fixtures::{company, edit, plan, settings, settle};
use crate::gateway::gather::Gathered;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// A gateway whose Pod runs as planned.
fn settled() -> Gathered {
    let mut gathered = company();
    settle(&mut gathered);
    gathered
}

/// The decision, with these changes to what it depends on.
fn decision(gathered: &Gathered, change: impl FnOnce(&mut Inputs<'_>)) -> Decision {
    let pod = plan(gathered).pod.unwrap();
    let rendering = deployment::rendering(&gathered.owner, &pod, &settings().shell_image);
    let mut inputs = Inputs {
        live: &gathered.live,
        pod: &pod,
        rendering: &rendering,
        suspended: gathered.owner.spec.suspend,
        started: None,
        wait: None,
        edited: false,
        now: now(),
    };
    change(&mut inputs);
    decide(inputs)
}

fn restart(gathered: &mut Gathered) {
    edit(gathered, "concierge", |agent| {
        agent.metadata.annotations = Some([(naming::RESTART.to_owned(), "1".to_owned())].into());
    });
}

fn in_place() -> Decision {
    Decision::Apply { replaces_pod: false, rollout: None }
}

#[test]
fn a_gateway_that_does_not_exist_yet_is_applied_at_once() {
    assert_eq!(decision(&company(), |_| {}), in_place());
}

#[test]
fn a_gateway_that_runs_as_planned_is_applied_in_place() {
    assert_eq!(decision(&settled(), |_| {}), in_place());
}

#[test]
fn a_change_of_the_pod_waits_for_others_and_then_says_why() {
    let mut gathered = settled();
    restart(&mut gathered);
    let wait = Duration::from_millis(200);
    assert_eq!(decision(&gathered, |inputs| inputs.wait = Some(wait)), Decision::Wait(wait));
    let Decision::Apply { replaces_pod: true, rollout: Some(rollout) } = decision(&gathered, |_| {}) else {
        panic!("the Pod is not replaced")
    };
    assert_eq!(rollout.reason, "the annotation creel.dev/restart changed");
    assert_eq!(rollout.time.0, now());
}

#[test]
fn while_the_cache_is_late_the_rollout_stays_the_one_that_was_started() {
    let mut gathered = settled();
    restart(&mut gathered);
    let started = Rollout { reason: "a Secret changed".into(), time: Time(now() - Duration::from_secs(9)) };
    let again = decision(&gathered, |inputs| inputs.started = Some(started.clone()));
    assert_eq!(again, Decision::Apply { replaces_pod: true, rollout: Some(started) });
}

#[test]
fn a_newer_rendering_alone_replaces_no_running_pod() {
    assert_eq!(decision(&settled(), |inputs| inputs.rendering = "newer"), Decision::Outdated);
}

#[test]
fn a_newer_rendering_goes_along_with_a_change_of_the_plan() {
    let mut gathered = settled();
    restart(&mut gathered);
    let decision = decision(&gathered, |inputs| inputs.rendering = "newer");
    assert!(matches!(decision, Decision::Apply { replaces_pod: true, .. }), "{decision:?}");
}

#[test]
fn a_suspended_gateway_takes_up_a_newer_rendering() {
    let newer = |inputs: &mut Inputs<'_>| (inputs.rendering, inputs.suspended) = ("newer", true);
    assert_eq!(decision(&settled(), newer), in_place());
}

#[test]
fn a_deployment_edited_by_hand_is_not_left_outdated() {
    let edited = |inputs: &mut Inputs<'_>| (inputs.rendering, inputs.edited) = ("newer", true);
    assert_eq!(decision(&settled(), edited), in_place());
}
