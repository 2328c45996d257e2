use serde_json::{Value, json};

use super::*;
use crate::declarations::fixtures::{agent, at, cron_job, scope};
use crate::kubernetes::conditions::{HEALTHY, READY, find};
use crate::kubernetes::spec_version::SpecVersion;
use crate::openclaw::cron::job::listed;
use crate::world::jobs_found::SyncState;

const NOW: &str = "2026-01-01T00:00:00Z";

fn ms(time: &str) -> i64 {
    at(time).as_millisecond()
}

/// What the reconcile of the gateway found: a job in this state, and these runs.
fn found(enabled: bool, state: &Value, runs: &Value) -> JobFound {
    let job = json!({"id": "the-id", "enabled": enabled, "state": state});
    JobFound {
        cron_job: SpecVersion::of(&cron_job("notes", "{every: 10m}")),
        job: listed(&job),
        state: SyncState::Synced,
        runs: serde_json::from_value(runs.clone()).unwrap(),
    }
}

struct Case {
    job: CronJob,
    agent: Agent,
    found: Option<JobFound>,
    answers: bool,
    fault: Option<Fault>,
}

impl Case {
    fn new(spec: &str, found: Option<JobFound>) -> Self {
        Self { job: cron_job("notes", spec), agent: agent("writer", "{}"), found, answers: true, fault: None }
    }

    fn status(&self) -> CronJobStatus {
        let (around, paused) = (scope(), false);
        let served = Ok(Served { agent: &self.agent, owner: &self.agent });
        let (found, fault) = (self.found.as_ref(), self.fault.clone());
        let view = View { served, fault, answers: self.answers, found, scope: &around, paused };
        status(&self.job, &view, at(NOW)).0
    }

    /// Status and reason of a condition.
    fn condition(&self, kind: &str) -> (String, String) {
        let status = self.status();
        let condition = find(&status.conditions, kind).unwrap();
        (condition.status.clone(), condition.reason.clone())
    }
}

