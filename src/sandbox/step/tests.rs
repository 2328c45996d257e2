use std::sync::Arc;

use super::*;
use crate::api::sandbox::{Egress, WorkspaceAccess};
use crate::kubernetes::conditions::reason;
use crate::kubernetes::observed::Observed;
use crate::naming::{SANDBOX_NAME, SandboxNames};
use crate::sandbox::fixtures::{self, edit_owner, edit_pod, edit_sandbox, office, run, secret};
use crate::sandbox::gather::Found;
use crate::sandbox::validate::validate;

const NOW: &str = "2026-01-01T12:00:00Z";

fn decision(gathered: &Gathered) -> Decision {
    let verdict = validate(gathered);
    let wanted = verdict.plan.as_ref().map(|plan| fixtures::pod(gathered, plan));
    decide(gathered, wanted.as_ref().map_err(|blocked| *blocked), NOW.parse().unwrap())
}

fn step(gathered: &Gathered) -> Step {
    decision(gathered).step
}

fn running() -> Gathered {
    let mut office = office();
    run(&mut office);
    office
}

#[test]
fn a_pod_is_made_once_the_gateway_has_a_node() {
    let mut office = office();
    assert_eq!(step(&office), Step::Create);
    fixtures::gateway_on(&mut office, None);
    assert_eq!(step(&office), Step::AwaitGateway);
    office.gateway = None;
    assert_eq!(step(&office), Step::AwaitGateway);
}

#[test]
fn without_a_workspace_or_with_a_claim_for_many_nodes_nothing_waits() {
    let mut none = office();
    none.gateway = None;
    none.used.workspace_access = Some(WorkspaceAccess::None);
    assert_eq!(step(&none), Step::Create);
    let mut many = office();
    many.gateway = None;
    many.access_modes = Found::Here(vec!["ReadWriteMany".into()]);
    assert_eq!(step(&many), Step::Create);
}

#[test]
fn a_pod_that_is_as_it_should_be_is_left_alone() {
    assert_eq!(decision(&running()), Decision { step: Step::Stay, changes: Vec::new(), gives_way: false, held: None });
}

#[test]
fn the_sandbox_leaves_the_node_that_its_gateway_has_left() {
    let mut office = running();
    fixtures::gateway_on(&mut office, Some("other"));
    assert_eq!(step(&office), Step::Delete(Why::GatewayMoved));
    fixtures::gateway_on(&mut office, None);
    assert_eq!(step(&office), Step::Stay, "the next gateway has no node yet");
    office.gateway = None;
    assert_eq!(step(&office), Step::Stay);
}

#[test]
fn a_sandbox_without_a_workspace_stays_where_it_is() {
    let mut office = office();
    office.used.workspace_access = Some(WorkspaceAccess::None);
    run(&mut office);
    fixtures::gateway_on(&mut office, Some("other"));
    assert_eq!(step(&office), Step::Stay);
}

#[test]
fn a_deleted_sandbox_still_follows_its_gateway_and_else_runs_on() {
    let mut office = running();
    office.sandbox = None;
    assert_eq!(step(&office), Step::Stay);
    office.used.workspace_access = Some(WorkspaceAccess::Rw);
    fixtures::gateway_on(&mut office, Some("other"));
    assert_eq!(step(&office), Step::Delete(Why::GatewayMoved));
}

#[test]
fn a_suspended_owner_stops_the_pod() {
    let mut office = running();
    edit_owner(&mut office, |owner| owner.spec.suspend = true);
    assert_eq!(step(&office), Step::Delete(Why::Stopped));
}

#[test]
fn a_pod_that_ended_makes_way_for_another() {
    let mut office = running();
    for phase in ["Failed", "Succeeded"] {
        edit_pod(&mut office, |pod| pod.status.as_mut().unwrap().phase = Some(phase.into()));
        assert_eq!(step(&office), Step::Delete(Why::Ended));
    }
    office.sandbox = None;
    assert_eq!(step(&office), Step::Stay, "nothing could take its place");
}

#[test]
fn a_pod_on_its_way_out_is_waited_for() {
    let mut office = running();
    edit_pod(&mut office, |pod| {
        pod.metadata.deletion_timestamp = serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap();
    });
    edit_sandbox(&mut office, |sandbox| sandbox.spec.image = "debian:12".into());
    assert_eq!(step(&office), Step::Stay);
}

