//! `cron.run` and `cron.runs`.

use std::time::Duration;

use serde_json::{Value, json};

use super::socket::Socket;
use super::subject::{Host, Subject, job, with};
use crate::cron::Turns;

/// The authority of an HTTP call ends with its answer. So the run is asked for over a socket.
pub async fn over_http_it_is_accepted_and_fails_later<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("http")).await;
    let answer = subject.ok("cron.run", json!({"id": made["id"], "mode": "force"})).await;
    assert_eq!((&answer["ok"], &answer["enqueued"]), (&json!(true), &json!(true)), "{answer}");
    let run = subject.ran(&made, 1).await;
    assert_eq!((&run["runId"], &run["status"]), (&answer["runId"], &json!("error")));
    assert_eq!(run["error"], "Gateway client authority closed before dispatching cron.run.");
    assert_eq!(subject.get(&made).await["state"], made["state"], "the job knows nothing of it");
    subject.remove(&made).await;
}

pub async fn over_the_socket_it_is_told_by_the_id_that_was_promised<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("socket")).await;
    let mut socket = subject.paired().await;
    let id = subject.run(&mut socket, &made).await;
    assert!(id.starts_with(&format!("manual:{}:", made["id"].as_str().unwrap())), "{id}");
    drop(socket);
    let run = subject.ran(&made, 1).await;
    assert_eq!((&run["runId"], &run["jobId"], &run["jobName"]), (&json!(id), &made["id"], &made["name"]));
    assert_eq!((&run["status"], &run["completionStatus"]), (&json!("ok"), &json!("succeeded")));
    assert_eq!((&run["provider"], &run["model"]), (&json!("p-main"), &json!("small")));
    assert!(run["usage"]["input_tokens"].is_u64() && run["usage"]["output_tokens"].is_u64(), "{run}");
    assert_eq!(run["ts"].as_i64().unwrap() - run["runAtMs"].as_i64().unwrap(), run["durationMs"].as_i64().unwrap());
    let state = subject.get(&made).await["state"].clone();
    assert_eq!((&state["lastRunAtMs"], &state["lastRunStatus"]), (&run["runAtMs"], &json!("ok")));
    assert_eq!((&state["lastDurationMs"], &state["consecutiveErrors"]), (&run["durationMs"], &json!(0)));
    assert_eq!((&state["nextRunAtMs"], &state["runningAtMs"]), (&made["state"]["nextRunAtMs"], &Value::Null));
    subject.remove(&made).await;
}

pub async fn a_job_runs_once_at_a_time<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("once")).await;
    let mut socket = subject.paired().await;
    subject.host.set_turns(Turns::Hold).await;
    let id = subject.run(&mut socket, &made).await;
    let running = subject.runs_now(&made).await;
    let expected = json!({"ok": true, "ran": false, "reason": "already-running"});
    for mode in ["force", "due"] {
        let mut again = socket.call("cron.run", json!({"id": made["id"], "mode": mode})).await.expect("an answer");
        again.as_object_mut().unwrap().remove("processInstanceId");
        assert_eq!(again, expected);
    }
    assert_eq!(subject.runs(&made).await, Vec::<Value>::new(), "what is in progress has not ended");
    let same = subject.ok("cron.add", job("once")).await;
    assert_eq!(same["job"]["state"], running["state"], "a declaration leaves the run alone");
    subject.host.set_turns(Turns::Answer).await;
    let run = subject.ran(&made, 1).await;
    assert_eq!((&run["runId"], &run["runAtMs"]), (&json!(id), &running["state"]["runningAtMs"]));
    subject.remove(&made).await;
}

pub async fn a_job_that_is_disabled_runs_and_stays_disabled<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&with(job("resting"), &json!({"enabled": false}))).await;
    let id = subject.run(&mut subject.paired().await, &made).await;
    assert_eq!(subject.ran(&made, 1).await["runId"], json!(id));
    let after = subject.get(&made).await;
    assert_eq!((&after["enabled"], &after["state"]["nextRunAtMs"]), (&json!(false), &Value::Null), "{after}");
    subject.remove(&made).await;
}

