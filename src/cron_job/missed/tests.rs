use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::api::Agent;
use crate::api::cron_job::CronJobStatus;
use crate::cron_job::status::{Served, status};
use crate::declarations::fixtures::{agent, at, cron_job, scope};
use crate::kubernetes::spec_version::SpecVersion;
use crate::openclaw::cron::job::listed;
use crate::world::jobs_found::JobFound;

const HOURLY: &str = "{schedule: '0 * * * *'}";

/// A CronJob of the Agent `writer`, and its gateway.
struct Bench {
    job: CronJob,
    agent: Agent,
    found: Option<JobFound>,
    answers: bool,
}

impl Bench {
    /// Before four, with the next run at four.
    fn new(spec: &str) -> Self {
        let (job, agent) = (cron_job("notes", spec), agent("writer", "{}"));
        let mut bench = Self { job, agent, found: None, answers: true };
        bench.gateway_has(&json!({"nextRunAtMs": ms("2026-01-01T04:00:00Z")}), &json!([]));
        bench.look("2026-01-01T03:30:00Z");
        bench
    }

    fn gateway_has(&mut self, state: &Value, runs: &Value) {
        let job = listed(&json!({"id": "the-id", "enabled": true, "state": state}));
        let cron_job = SpecVersion::of(&self.job);
        let runs = serde_json::from_value(runs.clone()).unwrap();
        self.found = Some(JobFound { cron_job, job, state: SyncState::Synced, runs });
    }

    fn look(&mut self, now: &str) -> CronJobStatus {
        let scope = scope();
        let served = Ok(Served { agent: &self.agent, owner: &self.agent });
        let found = self.found.as_ref();
        let view = View { served, fault: None, answers: self.answers, found, scope: &scope, paused: false };
        let (status, _) = status(&self.job, &view, at(now));
        self.job.status = Some(status.clone());
        status
    }

    fn suspend(&mut self, now: &str) {
        self.agent.spec.suspend = true;
        self.answers = false;
        self.look(now);
    }

    /// The gateway is back, and its next run is due then.
    fn resume(&mut self, now: &str, next: &str, runs: &Value) -> CronJobStatus {
        (self.agent.spec.suspend, self.answers) = (false, true);
        self.gateway_has(&json!({"nextRunAtMs": ms(next)}), runs);
        self.look(now)
    }

    fn edit(&mut self) {
        self.job.metadata.generation = self.job.metadata.generation.map(|generation| generation + 1);
    }
}

fn ms(time: &str) -> i64 {
    at(time).as_millisecond()
}

fn missed(status: &CronJobStatus) -> Option<(String, i32)> {
    status.last_missed.as_ref().map(|missed| (missed.time.0.to_string(), missed.count))
}

fn is(newest: &str, count: i32) -> (String, i32) {
    (newest.to_owned(), count)
}

#[test]
fn what_was_due_while_the_agent_was_suspended_is_told() {
    let mut bench = Bench::new(HOURLY);
    bench.suspend("2026-01-01T03:40:00Z");
    let awaited = bench.job.status.as_ref().unwrap().awaited_run_time.clone();
    assert_eq!(awaited, Some(Time(at("2026-01-01T04:00:00Z"))));
    assert_eq!(missed(&bench.look("2026-01-01T06:10:00Z")), None, "it is told when the gateway is back");
    let back = bench.resume("2026-01-01T06:15:00Z", "2026-01-01T07:00:00Z", &json!([]));
    assert_eq!((missed(&back), back.awaited_run_time), (Some(is("2026-01-01T06:00:00Z", 3)), None));
    assert_eq!(back.last_missed.unwrap().run_once, None, "the default is to skip");
    let later = bench.look("2026-01-01T06:20:00Z");
    assert_eq!(missed(&later), Some(is("2026-01-01T06:00:00Z", 3)), "once");
}

#[test]
fn a_gateway_that_is_back_before_a_run_is_due_missed_nothing() {
    let mut bench = Bench::new(HOURLY);
    bench.suspend("2026-01-01T03:40:00Z");
    let back = bench.resume("2026-01-01T03:50:00Z", "2026-01-01T04:00:00Z", &json!([]));
    assert_eq!((missed(&back), back.awaited_run_time), (None, None));
}

#[test]
fn an_edit_meanwhile_misses_nothing_of_what_was_due_before_it() {
    let mut bench = Bench::new(HOURLY);
    bench.suspend("2026-01-01T03:40:00Z");
    bench.edit();
    bench.look("2026-01-01T06:30:00Z");
    let back = bench.resume("2026-01-01T06:45:00Z", "2026-01-01T07:00:00Z", &json!([]));
    assert_eq!(missed(&back), None);
}

#[test]
fn a_cron_job_that_is_created_meanwhile_misses_what_is_due_from_then_on() {
    let mut bench = Bench::new(HOURLY);
    bench.suspend("2026-01-01T03:40:00Z");
    bench.job.status = None;
    bench.look("2026-01-01T05:30:00Z");
    let back = bench.resume("2026-01-01T06:45:00Z", "2026-01-01T07:00:00Z", &json!([]));
    assert_eq!(missed(&back), Some(is("2026-01-01T06:00:00Z", 1)));
}

