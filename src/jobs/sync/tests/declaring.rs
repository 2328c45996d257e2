//! What the gateway is sent.

use gateway_stand_in::{Outcome, Turns};

use super::*;
use crate::openclaw::cron::job::AutoDisabled;

#[tokio::test]
async fn a_cron_job_becomes_a_job_and_a_second_reconcile_sends_nothing() {
    let mut bench = Bench::new(vec![notes()]).await;
    assert_eq!(bench.reconcile().await.0.jobs["notes"].state, SyncState::Synced);
    let job = bench.only_job();
    assert_eq!((&job["declarationKey"], &job["agentId"]), (&json!("k8s:assistants/notes"), &json!("writer")));
    assert_eq!((&job["payload"]["message"], &job["enabled"]), (&json!("Compress notes"), &json!(true)));
    assert_eq!(bench.gateway.take_methods(), ["cron.list", "cron.add"]);

    let (_, again) = bench.reconcile().await;
    assert_eq!(bench.gateway.take_methods(), Vec::<String>::new(), "nothing is new");
    assert!(again > Duration::ZERO, "{again:?}");
    assert_eq!(bench.state_of("notes").await, SyncState::Synced);
    assert_eq!(bench.gateway.take_methods(), ["cron.list"]);
    assert_eq!(bench.only_job()["updatedAtMs"], job["updatedAtMs"]);
}

#[tokio::test]
async fn an_edit_is_sent_once() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.reconcile().await;
    let before = bench.only_job();
    bench.edit(|job| job.spec.message = "Sort notes".into());
    bench.reconcile().await;
    let after = bench.only_job();
    assert_eq!((&after["id"], &after["payload"]["message"]), (&before["id"], &json!("Sort notes")));
    assert_eq!(bench.writes(), ["cron.add", "cron.add"]);
    assert_eq!(bench.state_of("notes").await, SyncState::Synced);
    assert_eq!(bench.writes(), Vec::<String>::new(), "the gateway has it");
}

/// After ten failures the gateway stops a job, and an edit of the CronJob is what starts it again: the first edit does not do so for ever.
#[tokio::test]
async fn a_job_that_the_gateway_gave_up_stays_given_up_until_the_next_edit() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.reconcile().await;
    for edit in ["Sort notes", "Count notes"] {
        bench.edit(|job| job.spec.message = edit.into());
        assert_eq!(bench.state_of("notes").await, SyncState::Synced);
        assert_eq!(bench.only_job()["enabled"], true, "started by the edit");
        bench.gateway.set_turns(Turns::Fail);
        for _ in 0..10 {
            bench.gateway.pass(Duration::from_hours(1));
        }
        let given_up = bench.only_job();
        assert_eq!(given_up["enabled"], false);
        let found = bench.after_restart().await.jobs["notes"].clone();
        let stopped = found.job.unwrap().state.auto_disabled.map(|stopped: AutoDisabled| stopped.reason);
        assert_eq!((found.state, stopped.as_deref()), (SyncState::Synced, Some("consecutive-failures")));
        assert_eq!(bench.only_job(), given_up);
    }
}

#[tokio::test]
async fn a_job_that_moves_to_another_session_keeps_its_id() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.reconcile().await;
    let before = bench.only_job();
    bench.edit(|job| job.spec.session = Some(crate::api::cron_job::Session::Main));
    bench.reconcile().await;
    assert_eq!(bench.state_of("notes").await, SyncState::Synced);
    let after = bench.only_job();
    assert_eq!((&after["id"], &after["sessionTarget"]), (&before["id"], &json!("main")));
    assert_eq!(after["payload"]["text"], "Compress notes");
    bench.writes();
    assert_eq!(bench.state_of("notes").await, SyncState::Synced);
    assert_eq!(bench.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_job_that_moves_to_another_agent_keeps_its_id() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.reconcile().await;
    let before = bench.only_job();
    bench.edit(|job| job.spec.agent_ref.name = JOINED.into());
    bench.reconcile().await;
    assert_eq!(bench.state_of("notes").await, SyncState::Synced);
    let after = bench.only_job();
    assert_eq!((&after["id"], &after["agentId"]), (&before["id"], &json!(JOINED)));
}

