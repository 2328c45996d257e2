//! Gateways that are killed, that forget, and whose jobs are edited behind Creel's back: all jobs are back, none doubled, none lost.

use e2e::model_server::{MAX_DELAY, Rule};
use e2e::suite::{RunningPod, SOON, START, TestNamespace, in_namespace};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

use super::{AGENT, RARELY, holds_exactly, job, runs, writer};

const NAMES: [&str; 3] = ["daily", "notes", "slow"];
/// Every process of the gateway's container at once.
const KILL: &str = "for p in /proc/[0-9]*; do [ ${p#/proc/} = $$ ] || kill -9 ${p#/proc/}; done 2>/dev/null; true";
/// Everything that the gateway knows of its jobs, its sessions and its devices.
const FORGET: &str = "rm -rf /home/node/.openclaw/state/* 2>/dev/null; true";

#[tokio::test]
async fn jobs_survive_a_gateway_that_is_killed_or_forgets_and_hands_that_edit_them_and_foreign_ones_are_left_alone() {
    in_namespace("recovery", async |namespace: TestNamespace| {
        writer(&namespace).await;
        for (name, message) in [("daily", "Good morning."), ("notes", "Compress notes."), ("slow", "Take your time.")] {
            namespace.apply(&job(name, RARELY, message)).await;
            namespace.declared(name).await;
        }
        let ids = holds_exactly(&namespace, AGENT, &NAMES).await;
        let foreign = foreign_jobs(&namespace).await;

        hands(&namespace).await;
        let back = holds_exactly(&namespace, AGENT, &NAMES).await;
        assert!(back["notes"] == ids["notes"] && back["daily"] != ids["daily"], "{ids:?} became {back:?}");
        assert_eq!(foreign_now(&namespace).await, foreign);

        killed_during_a_run(&namespace, &back["slow"]).await;
        assert_eq!(holds_exactly(&namespace, AGENT, &NAMES).await, back, "the claim has them still");
        assert_eq!(foreign_now(&namespace).await, foreign);

        let pod = namespace.gateway(AGENT).await;
        // At once, so that it writes nothing in between.
        kill(&namespace, &pod, &format!("{FORGET}; {KILL}")).await;
        let again = holds_exactly(&namespace, AGENT, &NAMES).await;
        for name in NAMES {
            assert_ne!(again[name], back[name], "a gateway that remembers was not put to the test");
            let told = async || {
                let id = namespace.declared(name).await;
                if id == again[name] { Ok(()) } else { Err(id) }
            };
            namespace.eventually(&format!("the status of {name} has the new id"), SOON, told).await;
        }
        namespace.run_now("notes", "after it forgot").await;
        namespace.last_run("notes", |run| run["status"] == "Succeeded").await;
    })
    .await;
}

/// Jobs as an agent or another program makes them: one without a key, one with a key of its own, one that looks like a heartbeat.
async fn foreign_jobs(namespace: &TestNamespace) -> Vec<Value> {
    for (name, key) in [("by-an-agent", None), ("by-a-program", Some("backup:nightly")), ("alike", Some("k8sx:a/b"))] {
        let mut foreign = json!({
            "name": name, "agentId": AGENT, "enabled": true, "schedule": {"kind": "cron", "expr": "0 5 1 1 *", "tz": "Etc/UTC"},
            "sessionTarget": "isolated", "wakeMode": "now", "payload": {"kind": "agentTurn", "message": "Not yours."},
            "delivery": {"mode": "none"},
        });
        if let Some(key) = key {
            foreign["declarationKey"] = json!(key);
        }
        namespace.rpc(AGENT, "cron.add", foreign).await;
    }
    let foreign = foreign_now(namespace).await;
    assert_eq!(foreign.len(), 3, "{foreign:?}");
    foreign
}

/// The foreign jobs as they are, with the time of their last change.
async fn foreign_now(namespace: &TestNamespace) -> Vec<Value> {
    let mut jobs = namespace.jobs(AGENT).await;
    jobs.retain(|job| job["payload"]["message"] == "Not yours.");
    for job in &mut jobs {
        // A start of the gateway counts anew.
        if let Some(job) = job.as_object_mut() {
            job.retain(|name, _| !["state", "updatedAtMs", "nextRunAtMs"].contains(&name.as_str()));
        }
    }
    jobs.sort_by_key(|job| job["id"].to_string());
    jobs
}

/// One job is removed by hand, another edited: both are as they were.
async fn hands(namespace: &TestNamespace) {
    let [daily, notes] =
        ["daily", "notes"].map(async |name| namespace.job(AGENT, name).await.expect(name)["id"].clone());
    let (daily, notes) = (daily.await, notes.await);
    namespace.rpc(AGENT, "cron.remove", json!({"id": daily})).await;
    let evil = json!({"payload": {"kind": "agentTurn", "message": "Something else."}});
    namespace.rpc(AGENT, "cron.update", json!({"id": notes, "patch": evil})).await;
    namespace
        .eventually("both are as they were", START, async || {
            let [daily, notes] = ["daily", "notes"].map(async |name| namespace.job(AGENT, name).await);
            match (daily.await, notes.await) {
                (Some(_), Some(notes)) if notes["payload"]["message"] == "Compress notes." => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    let told = async || {
        let id = namespace.declared("daily").await;
        if daily == id.as_str() { Err(id) } else { Ok(()) }
    };
    namespace.eventually("the status of daily has its new id", SOON, told).await;
}

/// The gateway goes in the middle of a run, without a word. The run counts as failed, and the next one works.
async fn killed_during_a_run(namespace: &TestNamespace, id: &str) {
    let slow =
        Rule::text("at last").when_text("Take your time.").delay(MAX_DELAY).path_prefix(namespace.prefix("main"));
    namespace.script(&[slow]).await;
    namespace.run_now("slow", "to be cut off").await;
    namespace
        .eventually("the run is in progress", SOON, async || {
            let held = namespace.job(AGENT, "slow").await.ok_or("no job")?;
            if runs(&held) { Ok(()) } else { Err(held["state"].to_string()) }
        })
        .await;
    kill(namespace, &namespace.gateway(AGENT).await, KILL).await;
    namespace.end_script().await;
    let cut = namespace.last_run("slow", |run| run["status"] == "Failed").await;
    assert!(cut["error"].as_str().is_some_and(|error| error.contains("interrupted")), "{cut}");
    let all = namespace.runs(AGENT, id).await;
    assert_eq!(all.len(), 1, "it was asked for once and ran once: {all:?}");
    namespace.ran_for("slow", "to be cut off").await;
    namespace.run_now("slow", "again").await;
    namespace.cron_job_reason("slow", "Healthy", "Succeeded").await;
}

/// Ends the gateway as a crash of its node does, and waits for the next one. Deleted alone, the gateway would still be told.
async fn kill(namespace: &TestNamespace, pod: &RunningPod, script: &str) {
    // The call itself ends with what it kills.
    namespace.try_in_container(&pod.name, "gateway", script).await.ok();
    let pods: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
    pods.delete(&pod.name, &DeleteParams::default().grace_period(0)).await.expect("the Pod can be deleted");
    namespace.replaced(AGENT, pod).await;
}