/// Makes the Pod drain since then.
fn drain(office: &mut Gathered, since: &str) {
    edit_pod(office, |pod| {
        let drain = [(DRAIN, "true"), (DRAIN_SINCE, since)].map(|(name, value)| (name.into(), value.into()));
        pod.annotations_mut().extend(drain);
    });
}

#[test]
fn rotation_decides_what_a_change_does() {
    let mut office = running();
    secret(&mut office, "gitea", &[("token", "new")]);
    let changed = |step, gives_way| {
        let changes = vec!["Secret \"gitea\" key \"token\" changed".to_owned()];
        Decision { step, changes, gives_way, held: None }
    };
    assert_eq!(decision(&office), changed(Step::Delete(Why::Changed), true));
    edit_sandbox(&mut office, |sandbox| sandbox.spec.rotation = Rotation::WhenIdle);
    assert_eq!(decision(&office), changed(Step::Drain, true));
    drain(&mut office, "2026-01-01T11:30:00Z");
    assert_eq!(decision(&office), changed(Step::Stay, true));
    edit_sandbox(&mut office, |sandbox| sandbox.spec.rotation = Rotation::OnDelete);
    assert_eq!(decision(&office), changed(Step::Undrain, false));
    edit_pod(&mut office, |pod| {
        pod.annotations_mut().remove(DRAIN);
    });
    assert_eq!(decision(&office), changed(Step::Stay, false));
}

#[test]
fn a_command_that_does_not_end_puts_a_replacement_off_for_an_hour() {
    let mut office = running();
    secret(&mut office, "gitea", &[("token", "new")]);
    edit_sandbox(&mut office, |sandbox| sandbox.spec.rotation = Rotation::WhenIdle);
    drain(&mut office, "2026-01-01T11:00:01Z");
    assert_eq!(step(&office), Step::Stay);
    drain(&mut office, "2026-01-01T11:00:00Z");
    assert_eq!((step(&office), decision(&office).gives_way), (Step::Delete(Why::Changed), true));
}

#[test]
fn a_pod_that_drains_since_nobody_knows_when_begins_to_drain_now() {
    let mut office = running();
    secret(&mut office, "gitea", &[("token", "new")]);
    edit_sandbox(&mut office, |sandbox| sandbox.spec.rotation = Rotation::WhenIdle);
    for since in ["2026-01-01T12:00:01Z", "for ever"] {
        drain(&mut office, since);
        assert_eq!(step(&office), Step::Drain, "{since}");
    }
    edit_pod(&mut office, |pod| {
        pod.annotations_mut().remove(DRAIN_SINCE);
    });
    assert_eq!(step(&office), Step::Drain, "an earlier version of Creel told it to");
}

#[test]
fn a_narrower_access_or_a_withdrawn_secret_waits_for_no_command_and_no_trial() {
    for rotation in [Rotation::Recreate, Rotation::WhenIdle, Rotation::OnDelete] {
        let mut office = running();
        edit_sandbox(&mut office, |sandbox| sandbox.spec.rotation = rotation);
        let mut narrower = office;
        narrower.used.workspace_access = Some(WorkspaceAccess::Ro);
        let mut withdrawn = running();
        edit_sandbox(&mut withdrawn, |sandbox| {
            sandbox.spec.rotation = rotation;
            sandbox.spec.env.clear();
        });
        for office in [narrower, withdrawn] {
            assert_eq!(
                (step(&office), decision(&office).gives_way),
                (Step::Delete(Why::Narrowed), false),
                "{rotation:?}"
            );
        }
    }
}

#[test]
fn a_wider_access_and_one_more_secret_wait_as_any_change() {
    let mut office = office();
    office.used.workspace_access = Some(WorkspaceAccess::Ro);
    run(&mut office);
    office.used.workspace_access = Some(WorkspaceAccess::Rw);
    edit_sandbox(&mut office, |sandbox| {
        sandbox.spec.rotation = Rotation::WhenIdle;
        let more = "[{name: MORE, valueFrom: {secretKeyRef: {name: gitea, key: more}}}]";
        sandbox.spec.env.extend(serde_yaml::from_str::<Vec<_>>(more).unwrap());
    });
    secret(&mut office, "gitea", &[("token", "one"), ("more", "two")]);
    assert_eq!(step(&office), Step::Drain);
}

#[test]
fn a_narrower_network_waits_for_nothing() {
    let mut office = office();
    edit_sandbox(&mut office, |sandbox| {
        sandbox.spec.rotation = Rotation::WhenIdle;
        sandbox.spec.network.egress = Egress::All;
    });
    run(&mut office);
    drain(&mut office, "2026-01-01T11:30:00Z");
    edit_sandbox(&mut office, |sandbox| {
        sandbox.spec.image = "debian:12".into();
        sandbox.spec.network.egress = Egress::None;
    });
    assert_eq!((step(&office), office.network().unwrap().egress), (Step::Stay, Egress::None));
}

