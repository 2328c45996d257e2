use serde_json::{Value, json};

use super::*;
use crate::cron_job::status::Served;
use crate::declarations::fixtures::{agent, at, cron_job, scope};

/// The CronJob exists since an hour before this.
const NOW: &str = "2026-01-01T00:00:00Z";

fn told(request: &str, finished: bool) -> RunNow {
    let time = Time(at(NOW));
    RunNow { request: request.into(), time, known_runs: None, run_id: None, finished, reason: None }
}

/// What becomes of this annotation and what the status says of a request, so long after [`NOW`].
fn after(request: Option<&str>, status: Option<CronJobStatus>, minutes: u64) -> Option<RunNow> {
    let (mut job, agent, scope) = (cron_job("notes", "{every: 10m}"), agent("writer", "{}"), scope());
    job.metadata.annotations = request.map(|request| [(RUN_NOW.to_owned(), request.to_owned())].into());
    job.status = status;
    let served = Ok(Served { agent: &agent, owner: &agent });
    let view = View { served, fault: None, answers: false, found: None, scope: &scope, paused: false };
    run_now(&job, &view, at(NOW) + Duration::from_mins(minutes))
}

fn says(run_now: impl Into<Option<RunNow>>) -> CronJobStatus {
    CronJobStatus { run_now: run_now.into(), ..CronJobStatus::default() }
}

fn because(request: &str, reason: &str) -> RunNow {
    settled(told(request, false), Some(reason))
}

#[test]
fn a_value_is_taken_up_once() {
    let before = || Some(says(None));
    assert_eq!(after(None, before(), 0), None);
    assert_eq!(after(Some(" "), before(), 0), None);
    assert_eq!(after(Some("1"), before(), 0), Some(told("1", false)));
    assert_eq!(after(Some("1"), Some(says(told("1", true))), 60), Some(told("1", true)));
    assert_eq!(after(None, Some(says(told("1", true))), 60), Some(told("1", true)));
    assert_eq!(after(Some("2"), Some(says(told("1", true))), 0), Some(told("2", false)));
}

#[test]
fn a_request_that_could_not_be_asked_for_ends_with_its_annotation_or_after_ten_minutes() {
    let waiting = || Some(says(told("1", false)));
    assert_eq!(after(Some("1"), waiting(), 9), Some(told("1", false)));
    assert_eq!(after(Some("1"), waiting(), 10), Some(because("1", reason::RUN_EXPIRED)));
    assert_eq!(after(None, waiting(), 1), Some(because("1", reason::RUN_WITHDRAWN)));
    assert_eq!(after(Some("2"), waiting(), 0), Some(told("2", false)));
}

#[test]
fn a_run_that_the_gateway_has_accepted_is_brought_to_its_end() {
    let accepted = RunNow { run_id: Some("manual:1:2:3".into()), known_runs: Some(vec![]), ..told("1", false) };
    for annotation in [None, Some("1"), Some("2")] {
        assert_eq!(after(annotation, Some(says(accepted.clone())), 60), Some(accepted.clone()));
    }
}

#[test]
fn a_value_from_before_the_creation_of_the_cron_job_starts_no_run() {
    let (earlier, later) = (at("2025-12-31T12:00:00Z"), at("2025-12-31T23:30:00Z"));
    for old in ["1", "monday", &earlier.to_string(), &earlier.as_second().to_string()] {
        assert_eq!(after(Some(old), None, 0), Some(because(old, reason::RUN_IGNORED)));
    }
    for new in [later.to_string(), later.as_second().to_string()] {
        assert_eq!(after(Some(&new), None, 0), Some(told(&new, false)));
    }
}

fn run(entry: Value) -> Run {
    serde_json::from_value(entry).unwrap()
}

fn manual(number: i64) -> Run {
    run(json!({"jobId": "1", "runAtMs": number, "runId": format!("manual:1:{number}:1"), "status": "ok"}))
}

fn scheduled(number: i64) -> Run {
    run(json!({"jobId": "1", "runAtMs": number, "status": "ok"}))
}

fn cut_off(number: i64) -> Run {
    let error = "cron: job interrupted by gateway restart";
    run(json!({"jobId": "1", "runAtMs": number, "status": "error", "error": error}))
}

fn asked(before: &[Run], id: Option<&str>) -> RunNow {
    RunNow { known_runs: Some(known(before)), run_id: id.map(str::to_owned), ..told("1", false) }
}

#[test]
fn an_earlier_try_is_known_by_the_run_that_it_brought_about_whatever_the_clock_says() {
    let before = [scheduled(9_000), manual(8_000), cut_off(7_000)];
    let then = |new: Run| [&[new], before.as_slice()].concat();
    assert!(!has_run(&asked(&before, None), &before));
    for number in [1, 10_000] {
        assert!(has_run(&asked(&before, None), &then(manual(number))));
        assert!(has_run(&asked(&before, None), &then(cut_off(number))));
        assert!(!has_run(&asked(&before, None), &then(scheduled(number))));
    }
}

#[test]
fn a_run_whose_id_was_told_is_that_one_and_no_other() {
    let told = asked(&[], Some("manual:1:5:1"));
    assert!(has_run(&told, &[manual(6), manual(5)]));
    assert!(!has_run(&told, &[manual(6)]));
    assert!(has_run(&told, &[cut_off(5)]));
}

#[test]
fn where_the_gateway_lists_no_more_it_may_have_been_one_of_those_before() {
    let older: Vec<Run> = (0..200).map(scheduled).collect();
    assert!(!has_run(&asked(&older, None), &older));
    let newer: Vec<Run> = (1_000..1_200).map(scheduled).collect();
    assert!(has_run(&asked(&older, None), &newer));
}

#[test]
fn what_is_kept_of_the_runs_before_is_short() {
    let many: Vec<Run> = (0..200).map(manual).collect();
    assert_eq!(known(&many).len(), 200);
    assert_eq!(known(&[manual(5), scheduled(3)]), ["5:1"]);
    assert_eq!(known(&[scheduled(5), manual(3)]), ["5", "3:1"]);
    let long = run(json!({"jobId": "1", "runId": "manual:1:".to_owned() + &"9".repeat(10_000)}));
    assert_eq!(known(&[long])[0].len(), IDENTITY);
}