#[tokio::test]
async fn a_change_that_the_gateway_accepts_and_does_not_show_is_not_sent_again_at_once() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.reconcile().await;
    let (id, unknown) = (bench.only_job()["id"].clone(), json!({"name": "mine"}));
    let _ = bench.gateway.ask("cron.update", &json!({"id": id, "patch": unknown}));
    bench.edit(|_| {});
    bench.reconcile().await;
    // Somebody who changes it back each time looks the same.
    let _ = bench.gateway.ask("cron.update", &json!({"id": id, "patch": unknown}));
    bench.writes();
    bench.edit(|_| {});
    let state = bench.reconcile().await.0.jobs["notes"].state.clone();
    assert!(matches!(&state, SyncState::Rejected(words) if words.contains("does not show it")), "{state:?}");
    assert_eq!(bench.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_job_goes_with_its_cron_job_and_those_of_others_stay() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.reconcile().await;
    let by_hand = json!({
        "name": "mine", "agentId": OWNER, "sessionTarget": "isolated", "schedule": {"kind": "every", "everyMs": 60_000},
        "payload": {"kind": "agentTurn", "message": "Mine."},
    });
    let mine = bench.gateway.ask("cron.add", &by_hand)["id"].clone();
    bench.world.cron_jobs.clear();
    bench.reconcile().await;
    assert_eq!(bench.jobs(), Vec::<Value>::new());
    assert_eq!(bench.gateway.ask("cron.get", &json!({"id": mine}))["id"], mine);
}

#[tokio::test]
async fn an_edit_by_hand_is_undone_and_the_counters_stay() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.reconcile().await;
    let id = bench.only_job()["id"].clone();
    let patch = json!({"payload": {"kind": "agentTurn", "message": "Mine."}, "state": {"consecutiveErrors": 4}});
    let _ = bench.gateway.ask("cron.update", &json!({"id": id, "patch": patch}));
    assert_eq!(bench.state_of("notes").await, SyncState::Synced);
    let job = bench.only_job();
    assert_eq!((&job["payload"]["message"], &job["state"]["consecutiveErrors"]), (&json!("Compress notes"), &json!(4)));
}

#[tokio::test]
async fn a_job_is_paused_when_its_run_has_ended() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.reconcile().await;
    bench.gateway.set_turns(Turns::Hold);
    bench.gateway.pass(Duration::from_mins(10));
    bench.edit(|job| job.spec.suspend = true);
    bench.after_restart().await;
    let running = bench.only_job();
    assert!(running["enabled"] == true && running["state"]["runningAtMs"].is_number(), "{running}");
    assert!(bench.gateway.finish_run(running["id"].as_str().unwrap(), &Outcome::Done));
    bench.after_restart().await;
    let paused = bench.only_job();
    assert_eq!((&paused["enabled"], &paused["state"]["lastRunStatus"]), (&json!(false), &json!("ok")));
}

#[tokio::test]
async fn what_has_run_is_found() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.world.agents[0].spec.heartbeat = Some(serde_json::from_value(json!({"every": "30m"})).unwrap());
    let mut document = crate::tests::stand_in::document(&[OWNER, JOINED]);
    document["agents"]["entries"][OWNER]["heartbeat"] = json!({"every": "30m"});
    bench.gateway.configure(&document.to_string());
    bench.reconcile().await;
    bench.gateway.pass(Duration::from_mins(20));
    bench.gateway.set_turns(Turns::Fail);
    bench.gateway.pass(Duration::from_mins(10));
    let found = bench.after_restart().await;
    let runs = &found.jobs["notes"].runs;
    assert_eq!(runs.len(), 3, "{runs:?}");
    assert!(runs[0].error_message().is_some() && runs[2].error_message().is_none(), "newest first: {runs:?}");
    assert_eq!(found.jobs["notes"].job.as_ref().unwrap().state.consecutive_errors, 1);
    assert_eq!(found.heartbeats.keys().collect::<Vec<_>>(), [OWNER], "{found:?}");
}
