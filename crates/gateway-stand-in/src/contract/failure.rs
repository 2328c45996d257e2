//! Runs that fail, are cut off, or are not delivered.

use serde_json::{Value, json};

use super::configuration::{reset, without_agent};
use super::document::OTHER;
use super::run::all_slots;
use super::subject::{Host, Subject, job, with};
use crate::cron::Turns;

/// A job that is due every three seconds.
fn often(name: &str) -> Value {
    with(job(name), &json!({"schedule": {"kind": "every", "everyMs": 3000}}))
}

pub async fn it_is_counted_and_told_with_a_reason<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("failing")).await;
    subject.host.set_turns(Turns::Fail).await;
    let mut socket = subject.paired().await;
    for times in 1..=2 {
        let id = subject.run(&mut socket, &made).await;
        let run = subject.ran(&made, times).await;
        assert_eq!((&run["runId"], &run["status"]), (&json!(id), &json!("error")));
        assert_eq!((&run["completionStatus"], &run["errorReason"]), (&json!("failed"), &json!("format")), "{run}");
        let state = subject.get(&made).await["state"].clone();
        assert_eq!((&state["lastRunStatus"], &state["consecutiveErrors"]), (&json!("error"), &json!(times)));
        assert_eq!((&state["lastError"], &state["lastErrorReason"]), (&run["error"], &json!("format")));
    }
    subject.host.set_turns(Turns::Answer).await;
    subject.run(&mut socket, &made).await;
    subject.ran(&made, 3).await;
    let state = subject.get(&made).await["state"].clone();
    assert_eq!((&state["consecutiveErrors"], &state["lastError"]), (&json!(0), &Value::Null), "one success ends it");
    subject.remove(&made).await;
}

pub async fn a_run_that_was_asked_for_never_stops_a_job<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("asked")).await;
    subject.update(&made, json!({"state": {"consecutiveErrors": 10}})).await;
    subject.host.set_turns(Turns::Fail).await;
    subject.run(&mut subject.paired().await, &made).await;
    subject.ran(&made, 1).await;
    let after = subject.get(&made).await;
    assert_eq!((&after["enabled"], &after["state"]["consecutiveErrors"]), (&json!(true), &json!(11)));
    assert_eq!(after["state"]["nextRunAtMs"], made["state"]["nextRunAtMs"], "nor puts off its next run");
    subject.remove(&made).await;
}

pub async fn the_tenth_in_a_row_of_a_schedule_stops_the_job<H: Host>(subject: &Subject<H>) {
    subject.host.set_turns(Turns::Fail).await;
    // Its failures have to be written before its first run.
    let doomed = with(often("doomed"), &json!({"schedule": {"kind": "every", "everyMs": 20_000}}));
    let made = subject.declare(&doomed).await;
    subject.update(&made, json!({"state": {"consecutiveErrors": 9}})).await;
    let run = subject.ran(&made, 1).await;
    let after = subject.get(&made).await;
    assert_eq!((&after["enabled"], &after["state"]["nextRunAtMs"]), (&json!(false), &Value::Null), "{after}");
    let stopped = json!({"reason": "consecutive-failures", "atMs": run["ts"], "consecutiveErrors": 10});
    assert_eq!(after["state"]["autoDisabled"], stopped);

    let message = json!({"payload": {"kind": "agentTurn", "message": "Another."}});
    let edited = with(doomed, &message);
    let declared = subject.declare(&edited).await;
    assert_eq!((&declared["enabled"], &declared["state"]["autoDisabled"]), (&json!(false), &stopped));
    let resumed = subject.declare(&with(edited, &json!({"enabled": true}))).await;
    assert_eq!((&resumed["enabled"], &resumed["state"]["autoDisabled"]), (&json!(true), &Value::Null));
    assert_eq!(resumed["state"]["consecutiveErrors"], 0);
    subject.remove(&made).await;
}

pub async fn a_scheduled_run_that_failed_puts_off_the_next<H: Host>(subject: &Subject<H>) {
    subject.host.set_turns(Turns::Fail).await;
    let made = subject.declare(&often("put-off")).await;
    let run = subject.ran(&made, 1).await;
    assert_eq!(run["runId"], Value::Null, "nobody asked for it");
    let next = run["nextRunAtMs"].as_i64().unwrap();
    assert!(next - run["ts"].as_i64().unwrap() >= 30_000, "{run}");
    assert_eq!(subject.get(&made).await["state"]["nextRunAtMs"], next);
    subject.remove(&made).await;
}

