//! A job runs when and where its spec says, and the status tells what the gateway knows.

use std::time::Duration;

use e2e::suite::{
    RunningPod, SOON, START, Shared, TestNamespace, condition, cron_job, in_sandbox, on_shared, sandbox, second,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AGENT, OFTEN, runs};

/// Milliseconds after which a run that was due has been forgotten, and is not merely late.
const LATE: i64 = 300_000;

const FIRST: &str = "Run `echo first $(hostname) | tee -a ran.txt` in your shell.";
const SECOND: &str = "Run `echo second $(hostname) | tee -a ran.txt` in your shell.";

#[tokio::test]
async fn a_job_runs_on_time_in_the_sandbox_of_its_agent_rests_when_suspended_and_keeps_id_and_history_through_edits() {
    on_shared(Shared::Workspace, "schedule", async |namespace: TestNamespace| {
        let agent = namespace.named(AGENT);
        let notes = namespace.named("notes");
        let pod = writer_with_prices(&namespace, &agent).await;
        namespace.apply(&cron_job(&notes, &agent, OFTEN, FIRST)).await;
        let id = namespace.declared(&notes).await;
        runs_on_time(&namespace, &notes, &id).await;
        let ran = namespace.run_in_sandbox(&agent, "head -n 1 ran.txt").await;
        assert_eq!(ran, format!("first {}", pod.name), "where the command ran");
        the_status_is_the_gateways(&namespace, &notes, &id).await;

        rests_and_goes_on(&namespace, &notes, &id).await;
        an_edit_keeps_id_and_history(&namespace, &notes, &id).await;
        let ran = namespace.run_in_sandbox(&agent, "grep ^second ran.txt | head -n 1").await;
        assert_eq!(ran, format!("second {}", pod.name), "the new message runs in the same place");

        namespace.delete("CronJob", &notes).await;
        super::holds_exactly(&namespace, namespace.host_of(&agent), &[&namespace.named("clock")]).await;
    })
    .await;
}

/// The Agent with a shell, whose model has a price. Its sandbox's Pod.
async fn writer_with_prices(namespace: &TestNamespace, agent: &str) -> RunningPod {
    let name = namespace.named("box");
    namespace.apply(&sandbox(&name, "rw")).await;
    namespace.apply(&in_sandbox(&name, &namespace.joining(AGENT).await)).await;
    let models = json!([{"id": "small", "cost": {"input": "1", "output": "2"}}, {"id": "large"}]);
    namespace.merge("Provider", &namespace.named("main"), &json!({"spec": {"models": models}})).await;
    namespace.ready(agent).await;
    namespace.sandbox_ready(agent).await
}

/// Two runs, the second when the first said that it would be; the status tells of it soon after its end.
async fn runs_on_time(namespace: &TestNamespace, notes: &str, id: &str) {
    let host = namespace.host_of(notes);
    namespace.cron_job_reason(notes, "Healthy", "Succeeded").await;
    let before = namespace.last_run(notes, |run| run["status"] == "Succeeded").await;
    let told = namespace.last_run(notes, |run| run["time"] != before["time"]).await;
    let all = namespace.runs(host, id).await;
    let at = all.iter().position(|run| second(&run["runAtMs"]) == second(&told["time"])).expect("the gateway knows it");
    let [run, earlier] = [&all[at], &all[at + 1]];
    let (due, began) =
        (earlier["nextRunAtMs"].as_i64().expect("it was due"), run["runAtMs"].as_i64().expect("it began"));
    assert!((due..due + LATE).contains(&began), "due at {due}, begun at {began}");
}

/// Next run, last run, duration and cost.
async fn the_status_is_the_gateways(namespace: &TestNamespace, notes: &str, id: &str) {
    let host = namespace.host_of(notes);
    let status = namespace
        .eventually("the status says what the gateway says", SOON, async || {
            let told = namespace.job(host, notes).await.ok_or("no job")?;
            let status = namespace.get("CronJob", notes).await.data["status"].clone();
            let (state, last) = (&told["state"], &status["lastRun"]);
            let next = second(&status["nextRunTime"]) == second(&state["nextRunAtMs"]);
            let ran = second(&last["time"]) == second(&state["lastRunAtMs"]) && last["status"] == "Succeeded";
            let settled =
                next && ran && status["jobID"] == id && status["consecutiveFailures"].as_i64().unwrap_or(0) == 0;
            if settled { Ok(status) } else { Err(format!("{status}\ninstead of\n{state}")) }
        })
        .await;
    let runs = status["recentRuns"].as_array().expect("runs");
    assert!((2..=5).contains(&runs.len()) && runs[0] == status["lastRun"], "{status}");
    assert!(runs.is_sorted_by_key(|run| std::cmp::Reverse(second(&run["time"]))), "newest first: {status}");
    let cost: f64 = runs[0]["costUSD"].as_str().expect("a model with a price").parse().expect("a number");
    assert!(cost > 0.0 && runs[0]["duration"].as_str().is_some_and(|text| text.ends_with('s')), "{status}");
    assert_eq!(status["schedule"], "every 10s");
}

