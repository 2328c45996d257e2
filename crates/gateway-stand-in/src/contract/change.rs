//! `cron.update` and `cron.remove`.

use serde_json::{Value, json};

use super::document::OTHER;
use super::subject::{Host, Subject, job, with};

pub async fn an_update_changes_what_it_names_and_merges_the_payload<H: Host>(subject: &Subject<H>) {
    let thinking = json!({"payload": {"kind": "agentTurn", "message": "One", "thinking": "low"}});
    let made = subject.declare(&with(job("patched"), &thinking)).await;
    let patched = subject.update(&made, json!({"payload": {"kind": "agentTurn", "message": "Two"}})).await;
    let merged = json!({"kind": "agentTurn", "message": "Two", "thinking": "low", "toolsAllow": ["*"]});
    assert_eq!(patched["payload"], merged);
    for field in ["id", "schedule", "delivery", "description", "enabled", "createdAtMs"] {
        assert_eq!(patched[field], made[field], "{field}");
    }
    assert_eq!(subject.get(&made).await, patched);
    subject.remove(&made).await;
}

pub async fn an_update_reaches_name_description_and_session<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("renamed")).await;
    let words =
        json!({"name": "second", "description": "second", "displayName": "shown", "wakeMode": "next-heartbeat"});
    let renamed = subject.update(&made, words.clone()).await;
    for (field, value) in words.as_object().unwrap() {
        assert_eq!(renamed[field], *value, "{field}");
    }
    let reminder = json!({"sessionTarget": "main", "payload": {"kind": "systemEvent", "text": "Look."}});
    let moved = subject.update(&made, reminder).await;
    assert_eq!((&moved["id"], &moved["sessionTarget"]), (&made["id"], &json!("main")));
    assert_eq!(moved["payload"]["text"], "Look.");
    subject.remove(&made).await;
}

/// So nothing is sent that says nothing new.
pub async fn an_update_of_nothing_counts_as_one<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("touched")).await;
    let touched = subject.update(&made, json!({})).await;
    assert!(touched["updatedAtMs"].as_i64() > made["updatedAtMs"].as_i64(), "{touched}");
    let unknown = json!({"id": made["id"], "patch": {"declarationKey": "k8s:contract/other"}});
    subject.refused_because("cron.update", unknown, "at /patch: unexpected property 'declarationKey'").await;
    subject.remove(&made).await;
}

pub async fn a_job_is_given_to_another_agent_but_not_to_one_that_is_not_there<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("given")).await;
    let stranger = json!({"id": made["id"], "patch": {"agentId": "stranger"}});
    subject.refused_without_a_reason("cron.update", stranger).await;
    let given = subject.update(&made, json!({"agentId": OTHER})).await;
    assert_eq!((&given["id"], &given["agentId"]), (&made["id"], &json!(OTHER)));
    let declared = subject.ok("cron.add", with(job("given"), &json!({"agentId": OTHER}))).await;
    assert_eq!((&declared["created"], &declared["job"]["id"]), (&json!(false), &made["id"]), "it is that agent's now");
    subject.remove(&made).await;
}

pub async fn a_job_that_is_disabled_has_no_next_run<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("disabled")).await;
    let disabled = subject.update(&made, json!({"enabled": false})).await;
    assert_eq!((&disabled["enabled"], &disabled["state"]["nextRunAtMs"]), (&json!(false), &Value::Null));
    let enabled = subject.update(&made, json!({"enabled": true})).await;
    assert_eq!(enabled["state"]["nextRunAtMs"], made["state"]["nextRunAtMs"]);
    subject.remove(&made).await;
}

pub async fn a_job_that_is_gone_is_told_by_its_code<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("gone")).await;
    assert_eq!(subject.ok("cron.remove", json!({"id": made["id"]})).await["removed"], true);
    let nowhere = json!("00000000-0000-4000-8000-ffffffffffff");
    for (method, params) in [
        ("cron.get", json!({"id": made["id"]})),
        ("cron.update", json!({"id": made["id"], "patch": {"enabled": false}})),
        ("cron.remove", json!({"id": made["id"]})),
        ("cron.run", json!({"id": made["id"], "mode": "force"})),
        ("cron.runs", json!({"jobId": nowhere, "limit": 5})),
    ] {
        let refused = subject.refused(method, params).await;
        assert_eq!(refused.status, 400, "{method}: {refused:?}");
        assert_eq!(refused.body["error"]["details"]["code"], "CRON_JOB_NOT_FOUND", "{method}: {refused:?}");
    }
}

pub async fn a_job_of_the_gateway_itself_is_not_changed<H: Host>(subject: &Subject<H>) {
    let all = subject.list().await;
    let own = all.iter().find(|job| job["declarationKey"] == "heartbeat:writer").expect("a heartbeat");
    let patch = json!({"id": own["id"], "patch": {"enabled": true}});
    subject.refused_without_a_reason("cron.update", patch).await;
    subject.refused_without_a_reason("cron.remove", json!({"id": own["id"]})).await;
}