#[test]
fn a_pod_that_is_kept_is_not_told_to_end_and_keeps_what_selects_it() {
    let mut office = running();
    let wanted = fixtures::pod(&office, &fixtures::plan(&office));
    let kept = |office: &Gathered| keep(office.live.pod.as_ref().unwrap(), &wanted);
    assert_eq!(kept(&office), Step::Stay);
    edit_pod(&mut office, |pod| _ = pod.labels_mut().remove("creel.dev/agent"));
    assert!(matches!(kept(&office), Step::Restore { labels, .. } if labels.contains_key("creel.dev/agent")));
    drain(&mut office, NOW);
    assert_eq!(kept(&office), Step::Undrain);
}

#[test]
fn a_change_that_is_taken_back_calls_the_drain_off() {
    let mut office = running();
    edit_sandbox(&mut office, |sandbox| sandbox.spec.rotation = Rotation::WhenIdle);
    edit_pod(&mut office, |pod| {
        pod.annotations_mut().insert(DRAIN.into(), "true".into());
    });
    assert_eq!(step(&office), Step::Undrain);
}

#[test]
fn a_pod_whose_shell_does_not_run_is_not_waited_for() {
    let mut office = running();
    secret(&mut office, "gitea", &[("token", "new")]);
    edit_sandbox(&mut office, |sandbox| sandbox.spec.rotation = Rotation::WhenIdle);
    edit_pod(&mut office, |pod| pod.status = None);
    assert_eq!(step(&office), Step::Delete(Why::Changed));
}

#[test]
fn a_pod_never_gets_the_network_of_another_sandbox_than_it_was_made_from() {
    let mut office = running();
    edit_sandbox(&mut office, |sandbox| sandbox.spec.network.egress = Egress::All);
    assert_eq!(office.network().unwrap().egress, Egress::All);
    edit_pod(&mut office, |pod| {
        pod.annotations_mut().insert(SANDBOX_NAME.into(), "another".into());
    });
    assert_eq!(office.network().unwrap().egress, Egress::None);
}

#[test]
fn a_pod_that_outlives_its_sandbox_does_not_outlive_its_policy() {
    let mut office = running();
    office.sandbox = None;
    office.live.network_policy = None;
    assert_eq!(office.network().unwrap().egress, Egress::None);
}

#[test]
fn the_policy_of_a_pod_that_outlives_its_sandbox_closes_when_it_is_edited() {
    let mut office = running();
    let policy = crate::sandbox::build::network_policy::build(
        &office.agent,
        &SandboxNames::of("writer"),
        "concierge",
        &office.network().unwrap(),
        &[],
    );
    office.live.network_policy = Some(Arc::new(Observed::new(policy, SANDBOX_MANAGER)));
    office.sandbox = None;
    assert_eq!(office.network(), None, "it stays as it is");
    office.live.policy_edited = true;
    assert_eq!(office.network().unwrap().egress, Egress::None);
}

#[test]
fn another_access_changes_the_pod() {
    let mut office = running();
    office.used.workspace_access = Some(WorkspaceAccess::Ro);
    let changes = vec!["the workspace access changed".to_owned()];
    assert_eq!(
        decision(&office),
        Decision { step: Step::Delete(Why::Narrowed), changes, gives_way: false, held: None }
    );
}

#[test]
fn a_pod_that_its_gateway_cannot_enter_is_replaced_whatever_the_rotation() {
    let mut office = running();
    edit_sandbox(&mut office, |sandbox| sandbox.spec.rotation = Rotation::OnDelete);
    office.client_key = Found::Here("ssh-ed25519 OTHER".into());
    assert_eq!(step(&office), Step::Delete(Why::Changed));
}

#[test]
fn a_newer_rendering_or_another_network_touches_no_pod() {
    let mut office = running();
    edit_pod(&mut office, |pod| {
        pod.annotations_mut().insert(RENDERING.into(), "of an older version".into());
        pod.spec.as_mut().unwrap().init_containers.as_mut().unwrap()[0].image = Some("creel:older".into());
    });
    edit_sandbox(&mut office, |sandbox| sandbox.spec.network.egress = Egress::All);
    assert_eq!(step(&office), Step::Stay);
}