/// Suspended it does not run, while another job does; resumed it does. The `clock` goes on to tell when runs are due.
async fn rests_and_goes_on(namespace: &TestNamespace, notes: &str, id: &str) {
    let host = namespace.host_of(notes);
    let clock = namespace.named("clock");
    namespace.apply(&cron_job(&clock, &namespace.named(AGENT), OFTEN, "Tick.")).await;
    namespace.merge("CronJob", notes, &json!({"spec": {"suspend": true}})).await;
    let rests = namespace.cron_job_reason(notes, "Ready", "Suspended").await;
    assert_eq!(rests.status, "True", "{rests:?}");
    assert_eq!(namespace.declared(notes).await, id, "the job stays");
    namespace
        .eventually("the job rests at the gateway", SOON, async || {
            let held = namespace.job(host, notes).await.ok_or("no job")?;
            if held["enabled"] == false && !runs(&held) { Ok(()) } else { Err(held.to_string()) }
        })
        .await;
    let status = namespace.get("CronJob", notes).await.data["status"].clone();
    assert_eq!(status["nextRunTime"], Value::Null, "{status}");

    let count = namespace.runs(host, id).await.len();
    let clock_id = namespace.declared(&clock).await;
    let ticks = namespace.runs(host, &clock_id).await.len();
    namespace
        .eventually("two more runs of another job of the same schedule", START, async || {
            let now = namespace.runs(host, &clock_id).await.len();
            if now >= ticks + 2 { Ok(()) } else { Err(format!("{now} runs, {ticks} before")) }
        })
        .await;
    assert_eq!(namespace.runs(host, id).await.len(), count, "it ran though it is suspended");

    // Only one of them is needed now, and each run takes seconds of the machine.
    namespace.merge("CronJob", &clock, &json!({"spec": {"suspend": true}})).await;
    let before = namespace.get("CronJob", notes).await.data["status"]["lastRun"]["time"].clone();
    namespace.merge("CronJob", notes, &json!({"spec": {"suspend": false}})).await;
    assert_eq!(namespace.declared(notes).await, id);
    namespace.last_run(notes, |run| run["time"] != before && run["status"] == "Succeeded").await;
}

/// Another message and another schedule are the same job.
async fn an_edit_keeps_id_and_history(namespace: &TestNamespace, notes: &str, id: &str) {
    let host = namespace.host_of(notes);
    let before = namespace.get("CronJob", notes).await.data["status"]["lastRun"].clone();
    namespace.merge("CronJob", notes, &json!({"spec": {"message": SECOND, "every": "11s"}})).await;
    assert_eq!(namespace.declared(notes).await, id, "an edit makes no other job");
    let held = namespace.job(host, notes).await.expect("the job");
    assert_eq!((&held["payload"]["message"], &held["schedule"]["everyMs"]), (&SECOND.into(), &11_000.into()), "{held}");
    // One that was in progress at the edit still had the message before.
    let edited = Some(Timestamp::now().as_second());
    namespace.last_run(notes, |run| second(&run["time"]) > edited && run["status"] == "Succeeded").await;
    let runs = namespace.get("CronJob", notes).await.data["status"]["recentRuns"].clone();
    let kept = runs.as_array().is_some_and(|runs| runs.iter().any(|run| run["time"] == before["time"]));
    assert!(kept, "the run before the edit is remembered: {runs}");
}

/// A CronJob for one time that is soon, and still to come when the gateway has it; the id of its job.
async fn declared_in_time(namespace: &TestNamespace, once: &str) -> String {
    for seconds in [15, 60, 240] {
        let soon = Timestamp::now() + Duration::from_secs(seconds);
        let at = soon.strftime("at: '%Y-%m-%dT%H:%M:%SZ'").to_string();
        namespace.apply(&cron_job(once, &namespace.named(AGENT), &at, "Only this time.")).await;
        let decided = async || {
            let object = namespace.get("CronJob", once).await;
            let told = condition(&object, "Declared").filter(|told| told.current);
            match (told, object.data["status"]["jobID"].as_str()) {
                (Some(told), Some(id)) if told.status == "True" => Ok(Some(id.to_owned())),
                (Some(told), _) if told.reason == "Missed" => Ok(None),
                (told, _) => Err(format!("{told:?}")),
            }
        };
        if let Some(id) = namespace.eventually("CronJob once is declared, or was late", START, decided).await {
            return id;
        }
    }
    panic!("the gateway had the job too late each time");
}

#[tokio::test]
async fn a_job_for_one_time_runs_once_and_is_completed_and_a_daily_one_is_due_by_the_clock_of_its_zone() {
    on_shared(Shared::Plain, "one-time", async |namespace: TestNamespace| {
        let agent = &namespace.join(AGENT).await;
        let host = namespace.host_of(agent);
        let [once, paris] = &["once", "paris"].map(|name| namespace.named(name));
        let by_a_zone = "schedule: '0 4 * * *'\n  timeZone: Europe/Paris";
        namespace.apply(&cron_job(paris, agent, by_a_zone, "Good morning.")).await;
        namespace.declared(paris).await;
        namespace
            .eventually("the next run is the gateway's", SOON, async || {
                let held = namespace.job(host, paris).await.ok_or("no job")?;
                let status = namespace.get("CronJob", paris).await.data["status"].clone();
                let next = second(&status["nextRunTime"]);
                let same = next.is_some() && next == second(&held["state"]["nextRunAtMs"]);
                if same { Ok(()) } else { Err(format!("{status} instead of {}", held["state"])) }
            })
            .await;
        let status = namespace.get("CronJob", paris).await.data["status"].clone();
        let due: Timestamp = status["nextRunTime"].as_str().and_then(|time| time.parse().ok()).expect("a time");
        assert_eq!(due.in_tz("Europe/Paris").expect("a zone").strftime("%H:%M").to_string(), "04:00");

        let id = declared_in_time(&namespace, once).await;
        namespace.last_run(once, |run| run["status"] == "Succeeded").await;
        let ready = namespace.cron_job_reason(once, "Ready", "Completed").await;
        assert_eq!(ready.status, "True", "{ready:?}");
        assert_eq!(namespace.get("CronJob", once).await.data["status"]["nextRunTime"], Value::Null);
        assert_eq!(namespace.runs(host, &id).await.len(), 1);
    })
    .await;
}
