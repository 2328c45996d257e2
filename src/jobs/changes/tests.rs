use serde_json::{Value, json};

use super::*;
use crate::declarations::fixtures::{at, cron_job, scope};
use crate::declarations::validate::validate;
use crate::openclaw::cron::job::listed;

const NOW: &str = "2026-01-01T00:00:00Z";
const KEY: &str = "k8s:assistants/notes";

fn declaration(spec: &str) -> Declaration {
    validate(&cron_job("notes", spec), &scope(), at(NOW)).unwrap()
}

fn wanted() -> Wanted {
    Wanted {
        declaration: Some(declaration("{every: 10m}")),
        enabled: true,
        paused: false,
        agent_known: true,
        over: false,
    }
}

/// The job as the gateway lists it, with some members changed.
fn job(wanted: &Wanted, change: &Value) -> Job {
    let mut job = wanted.declaration.as_ref().unwrap().parameters(Some(true));
    job["id"] = json!("the-id");
    job["state"] = json!({"nextRunAtMs": at("2026-01-01T00:05:00Z").as_millisecond()});
    for (name, value) in change.as_object().unwrap() {
        job[name] = value.clone();
    }
    listed(&job).unwrap()
}

fn sent(wanted: &Wanted, jobs: &[Job]) -> Vec<Change> {
    let wanted = BTreeMap::from([(KEY, wanted)]);
    changes(&wanted, jobs).into_iter().map(|(_, change)| change).collect()
}

fn declare(wanted: &Wanted, enabled: Option<bool>) -> Change {
    Change::Declare { declaration: Box::new(wanted.declaration.clone().unwrap()), enabled }
}

#[test]
fn a_job_that_is_lost_is_declared_again_and_one_that_is_held_costs_nothing() {
    let wanted = wanted();
    assert_eq!(sent(&wanted, &[]), [declare(&wanted, Some(true))]);
    assert_eq!(sent(&wanted, &[job(&wanted, &json!({}))]), []);
}

#[test]
fn jobs_of_ours_without_a_cron_job_go_and_jobs_of_others_stay() {
    let wanted = wanted();
    let foreign = json!({"id": "foreign", "declarationKey": "heartbeat:writer"});
    let of_an_agent = json!({"id": "of-an-agent", "declarationKey": null});
    let left_over = json!({"id": "left-over", "declarationKey": "k8s:assistants/gone"});
    let jobs: Vec<Job> =
        [json!({}), foreign, of_an_agent, left_over].iter().map(|change| job(&wanted, change)).collect();
    assert_eq!(sent(&wanted, &jobs), [Change::Remove { id: "left-over".into() }]);
}

#[test]
fn of_two_jobs_of_one_key_the_one_of_the_wrong_agent_goes() {
    let wanted = wanted();
    let jobs = [job(&wanted, &json!({"id": "other", "agentId": "other"})), job(&wanted, &json!({}))];
    assert_eq!(sent(&wanted, &jobs), [Change::Remove { id: "other".into() }]);
}

#[test]
fn a_job_that_moves_to_another_agent_keeps_its_id() {
    let wanted = wanted();
    let give = Change::Amend { id: "the-id".into(), patch: json!({"agentId": "writer"}) };
    assert_eq!(sent(&wanted, &[job(&wanted, &json!({"agentId": "other"}))]), [give]);
}

#[test]
fn a_job_of_an_earlier_release_is_declared_once_and_needs_no_amendment() {
    let wanted = wanted();
    let earlier = json!({"description": "(uid-of-n, generation 3)", "displayName": null});
    assert_eq!(sent(&wanted, &[job(&wanted, &earlier)]), [declare(&wanted, None)]);
}

#[test]
fn an_edit_by_hand_is_undone() {
    let wanted = wanted();
    let renamed = Change::Amend { id: "the-id".into(), patch: json!({"name": "notes"}) };
    assert_eq!(sent(&wanted, &[job(&wanted, &json!({"name": "mine"}))]), [renamed]);
    assert_eq!(sent(&wanted, &[job(&wanted, &json!({"payload": {"kind": "agentTurn"}}))]), [declare(&wanted, None)]);
    assert_eq!(sent(&wanted, &[job(&wanted, &json!({"enabled": false}))]), [declare(&wanted, Some(true))]);
}