fn is(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

fn failed(began: &str) -> Value {
    json!({"jobId": "the-id", "runAtMs": ms(began), "status": "error", "errorReason": "billing", "error": "no credit"})
}

fn ok(began: &str) -> Value {
    json!({"jobId": "the-id", "runAtMs": ms(began), "status": "ok", "completionStatus": "succeeded"})
}

#[test]
fn a_job_that_has_not_run_yet_tells_when_it_will() {
    let state = json!({"nextRunAtMs": ms("2026-01-01T00:10:00.041Z")});
    let case = Case::new("{every: 10m}", Some(found(true, &state, &json!([]))));
    assert_eq!(case.condition(READY), is("True", reason::READY));
    assert_eq!(case.condition(HEALTHY), is("Unknown", reason::NOT_RUN_YET));
    let status = case.status();
    assert_eq!(status.next_run_time, Some(Time(at("2026-01-01T00:10:00Z"))));
    assert_eq!((status.job_id.as_deref(), status.schedule.as_deref()), (Some("the-id"), Some("every 10m")));
}

#[test]
fn a_failing_job_says_why_and_how_often_as_the_gateway_counts() {
    let state = json!({"consecutiveErrors": 12, "nextRunAtMs": ms("2026-01-01T00:10:00Z")});
    let runs = json!([failed("2025-12-31T23:50:00Z"), ok("2025-12-31T22:50:00Z")]);
    let case = Case::new("{every: 10m}", Some(found(true, &state, &runs)));
    assert_eq!(case.condition(READY), is("True", reason::READY));
    assert_eq!(case.condition(HEALTHY), is("False", reason::CREDIT_EXHAUSTED));
    let status = case.status();
    assert_eq!(find(&status.conditions, HEALTHY).unwrap().message, "12 consecutive runs failed: no credit");
    assert_eq!((status.consecutive_failures, status.recent_runs.len()), (Some(12), 2));
}

#[test]
fn a_provider_that_was_given_a_rest_fails_for_what_it_met_before() {
    let rest = json!({"jobId": "the-id", "runAtMs": ms("2025-12-31T23:50:30Z"), "status": "error",
        "error": "Inline API key for provider \"p-poor\" is temporarily disabled after a provider auth/billing failure. Retry later."});
    let runs = json!([rest, failed("2025-12-31T23:50:00Z")]);
    let case = Case::new("{every: 10m}", Some(found(true, &json!({"consecutiveErrors": 2}), &runs)));
    assert_eq!(case.condition(HEALTHY), is("False", reason::CREDIT_EXHAUSTED));
}

#[test]
fn answers_that_are_not_delivered_are_counted_though_the_gateway_does_not() {
    let lost = |began: &str| json!({"jobId": "the-id", "runAtMs": ms(began), "status": "ok", "completionStatus": "failed", "deliveryError": "no chat"});
    let runs = json!([lost("2025-12-31T23:50:00Z"), lost("2025-12-31T23:40:00Z"), ok("2025-12-31T23:30:00Z")]);
    let case = Case::new("{every: 10m}", Some(found(true, &json!({}), &runs)));
    assert_eq!(case.condition(HEALTHY), is("False", reason::NOT_DELIVERED));
    assert_eq!(case.status().consecutive_failures, Some(2));
}

#[test]
fn a_skipped_run_is_no_failure() {
    let skipped = json!({"jobId": "the-id", "runAtMs": ms("2025-12-31T23:55:00Z"), "status": "skipped"});
    let runs = json!([skipped, ok("2025-12-31T23:50:00Z")]);
    let case = Case::new("{every: 10m}", Some(found(true, &json!({}), &runs)));
    assert_eq!(case.condition(HEALTHY), is("True", reason::SUCCEEDED));
    assert_eq!(case.status().last_run.unwrap().status, RunStatus::Skipped);
}

#[test]
fn a_job_that_the_gateway_stopped_says_how_to_resume_it() {
    let auto = json!({"reason": "consecutive-failures", "atMs": ms(NOW), "consecutiveErrors": 10});
    let state = json!({"consecutiveErrors": 10, "autoDisabled": auto});
    let case = Case::new("{every: 10m}", Some(found(false, &state, &json!([failed("2025-12-31T23:50:00Z")]))));
    assert_eq!(case.condition(READY), is("False", reason::DISABLED_BY_GATEWAY));
    assert_eq!(case.condition("Stalled"), is("True", reason::DISABLED_BY_GATEWAY));
    let status = case.status();
    assert!(find(&status.conditions, READY).unwrap().message.contains("edit the spec"), "{status:?}");
    let disabled = status.disabled_by_gateway.unwrap();
    assert_eq!((disabled.reason.as_str(), disabled.time.0), ("consecutive-failures", at(NOW)));
    assert_eq!(status.next_run_time, None);
}

#[test]
fn runs_that_the_gateway_has_forgotten_stay_told() {
    let runs = json!([ok("2025-12-31T23:50:00Z"), ok("2025-12-31T23:40:00Z")]);
    let mut case = Case::new("{every: 10m}", Some(found(true, &json!({}), &runs)));
    case.job.status = Some(case.status());
    case.found = Some(found(true, &json!({}), &json!([failed("2026-01-01T00:00:00Z")])));
    let times: Vec<_> = case.status().recent_runs.iter().map(|run| run.time.0.to_string()).collect();
    assert_eq!(times, ["2026-01-01T00:00:00Z", "2025-12-31T23:50:00Z", "2025-12-31T23:40:00Z"]);
}

#[test]
fn a_gateway_that_does_not_answer_is_waited_for_and_what_ran_stays_told() {
    let mut case = Case::new("{every: 10m}", Some(found(true, &json!({}), &json!([ok("2025-12-31T23:50:00Z")]))));
    case.job.status = Some(case.status());
    case.answers = false;
    assert_eq!(case.condition(READY), is("Unknown", reason::WAITING_FOR_GATEWAY));
    assert_eq!(case.condition("Reconciling"), is("True", reason::WAITING_FOR_GATEWAY));
    assert_eq!(case.condition(HEALTHY), is("True", reason::SUCCEEDED));
    assert_eq!(case.status().recent_runs.len(), 1);
}

#[test]
fn a_suspended_agent_and_a_suspended_job_rest() {
    let mut case = Case::new("{every: 10m}", None);
    case.agent = agent("writer", "{suspend: true}");
    assert_eq!(case.condition(READY), is("True", reason::SUSPENDED));
    assert_eq!(case.condition("Reconciling"), is("False", reason::AS_EXPECTED));
    let case = Case::new("{every: 10m, suspend: true}", Some(found(false, &json!({}), &json!([]))));
    assert_eq!(case.condition(READY), is("True", reason::SUSPENDED));
    assert_eq!(case.condition(DECLARED), is("True", reason::DECLARED));
}

#[test]
fn one_time_that_has_passed_was_run_or_missed() {
    let spec = "{at: '2025-12-31T23:30:00Z'}";
    let done = found(false, &json!({}), &json!([ok("2025-12-31T23:30:00Z")]));
    assert_eq!(Case::new(spec, Some(done)).condition(READY), is("True", reason::COMPLETED));
    assert_eq!(Case::new(spec, None).condition(READY), is("False", reason::MISSED));
    let due = found(true, &json!({"nextRunAtMs": ms("2025-12-31T23:30:00Z")}), &json!([]));
    assert_eq!(Case::new(spec, Some(due)).condition(DECLARED), is("True", reason::DECLARED));
}

#[test]
fn a_fault_needs_a_person_and_a_missing_agent_only_after_two_minutes() {
    let mut case = Case::new("{every: 10m}", None);
    case.fault = Some(Fault { reason: reason::NEVER_RUNS, message: "never".into(), carried: false });
    assert_eq!(case.condition("Stalled"), is("True", reason::NEVER_RUNS));
    let mut job = cron_job("notes", "{every: 10m}");
    let around = scope();
    let fault = Fault { reason: reason::AGENT_NOT_FOUND, message: "no Agent".into(), carried: false };
    let mut look = |now: &str| {
        let served = Err(fault.clone());
        let view = View { served, fault: None, answers: false, found: None, scope: &around, paused: false };
        let (status, again) = status(&job, &view, at(now));
        job.status = Some(status.clone());
        (find(&status.conditions, READY).unwrap().status.clone(), again.is_some())
    };
    assert_eq!(look(NOW), ("Unknown".to_owned(), true));
    assert_eq!(look("2026-01-01T00:02:01Z"), ("False".to_owned(), false));
}

#[test]
fn what_a_run_cost_is_remembered_when_the_gateway_tells_it_no_more() {
    let state = json!({"lastRunAtMs": ms("2025-12-31T23:50:00Z"), "lastRunStatus": "ok"});
    let priced = json!([{"jobId": "the-id", "runAtMs": ms("2025-12-31T23:50:00Z"), "status": "ok", "model": "small",
        "provider": "p-openai", "usage": {"input_tokens": 1000, "output_tokens": 0}}]);
    let mut case = Case::new("{every: 10m}", Some(found(true, &state, &priced)));
    let status = case.status();
    assert_eq!(status.last_run.as_ref().unwrap().cost_usd.as_deref(), Some("0.001"));
    case.job.status = Some(status);
    let bare = json!([{"jobId": "the-id", "runAtMs": ms("2025-12-31T23:50:00Z"), "status": "ok"}]);
    case.found = Some(found(true, &state, &bare));
    assert_eq!(case.status(), case.job.status.clone().unwrap());
}

#[test]
fn a_job_whose_turn_has_not_come_says_so_and_needs_nobody() {
    let mut found = found(true, &json!({}), &json!([]));
    (found.state, found.job) = (SyncState::Throttled, None);
    let status = Case::new("{every: 10m}", Some(found)).status();
    let declared = find(&status.conditions, DECLARED).unwrap();
    assert_eq!((declared.status.as_str(), declared.reason.as_str()), ("Unknown", reason::PENDING));
    assert!(find(&status.conditions, READY).is_some_and(|ready| ready.status == "Unknown"));
}

#[test]
fn a_job_that_rests_has_no_next_run_though_its_last_one_is_not_over() {
    let state = json!({"nextRunAtMs": ms("2026-01-01T00:10:00Z"), "runningAtMs": ms(NOW)});
    let next = |spec: &str| Case::new(spec, Some(found(true, &state, &json!([])))).status().next_run_time;
    assert!(next("{every: 10m}").is_some());
    assert_eq!(next("{every: 10m, suspend: true}"), None);
}

/// A new version of Creel may describe all jobs in other words.
#[test]
fn a_job_that_the_gateway_runs_stays_ready_while_an_update_of_it_waits_for_its_turn() {
    let held = |generation: i64, enabled: bool| {
        let mut found = found(enabled, &json!({"nextRunAtMs": ms("2026-01-01T00:10:00Z")}), &json!([]));
        found.state = SyncState::Throttled;
        let name = format!("notes (uid-of-n, generation {generation})");
        found.job = listed(&json!({"id": "the-id", "enabled": enabled, "displayName": name, "state": {}}));
        Case::new("{every: 10m}", Some(found)).condition(READY)
    };
    assert_eq!(held(3, true), is("True", reason::READY));
    assert_eq!(held(2, true).0, "Unknown", "of an earlier edit");
    assert_eq!(held(3, false).0, "Unknown", "it does not run");
}