/// After a crash OpenClaw runs what was due, two minutes after its start.
#[test]
fn what_the_gateway_itself_makes_up_for_is_not_missed() {
    let mut bench = Bench::new(HOURLY);
    bench.answers = false;
    bench.look("2026-01-01T03:59:00Z");
    for (now, next) in
        [("2026-01-01T04:05:00Z", "2026-01-01T04:00:00Z"), ("2026-01-01T04:06:00Z", "2026-01-01T04:07:00Z")]
    {
        let back = bench.resume(now, next, &json!([]));
        assert_eq!((missed(&back), back.awaited_run_time.is_some()), (None, true), "{now}");
    }
    let ran = json!([{"jobId": "the-id", "runAtMs": ms("2026-01-01T04:07:00Z"), "status": "ok"}]);
    let back = bench.resume("2026-01-01T04:08:00Z", "2026-01-01T05:00:00Z", &ran);
    assert_eq!((missed(&back), back.awaited_run_time), (None, None));
}

#[test]
fn what_is_due_while_it_is_made_up_for_is_not_missed() {
    let mut bench = Bench::new("{schedule: '*/5 * * * *'}");
    bench.answers = false;
    bench.look("2026-01-01T03:59:00Z");
    bench.answers = true;
    let running = json!({"runningAtMs": ms("2026-01-01T04:02:10Z"), "nextRunAtMs": ms("2026-01-01T04:10:00Z")});
    bench.gateway_has(&running, &json!([]));
    assert_eq!(missed(&bench.look("2026-01-01T04:05:02Z")), None);
    let began = ms("2026-01-01T04:02:10Z");
    let ran = json!([{"jobId": "the-id", "runAtMs": began, "durationMs": 180_000, "status": "ok"}]);
    let back = bench.resume("2026-01-01T04:05:12Z", "2026-01-01T04:10:00Z", &ran);
    assert_eq!((missed(&back), back.awaited_run_time), (None, None));
}

/// Of a job that is due each minute OpenClaw's own run comes later than the regular one.
#[test]
fn a_next_run_that_the_schedule_does_not_name_is_the_gateways_own() {
    let mut bench = Bench::new("{schedule: '* * * * *'}");
    bench.answers = false;
    bench.look("2026-01-01T03:59:30Z");
    bench.answers = true;
    let back = bench.resume("2026-01-01T04:01:10Z", "2026-01-01T04:03:07Z", &json!([]));
    assert_eq!((missed(&back), back.awaited_run_time.is_some()), (None, true));
}

#[test]
fn an_edit_of_a_paused_agents_job_misses_nothing_either() {
    let mut bench = Bench::new(HOURLY);
    bench.suspend("2026-01-01T03:40:00Z");
    bench.edit();
    let scope = scope();
    let served = Ok(Served { agent: &bench.agent, owner: &bench.agent });
    let view = View { served, fault: None, answers: false, found: None, scope: &scope, paused: true };
    assert_eq!(status(&bench.job, &view, at("2026-01-01T05:30:00Z")).0.awaited_run_time, None);
}

#[test]
fn a_job_that_is_suspended_itself_misses_nothing() {
    let mut bench = Bench::new("{schedule: '0 * * * *', suspend: true}");
    bench.suspend("2026-01-01T03:40:00Z");
    bench.look("2026-01-01T05:40:00Z");
    let back = bench.resume("2026-01-01T06:15:00Z", "2026-01-01T07:00:00Z", &json!([]));
    assert_eq!(missed(&back), None);
}

#[test]
fn with_run_once_one_run_is_requested_until_the_spec_changes_or_ten_minutes_have_passed() {
    let requested = || {
        let mut bench = Bench::new("{schedule: '0 * * * *', missedRuns: RunOnce}");
        bench.suspend("2026-01-01T03:40:00Z");
        let back = bench.resume("2026-01-01T06:15:00Z", "2026-01-01T07:00:00Z", &json!([]));
        let told = back.last_missed.unwrap().run_once.unwrap();
        assert_eq!((told.request.as_str(), told.finished), ("2026-01-01T06:00:00Z", false));
        bench
    };
    let reason = |status: CronJobStatus| status.last_missed?.run_once?.reason;
    assert_eq!(reason(requested().look("2026-01-01T06:20:00Z")), None);
    assert_eq!(reason(requested().look("2026-01-01T06:25:00Z")).as_deref(), Some(reason::RUN_EXPIRED));
    let mut bench = requested();
    bench.job.spec.missed_runs = Some(MissedRuns::Skip);
    assert_eq!(reason(bench.look("2026-01-01T06:16:00Z")).as_deref(), Some(reason::RUN_WITHDRAWN));
}

#[test]
fn one_time_that_passed_meanwhile_is_missed() {
    let mut bench = Bench::new("{at: '2026-01-01T04:00:00Z'}");
    bench.suspend("2026-01-01T03:40:00Z");
    (bench.agent.spec.suspend, bench.answers) = (false, true);
    let found = bench.found.as_mut().unwrap();
    found.state = SyncState::NotDeclared;
    found.job = listed(&json!({"id": "the-id", "enabled": false, "state": {}}));
    assert_eq!(missed(&bench.look("2026-01-01T06:15:00Z")), Some(is("2026-01-01T04:00:00Z", 1)));
}

#[test]
fn nothing_changes_while_the_gateway_is_away() {
    let mut bench = Bench::new(HOURLY);
    bench.suspend("2026-01-01T03:40:00Z");
    let before = bench.job.status.clone();
    let later = at("2026-01-01T03:40:00Z") + Duration::from_hours(9);
    assert_eq!(Some(bench.look(&later.to_string())), before);
}