#[test]
fn a_job_that_the_gateway_stopped_is_resumed_by_an_edit_of_the_cron_job_only() {
    let wanted = wanted();
    let stopped = json!({"enabled": false, "state": {
        "autoDisabled": {"reason": "consecutive-failures", "atMs": 1, "consecutiveErrors": 10}}});
    assert_eq!(sent(&wanted, &[job(&wanted, &stopped)]), []);
    let mut edited = stopped.clone();
    edited["displayName"] = json!("notes (uid-of-n, generation 2)");
    assert_eq!(sent(&wanted, &[job(&wanted, &edited)]), [declare(&wanted, Some(true))]);
    let mut by_an_earlier_creel = stopped.clone();
    by_an_earlier_creel["displayName"] = Value::Null;
    assert_eq!(sent(&wanted, &[job(&wanted, &by_an_earlier_creel)]), [declare(&wanted, None)]);
    let mut by_hand = stopped;
    by_hand["payload"] = json!({"kind": "agentTurn"});
    assert_eq!(sent(&wanted, &[job(&wanted, &by_hand)]), [declare(&wanted, None)]);
}

#[test]
fn a_suspended_job_is_stopped_and_stays() {
    let wanted = Wanted { enabled: false, ..wanted() };
    assert_eq!(sent(&wanted, &[job(&wanted, &json!({}))]), [declare(&wanted, Some(false))]);
    assert_eq!(sent(&wanted, &[job(&wanted, &json!({"enabled": false}))]), []);
}

#[test]
fn a_run_in_progress_is_not_cut_off_by_a_suspension() {
    let wanted = Wanted { enabled: false, ..wanted() };
    assert_eq!(sent(&wanted, &[job(&wanted, &json!({"state": {"runningAtMs": 1}}))]), []);
}

#[test]
fn a_faulty_edit_leaves_what_runs_and_a_suspended_one_stops_it() {
    let faulty = Wanted { declaration: None, ..wanted() };
    assert_eq!(sent(&faulty, &[job(&wanted(), &json!({}))]), []);
    let suspended = Wanted { enabled: false, ..faulty };
    assert_eq!(sent(&suspended, &[job(&wanted(), &json!({}))]), [Change::Disable { id: "the-id".into() }]);
}

#[test]
fn a_job_of_an_agent_that_the_gateway_does_not_know_rests() {
    let unknown = Wanted { agent_known: false, ..wanted() };
    assert_eq!(sent(&unknown, &[]), []);
    assert_eq!(sent(&unknown, &[job(&wanted(), &json!({}))]), [Change::Disable { id: "the-id".into() }]);
}

#[test]
fn one_time_that_has_passed_is_never_declared_again() {
    let over = Wanted { declaration: Some(declaration("{at: '2025-12-31T12:00:00Z'}")), over: true, ..wanted() };
    assert_eq!(sent(&over, &[]), []);
    let ran = json!({"enabled": false, "state": {"lastRunAtMs": 1}});
    assert_eq!(sent(&over, &[job(&over, &ran)]), []);
    let made_up_for_later = json!({"state": {"nextRunAtMs": at("2026-01-01T00:02:00Z").as_millisecond()}});
    assert_eq!(sent(&over, &[job(&over, &made_up_for_later)]), []);
    let of_an_earlier_edit = job(&over, &json!({"schedule": {"kind": "at", "at": "2026-02-01T00:00:00.000Z"}}));
    assert_eq!(sent(&over, &[of_an_earlier_edit]), [Change::Disable { id: "the-id".into() }]);
}

#[test]
fn a_paused_cron_job_is_left_alone() {
    let paused = Wanted { paused: true, ..wanted() };
    assert_eq!(sent(&paused, &[]), []);
    assert_eq!(sent(&paused, &[job(&wanted(), &json!({"name": "mine"}))]), []);
}

#[test]
fn a_job_whose_time_is_still_to_come_is_started_again_whatever_ran_before() {
    let wanted = Wanted { declaration: Some(declaration("{at: '2026-02-01T00:00:00Z'}")), ..wanted() };
    let ran = |time: &str| json!({"enabled": false, "state": {"lastRunAtMs": at(time).as_millisecond()}});
    assert_eq!(sent(&wanted, &[job(&wanted, &ran("2026-01-01T00:00:00Z"))]), [declare(&wanted, Some(true))]);
    assert_eq!(sent(&wanted, &[job(&wanted, &ran("2026-02-01T00:00:01Z"))]), []);
}