pub async fn an_answer_that_is_not_delivered_counts_as_ok<H: Host>(subject: &Subject<H>) {
    let mut socket = subject.paired().await;
    for (name, delivery, words) in [
        ("blocked", json!({"mode": "webhook", "to": "http://127.0.0.1:1/"}), "Blocked hostname"),
        ("channel", json!({"mode": "announce", "channel": "telegram", "to": "1"}), "bot token missing"),
    ] {
        let made = subject.declare(&with(job(name), &json!({"delivery": delivery}))).await;
        subject.run(&mut socket, &made).await;
        let run = subject.ran(&made, 1).await;
        assert_eq!((&run["status"], &run["completionStatus"]), (&json!("ok"), &json!("failed")), "{run}");
        assert_eq!((&run["delivered"], &run["deliveryStatus"]), (&json!(false), &json!("not-delivered")));
        assert!(run["deliveryError"].as_str().unwrap().contains(words), "{run}");
        let state = subject.get(&made).await["state"].clone();
        assert_eq!((&state["lastRunStatus"], &state["consecutiveErrors"]), (&json!("ok"), &json!(0)));
        assert_eq!(state["lastDeliveryError"], run["deliveryError"]);
        subject.remove(&made).await;
    }
}

pub async fn to_disable_a_job_cuts_off_its_run<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("cut")).await;
    subject.host.set_turns(Turns::Hold).await;
    let id = subject.run(&mut subject.paired().await, &made).await;
    subject.runs_now(&made).await;
    subject.update(&made, json!({"enabled": false})).await;
    let run = subject.ran(&made, 1).await;
    assert_eq!((&run["runId"], &run["status"]), (&json!(id), &json!("error")));
    assert_eq!(run["error"], "Cron job disabled by operator.");
    subject.host.set_turns(Turns::Answer).await;
    let state = subject.get(&made).await["state"].clone();
    assert_eq!((&state["runningAtMs"], &state["lastRunStatus"]), (&Value::Null, &json!("error")), "{state}");
    assert_eq!((&state["lastError"], &state["consecutiveErrors"]), (&run["error"], &json!(1)), "it counts");
    subject.remove(&made).await;
}

pub async fn to_remove_a_job_cuts_off_its_run<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("cut-short")).await;
    subject.host.set_turns(Turns::Hold).await;
    let id = subject.run(&mut subject.paired().await, &made).await;
    subject.runs_now(&made).await;
    subject.remove(&made).await;
    let run = subject.ran(&made, 1).await;
    assert_eq!((&run["runId"], &run["error"]), (&json!(id), &json!("Cron job removed by operator.")));
    subject.host.set_turns(Turns::Answer).await;
}

/// So an agent's jobs are stopped before it leaves the configuration.
pub async fn a_job_of_an_agent_that_left_fails_with_its_name<H: Host>(subject: &Subject<H>) {
    let orphan = with(job("orphan"), &json!({"agentId": OTHER}));
    let made = subject.declare(&orphan).await;
    without_agent(subject, OTHER).await;
    let left = subject.get(&made).await;
    assert_eq!((&left["enabled"], &left["agentId"]), (&json!(true), &json!(OTHER)), "the gateway leaves it as it is");
    subject.refused_without_a_reason("cron.add", orphan).await;
    subject.run(&mut subject.paired().await, &made).await;
    let run = subject.ran(&made, 1).await;
    assert_eq!((&run["status"], &run["error"]), (&json!("error"), &json!("cron job agent is unavailable: other")));
    assert_eq!(subject.get(&made).await["state"]["consecutiveErrors"], 1);
    subject.remove(&made).await;
    reset(subject).await;
}

/// So whoever asked for a run that waited asks again, and for one that ran does not.
pub async fn a_killed_gateway_remembers_what_ran_without_its_id_and_forgets_what_waited<H: Host>(subject: &Subject<H>) {
    let (jobs, _socket) = all_slots(subject, "killed").await;
    subject.host.kill().await;
    subject.host.set_turns(Turns::Answer).await;
    for job in &jobs[..8] {
        let run = subject.ran(job, 1).await;
        assert_eq!((&run["status"], &run["runId"]), (&json!("error"), &Value::Null), "{run}");
        assert_eq!(run["error"], "cron: job interrupted by gateway restart");
        let state = subject.get(job).await["state"].clone();
        assert_eq!((&state["runningAtMs"], &state["consecutiveErrors"]), (&Value::Null, &json!(1)), "{state}");
    }
    assert_eq!(subject.runs(&jobs[8]).await, Vec::<Value>::new());
    assert_eq!(subject.get(&jobs[8]).await["state"], jobs[8]["state"]);
    for job in &jobs {
        subject.remove(job).await;
    }
}
