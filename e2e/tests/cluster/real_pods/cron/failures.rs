//! Jobs that fail: which, since when and why, at a glance, and with the gateway's own numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::model_server::Rule;
use e2e::suite::{SOON, TestNamespace, agent_with, in_namespace, second, secret_value};
use serde_json::{Value, json};

use super::{AGENT, OFTEN, job, runs};
use crate::real_pods::idle::with_an_idle_client;

/// As people have them: none of them is due within the test.
const QUIET: [(&str, &str); 8] = [
    ("five-minutes", "every: 5m"),
    ("quarter", "every: 15m"),
    ("hour", "every: 1h"),
    ("six-hours", "every: 6h"),
    ("day", "every: 24h"),
    ("three-days", "every: 72h"),
    ("night", "schedule: '0 4 1 1 *'"),
    ("tokyo", "schedule: '30 9 2 1 *'\n  timeZone: Asia/Tokyo"),
];
/// A job, the reason of its condition, and a part of what the gateway says.
const FAILING: [(&str, &str, &str); 3] =
    [("poor", "CreditExhausted", ""), ("slow", "TimedOut", "timed out"), ("mute", "NotDelivered", "telegram")];
const LONGER_THAN_ALLOWED: Duration = Duration::from_secs(20);

#[tokio::test]
async fn of_twelve_jobs_the_table_tells_which_fail_since_when_and_why_and_its_numbers_are_the_gateways() {
    in_namespace("failures", async |namespace: TestNamespace| {
        twelve_jobs(&namespace).await;
        // This takes minutes in which the gateway runs undisturbed.
        with_an_idle_client(&namespace, AGENT, async || are_told_well(&namespace).await).await;
    })
    .await;
}

/// Of the twelve, which fail and why, until they are well again or given up.
async fn are_told_well(namespace: &TestNamespace) {
    for (name, reason, words) in FAILING {
        is_failing(namespace, name, reason, words).await;
    }
    namespace.cron_job_reason("well", "Healthy", "Succeeded").await;
    the_table_is_the_gateways(namespace).await;
    namespace.told_why("CronJob", "slow", "RunFailing").await;
    // One that is well can fail where the machine has no time for it.
    let reasons = namespace.event_reasons("CronJob", "hour").await;
    assert!(!reasons.contains("RunFailing"), "{reasons:?}");

    // What has been seen runs no more: each run takes seconds of the machine.
    for name in ["well", "poor", "mute"] {
        namespace.merge("CronJob", name, &json!({"spec": {"suspend": true}})).await;
    }
    is_well_again(namespace).await;
    is_given_up_and_resumed_by_an_edit(namespace).await;
}

/// Four of them are due every ten seconds: one is well, and three fail, each in its own way.
async fn twelve_jobs(namespace: &TestNamespace) {
    namespace.serve("main", &secret_value("main")).await;
    namespace.serve("poor", &secret_value("poor")).await;
    let broke = Rule::error(402).path_prefix(namespace.prefix("poor"));
    let slow = Rule::text("at last").when_text("Take your time.").delay(LONGER_THAN_ALLOWED);
    let slow = slow.path_prefix(namespace.prefix("main"));
    namespace.script(&[broke, slow]).await;
    // The gateway has a Provider that an Agent of it names.
    namespace.apply(&agent_with(AGENT, "main/small", &["poor/small"])).await;
    namespace.ready(AGENT).await;
    for (name, when) in QUIET {
        namespace.apply(&job(name, when, "Nothing yet.")).await;
    }
    namespace.apply(&job("well", OFTEN, "All is well.")).await;
    let poor = "  model: {primary: {provider: poor, model: small}}\n";
    namespace.apply(&format!("{}{poor}", job("poor", OFTEN, "Spend."))).await;
    namespace.apply(&format!("{}  timeout: 15s\n", job("slow", OFTEN, "Take your time."))).await;
    // A delivery that fails is no failure for the gateway, so it backs off from nothing: less often, to leave it time for others.
    let nowhere = "  delivery: {mode: Announce, channel: telegram, to: '12345'}\n";
    namespace.apply(&format!("{}{nowhere}", job("mute", "every: 30s", "Tell somebody."))).await;
    let all: Vec<_> = QUIET.iter().map(|(name, _)| *name).chain(["well", "poor", "slow", "mute"]).collect();
    for name in all {
        namespace.declared(name).await;
    }
}

/// The condition has the gateway's reason since the end of the first run, and the run its words.
async fn is_failing(namespace: &TestNamespace, name: &str, reason: &str, words: &str) {
    let healthy = namespace.cron_job_reason(name, "Healthy", reason).await;
    assert_eq!(healthy.status, "False", "{healthy:?}");
    let object = namespace.get("CronJob", name).await;
    let status = &object.data["status"];
    let ready = e2e::suite::condition(&object, "Ready").expect("Ready");
    assert_eq!(ready.status, "True", "the job itself is as it should be: {status}");
    let runs = status["recentRuns"].as_array().expect("runs");
    let run = runs.iter().find(|run| run["reason"] == reason).unwrap_or_else(|| panic!("{status}"));
    let outcome = if reason == "NotDelivered" { "NotDelivered" } else { "Failed" };
    assert_eq!(run["status"], outcome, "{run}");
    let error = run["error"].as_str().unwrap_or_default();
    assert!(!error.is_empty() && error.to_lowercase().contains(words), "{run}");
    let conditions = status["conditions"].as_array().expect("conditions");
    let since = conditions.iter().find(|found| found["type"] == "Healthy").map(|found| &found["lastTransitionTime"]);
    let first = runs.last().expect("a run");
    let (since, began) = (second(since.expect("Healthy")), second(&first["time"]));
    // The status keeps five runs: of a job that runs often the first is gone by now.
    assert!(
        since.is_some() && (runs.len() == 5 || since >= began),
        "since {since:?}, the first run began at {began:?}: {status}"
    );
}