#[test]
fn an_image_edited_by_hand_makes_way_for_the_right_one() {
    for container in [0, 3] {
        let mut office = running();
        edit_pod(&mut office, |pod| fixtures::set_image_by_hand(pod, container, "evil:1"));
        assert_eq!((step(&office), decision(&office).gives_way), (Step::Delete(Why::Edited), true));
    }
}

#[test]
fn an_image_that_admission_rewrote_at_the_creation_is_left_alone() {
    let mut office = running();
    edit_pod(&mut office, |pod| {
        let spec = pod.spec.as_mut().unwrap();
        for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
            container.image = Some(format!("mirror.example.com/{}@sha256:0", container.image.clone().unwrap()));
        }
    });
    assert_eq!(step(&office), Step::Stay);
    edit_pod(&mut office, |pod| fixtures::set_image_by_hand(pod, 3, "evil:1"));
    assert_eq!(step(&office), Step::Delete(Why::Edited), "what somebody sets later is another matter");
}

#[test]
fn an_image_that_somebody_put_back_is_left_alone() {
    let mut office = running();
    let image = "docker.io/library/python:3.13-slim-bookworm";
    edit_pod(&mut office, |pod| fixtures::set_image_by_hand(pod, 3, image));
    assert_eq!(step(&office), Step::Stay);
}

#[test]
fn labels_and_annotations_of_ours_come_back_and_those_of_others_stay() {
    let mut office = running();
    edit_pod(&mut office, |pod| {
        pod.labels_mut().insert("creel.dev/agent".into(), "spy".into());
        pod.labels_mut().insert("team".into(), "a".into());
        pod.annotations_mut().remove("creel.dev/sandbox");
    });
    let Step::Restore { labels, annotations } = step(&office) else { unreachable!() };
    assert_eq!(labels, BTreeMap::from([("creel.dev/agent".into(), "writer".into())]));
    assert_eq!(annotations, BTreeMap::from([("creel.dev/sandbox".into(), "default".into())]));
}

fn claim_is_missing() -> Fault {
    Fault { reason: reason::CLAIM_NOT_FOUND, message: "create it".to_owned(), carried: true }
}

#[test]
fn a_pod_stays_while_the_next_one_could_not_mount_something_and_says_so() {
    for rotation in [Rotation::Recreate, Rotation::WhenIdle] {
        let mut office = running();
        office.mounted.faults = vec![claim_is_missing()];
        assert_eq!(decision(&office).held, None, "nothing is to be replaced");
        edit_sandbox(&mut office, |sandbox| {
            sandbox.spec.rotation = rotation;
            sandbox.spec.image = "debian:12".into();
        });
        let held = decision(&office);
        assert_eq!((held.step, held.gives_way, held.held), (Step::Stay, false, Some(claim_is_missing())));
        assert_eq!(held.changes, ["spec.image changed"]);
    }
}

#[test]
fn what_is_taken_away_is_taken_away_whatever_is_missing_and_whatever_the_rotation() {
    for taken in ["files", "volumes", "serviceAccountName"] {
        let mut office = office();
        edit_sandbox(&mut office, |sandbox| {
            let spec = include_str!("../plan/full_spec.yaml");
            sandbox.spec = serde_yaml::from_str(spec).unwrap();
            (sandbox.spec.env, sandbox.spec.env_from) = (Vec::new(), Vec::new());
            sandbox.spec.rotation = Rotation::OnDelete;
        });
        run(&mut office);
        office.mounted.faults = vec![claim_is_missing()];
        edit_sandbox(&mut office, |sandbox| match taken {
            "files" => sandbox.spec.files.clear(),
            "volumes" => sandbox.spec.volumes[1].read_only = true,
            _ => sandbox.spec.service_account_name = None,
        });
        assert_eq!(step(&office), Step::Delete(Why::Narrowed), "{taken}");
    }
}

#[test]
fn the_kubelet_is_told_of_new_files_by_an_annotation() {
    let mut office = office();
    edit_sandbox(&mut office, |sandbox| {
        let files = r#"[{"mountPath": "/data/x", "secretRef": {"name": "login"}}]"#;
        sandbox.spec.files = serde_json::from_str(files).unwrap();
    });
    office.mounted.version = Some("one".to_owned());
    run(&mut office);
    assert_eq!(step(&office), Step::Stay);
    office.mounted.version = Some("two".to_owned());
    let annotations = [("creel.dev/files".to_owned(), "two".to_owned())].into();
    assert_eq!(step(&office), Step::Restore { labels: BTreeMap::new(), annotations });
}
