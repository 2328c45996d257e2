//! Agents that come, rest and leave: their jobs are gone before they are, and wait for them.

use std::time::Duration;

use e2e::suite::{SOON, START, TestNamespace, agent, cron_job, in_namespace, joined_agent, second, secret_value};
use jiff::Timestamp;
use serde_json::json;

use super::{RARELY, holds_exactly};

const OWNER: &str = "host";

#[tokio::test]
async fn jobs_of_an_agent_that_leaves_are_gone_before_its_entry_and_those_that_came_too_early_go_on_by_themselves() {
    in_namespace("leaving", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        // Nothing is there for these yet: no Agent, and no gateway.
        namespace.apply(&cron_job("early", "writer", RARELY, "Too early.")).await;
        namespace.apply(&cron_job("own", OWNER, RARELY, "Of the owner.")).await;
        let early = namespace.cron_job_reason("early", "Declared", "AgentNotFound").await;
        assert!(early.message.contains("Agent \"writer\""), "{early:?}");
        namespace.apply(&agent(OWNER, "main/small")).await;
        let waits = namespace.cron_job_reason("own", "Declared", "WaitingForGateway").await;
        assert_eq!(waits.status, "Unknown", "{waits:?}");
        namespace.ready(OWNER).await;
        namespace.declared("own").await;
        namespace.apply(&joined_agent("writer", OWNER, "main/small")).await;
        let early = namespace.declared("early").await;
        let ids = holds_exactly(&namespace, OWNER, &["early", "own"]).await;
        assert_eq!(ids["early"], early);

        leaves(&namespace, true, async || {
            namespace.merge("Agent", "writer", &json!({"spec": {"suspend": true}})).await;
        })
        .await;
        let rests = namespace.cron_job_reason("early", "Declared", "Suspended").await;
        assert_eq!(rests.status, "Unknown", "{rests:?}");
        namespace.merge("Agent", "writer", &json!({"spec": {"suspend": false}})).await;
        namespace.declared("early").await;

        leaves(&namespace, false, async || namespace.delete("Agent", "writer").await).await;
        namespace.cron_job_reason("early", "Declared", "AgentNotFound").await;
        a_gateway_that_rests_keeps_its_jobs(&namespace, &ids["own"]).await;
    })
    .await;
}

/// While the Agent leaves, there is no moment in which the gateway would run a job of an agent that it does not know. The job of an Agent
/// that only rests is kept with its history.
async fn leaves(namespace: &TestNamespace, keeps: bool, leave: impl AsyncFnOnce()) {
    let watched = async {
        namespace
            .eventually("the Agent is gone from the gateway, and its job runs no more", START, async || {
                // In this order: what has no entry now may not have a job a moment later.
                let entry = namespace.try_rpc(OWNER, "config.get", json!({})).await?;
                let entry = entry["parsed"]["agents"]["entries"]["writer"].is_object();
                let key = namespace.job_key("early");
                let jobs = namespace.try_jobs(OWNER).await?;
                let job = jobs.into_iter().find(|job| job["declarationKey"] == key.as_str());
                let runs = job.as_ref().is_some_and(|job| job["enabled"] == true);
                assert!(entry || !runs, "the gateway would run a job of an agent that it does not know: {job:?}");
                let job = if keeps { runs } else { job.is_some() };
                if entry || job { Err(format!("entry: {entry}, job: {job}")) } else { Ok(()) }
            })
            .await;
    };
    tokio::join!(leave(), watched);
}

/// An owner that rests has no Pod; its jobs wait on the claim and are the same afterwards. What was due meanwhile is made up for once.
async fn a_gateway_that_rests_keeps_its_jobs(namespace: &TestNamespace, id: &str) {
    let every_minute =
        format!("{}  missedRuns: RunOnce\n", cron_job("minutes", OWNER, "schedule: '* * * * *'", "Count."));
    namespace.apply(&every_minute).await;
    let minutes = namespace.declared("minutes").await;
    namespace.merge("Agent", OWNER, &json!({"spec": {"suspend": true}})).await;
    let rests = namespace.cron_job_reason("own", "Declared", "Suspended").await;
    assert_eq!(rests.status, "Unknown", "{rests:?}");
    let no_pods = async || {
        let pods = namespace.pods(OWNER).await.len();
        if pods == 0 { Ok(()) } else { Err(format!("{pods} Pods")) }
    };
    namespace.eventually("the gateway has no Pod", START, no_pods).await;
    let stalled = namespace.condition("CronJob", "own", "Stalled", SOON, |_| true).await;
    assert_eq!(stalled.status, "False", "{stalled:?}");
    let told = namespace.stays("what a waiting job says", Duration::from_secs(5), async || {
        namespace.get("CronJob", "own").await.data["status"].clone()
    });
    told.await;
    let awaited = a_run_is_due(namespace, "minutes").await;
    namespace.merge("Agent", OWNER, &json!({"spec": {"suspend": false}})).await;
    namespace.ready(OWNER).await;
    what_was_missed_is_made_up_for(namespace, "minutes", &minutes, awaited).await;
    namespace.delete("CronJob", "minutes").await;
    assert_eq!(namespace.declared("own").await, id);
    assert_eq!(holds_exactly(namespace, OWNER, &["own"]).await["own"], id);
}

/// Waits until a run is due that its gateway cannot start; when that was, in seconds since 1970.
async fn a_run_is_due(namespace: &TestNamespace, name: &str) -> i64 {
    namespace
        .eventually("a run is due while the gateway rests", SOON, async || {
            let status = namespace.get("CronJob", name).await.data["status"].clone();
            let awaited = second(&status["awaitedRunTime"]).filter(|awaited| *awaited < Timestamp::now().as_second());
            awaited.ok_or(status.to_string())
        })
        .await
}

/// By the run that Creel requests, or by the gateway itself, where it did not hear in time that its job is to rest.
async fn what_was_missed_is_made_up_for(namespace: &TestNamespace, name: &str, id: &str, awaited: i64) {
    namespace
        .eventually("what was missed is made up for", START, async || {
            let status = namespace.get("CronJob", name).await.data["status"].clone();
            if status["awaitedRunTime"].is_string() {
                return Err(status.to_string());
            }
            let (missed, runs) = (&status["lastMissed"], namespace.runs(OWNER, id).await);
            let made_up = match second(&missed["time"]) {
                Some(time) => {
                    let run = &missed["runOnce"];
                    time >= awaited && run["finished"] == true && runs.iter().any(|ran| ran["runId"] == run["runID"])
                }
                None => runs.iter().any(|ran| second(&ran["runAtMs"]) >= Some(awaited)),
            };
            if made_up { Ok(()) } else { Err(format!("{status}\n{runs:?}")) }
        })
        .await;
    let status = namespace.get("CronJob", name).await.data["status"].clone();
    if status["lastMissed"].is_object() {
        assert!(status["lastMissed"]["count"].as_i64() >= Some(1), "{status}");
        namespace.told_why("CronJob", name, "RunMissed").await;
    }
}