pub async fn only_a_job_that_is_due_runs_when_that_is_asked<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("due")).await;
    let mut socket = subject.paired().await;
    let answer = socket.call("cron.run", json!({"id": made["id"], "mode": "due"})).await.expect("an answer");
    assert_eq!((&answer["ran"], &answer["reason"]), (&json!(false), &json!("not-due")), "{answer}");
    subject.remove(&made).await;
}

/// Nine jobs, of which eight are in progress and the last one waits.
pub(super) async fn all_slots<H: Host>(subject: &Subject<H>, name: &str) -> (Vec<Value>, Socket) {
    let mut jobs = Vec::new();
    for number in 0..9 {
        jobs.push(subject.declare(&job(&format!("{name}-{number}"))).await);
    }
    let mut socket = subject.paired().await;
    subject.host.set_turns(Turns::Hold).await;
    for job in &jobs {
        subject.run(&mut socket, job).await;
    }
    for job in &jobs[..8] {
        subject.runs_now(job).await;
    }
    (jobs, socket)
}

pub async fn eight_run_at_once_and_the_ninth_waits<H: Host>(subject: &Subject<H>) {
    let (jobs, mut socket) = all_slots(subject, "slot").await;
    let ninth = &jobs[8];
    let waiting = subject.get(ninth).await;
    assert_eq!(waiting["state"], ninth["state"], "of one that waits nothing is told");
    let again = socket.call("cron.run", json!({"id": ninth["id"], "mode": "force"})).await.expect("an answer");
    assert_eq!(again["reason"], "already-running", "{again}");
    // It keeps its authority, although nobody is connected any more.
    drop(socket);
    subject.host.set_turns(Turns::Answer).await;
    for job in &jobs {
        assert_eq!(subject.ran(job, 1).await["status"], "ok");
        subject.remove(job).await;
    }
}

pub async fn a_job_of_one_time_is_disabled_after_it<H: Host>(subject: &Subject<H>) {
    // A call that has to wait for its turn would come too late.
    let (at, soon, made) = subject
        .eventually("a job of one time", async || {
            let soon = subject.now().await + 3000;
            let schedule = json!({"kind": "at", "at": crate::cron::iso(soon)});
            let at = with(job("at"), &json!({"schedule": schedule, "deleteAfterRun": false}));
            let answer = subject.call("cron.add", &at).await.map_err(|refused| format!("{refused:?}"))?;
            Ok((at, soon, answer["job"].clone()))
        })
        .await;
    assert_eq!(made["state"]["nextRunAtMs"], soon);
    let run = subject.ran(&made, 1).await;
    assert_eq!((&run["status"], &run["runId"]), (&json!("ok"), &Value::Null), "nobody asked for it");
    assert!(run["runAtMs"].as_i64().unwrap() >= soon, "{run}");
    let after = subject.get(&made).await;
    assert_eq!((&after["enabled"], &after["state"]["nextRunAtMs"]), (&json!(false), &Value::Null), "{after}");
    let again = subject.ok("cron.add", at).await;
    assert_eq!((&again["updated"], &again["job"]["enabled"]), (&json!(false), &json!(false)), "{again}");
    subject.remove(&made).await;
}

pub async fn the_runs_of_a_job_that_is_gone_are_still_told<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("remembered")).await;
    subject.run(&mut subject.paired().await, &made).await;
    let run = subject.ran(&made, 1).await;
    subject.remove(&made).await;
    let after = subject.runs(&made).await;
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!((&after[0]["ts"], &after[0]["jobName"]), (&run["ts"], &Value::Null));
}

pub async fn the_newest_run_comes_first<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("often")).await;
    let mut ids = Vec::new();
    let mut socket = subject.paired().await;
    for times in 1..=3 {
        ids.insert(0, subject.run(&mut socket, &made).await);
        subject.ran(&made, times).await;
        subject.host.pass(Duration::from_millis(5)).await;
    }
    let told: Vec<_> = subject.runs(&made).await.iter().map(|run| run["runId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ids);
    let all = subject.ok("cron.runs", json!({"scope": "all", "limit": 2, "sortDir": "desc"})).await;
    assert_eq!((&all["hasMore"], &all["entries"][0]["runId"]), (&json!(true), &json!(ids[0])));
    assert_eq!(all["entries"].as_array().unwrap().len(), 2);
    subject.refused_because("cron.runs", json!({"scope": "all", "limit": 201}), "at /limit: must be <= 200").await;
    subject.remove(&made).await;
}