/// Every number in the table is one that the gateway tells, but for answers that were not delivered, which it does not count. On a slow
/// machine one of them always runs, so each row is seen in its turn, between two runs.
async fn the_table_is_the_gateways(namespace: &TestNamespace) {
    let mut seen = BTreeSet::new();
    namespace
        .eventually("the table's numbers are the gateway's", SOON, async || {
            let table = namespace.cron_job_table().await;
            assert_eq!(table.len(), 12, "{table:?}");
            let mut differing = Vec::new();
            for (name, row) in table {
                if seen.contains(&name) {
                    continue;
                }
                match is_the_gateways(namespace, &name, &row).await {
                    Ok(()) => _ = seen.insert(name),
                    Err(difference) => differing.push(difference),
                }
            }
            if differing.is_empty() { Ok(()) } else { Err(differing.join("; ")) }
        })
        .await;
    let table = namespace.cron_job_table().await;
    for (name, row) in &table {
        let fails = FAILING.iter().any(|(failing, _, _)| failing == name);
        let well = ["Succeeded", "NotRunYet"].contains(&row["HEALTH"].as_str());
        assert_eq!(fails, !well, "{row:?}");
        assert!(!fails || !row["SINCE"].is_empty() && row["FAILURES"] != "0", "{row:?}");
    }
}

/// That one row says what the gateway says of that job.
async fn is_the_gateways(namespace: &TestNamespace, name: &str, row: &BTreeMap<String, String>) -> Result<(), String> {
    let held = namespace.job(AGENT, name).await.ok_or("no job")?;
    let state = &held["state"];
    if runs(&held) {
        return Err(format!("{name} runs"));
    }
    let failures = match name {
        "mute" => namespace.runs(AGENT, held["id"].as_str().unwrap_or_default()).await.len() as u64,
        _ => state["consecutiveErrors"].as_u64().unwrap_or_default(),
    };
    let outcome = match (name, state["lastRunStatus"].as_str()) {
        ("mute", Some("ok")) => "NotDelivered",
        (_, Some("ok")) => "Succeeded",
        (_, Some("error")) => "Failed",
        (_, Some("skipped")) => "Skipped",
        _ => "",
    };
    let told = (
        second(&json!(row["NEXT RUN"])),
        row["FAILURES"].parse().unwrap_or(0),
        row["LAST"].as_str(),
        row["READY"].as_str(),
    );
    if told == (second(&state["nextRunAtMs"]), failures, outcome, "True") {
        return Ok(());
    }
    Err(format!("{name}: {row:?} instead of {failures} failures and {state}"))
}

/// What made it fail is gone: a run that was asked for shows it, and an Event says it.
async fn is_well_again(namespace: &TestNamespace) {
    let broke = Rule::error(402).path_prefix(namespace.prefix("poor"));
    namespace.script(&[broke]).await;
    // On a slow machine a run that is well may take longer than what this one was allowed.
    namespace.merge("CronJob", "slow", &json!({"spec": {"timeout": "10m"}})).await;
    namespace.declared("slow").await;
    namespace.run_now("slow", "1").await;
    namespace.cron_job_reason("slow", "Healthy", "Succeeded").await;
    let status = namespace.get("CronJob", "slow").await.data["status"].clone();
    assert_eq!(status["consecutiveFailures"].as_i64().unwrap_or(0), 0, "{status}");
    namespace.told_why("CronJob", "slow", "RunRecovered").await;
    namespace.merge("CronJob", "slow", &json!({"spec": {"suspend": true}})).await;
}

/// After ten failures in a row the gateway runs a job no more. Nine of them are written by hand before the first run, because they take
/// hours; a run that was asked for is no tenth one.
async fn is_given_up_and_resumed_by_an_edit(namespace: &TestNamespace) {
    let doomed =
        format!("{}  model: {{primary: {{provider: poor, model: small}}}}\n", job("doomed", "every: 20s", "Spend."));
    namespace.apply(&doomed).await;
    let id = namespace.declared("doomed").await;
    let nine = json!({"id": id, "patch": {"state": {"consecutiveErrors": 9}}});
    namespace.rpc(AGENT, "cron.update", nine).await;
    let stalled = namespace.cron_job_reason("doomed", "Stalled", "DisabledByGateway").await;
    assert_eq!(stalled.status, "True", "{stalled:?}");
    let status = namespace.get("CronJob", "doomed").await.data["status"].clone();
    assert_eq!(status["disabledByGateway"]["reason"], "consecutive-failures", "{status}");
    assert!(second(&status["disabledByGateway"]["time"]).is_some(), "{status}");
    assert_eq!((&status["nextRunTime"], &status["consecutiveFailures"]), (&Value::Null, &json!(10)), "{status}");
    let held = namespace.job(AGENT, "doomed").await.expect("the job");
    assert_eq!(held["enabled"], false, "Creel does not start it again by itself: {held}");

    let rich = json!({"spec": {"model": {"primary": {"provider": "main", "model": "small"}}}});
    namespace.merge("CronJob", "doomed", &rich).await;
    assert_eq!(namespace.declared("doomed").await, id);
    namespace.cron_job_reason("doomed", "Healthy", "Succeeded").await;
    let status = namespace.get("CronJob", "doomed").await.data["status"].clone();
    assert_eq!(status["disabledByGateway"], Value::Null, "{status}");
}
