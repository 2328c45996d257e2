//! `cron.add` as an idempotent declaration.

use serde_json::{Value, json};

use super::document::OTHER;
use super::subject::{Host, Subject, job, with};
use crate::cron::iso;

const DAY_MS: i64 = 86_400_000;

pub async fn a_new_key_makes_a_job_with_what_the_gateway_adds<H: Host>(subject: &Subject<H>) {
    let declared = job("made");
    let answer = subject.ok("cron.add", declared.clone()).await;
    let made = &answer["job"];
    assert_eq!(answer["created"], true, "{answer}");
    assert_eq!((&made["enabled"], &made["createdAtMs"]), (&json!(true), &made["updatedAtMs"]));
    assert!(made["id"].as_str().is_some_and(|id| !id.is_empty()), "{made}");
    assert!(made["state"]["nextRunAtMs"].is_i64(), "{made}");
    let mut expected = declared["payload"].clone();
    expected["toolsAllow"] = json!(["*"]);
    assert_eq!(made["payload"], expected);
    for field in ["name", "description", "agentId", "schedule", "sessionTarget", "wakeMode", "delivery", "failureAlert"]
    {
        assert_eq!(made[field], declared[field], "{field}");
    }
    assert_eq!(subject.get(made).await, *made);
    subject.remove(made).await;
}

pub async fn the_same_again_changes_nothing<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("same")).await;
    for again in [job("same"), with(job("same"), &json!({"enabled": true}))] {
        let answer = subject.ok("cron.add", again).await;
        assert_eq!((&answer["created"], &answer["updated"]), (&json!(false), &json!(false)), "{answer}");
        assert_eq!(answer["job"], made);
    }
    subject.remove(&made).await;
}

pub async fn an_edit_keeps_the_id_and_replaces_schedule_payload_and_delivery<H: Host>(subject: &Subject<H>) {
    let first = with(job("edited"), &json!({"payload": {"kind": "agentTurn", "message": "One", "thinking": "low"}}));
    let made = subject.declare(&first).await;
    let edit = json!({
        "schedule": {"kind": "every", "everyMs": 86_400_000, "anchorMs": 0},
        "payload": {"kind": "agentTurn", "message": "Two", "timeoutSeconds": 60},
        "delivery": {"mode": "webhook", "to": "http://192.0.2.1/"},
    });
    let answer = subject.ok("cron.add", with(first, &edit)).await;
    assert_eq!((&answer["created"], &answer["updated"]), (&json!(false), &json!(true)), "{answer}");
    let edited = &answer["job"];
    assert_eq!((&edited["id"], &edited["createdAtMs"]), (&made["id"], &made["createdAtMs"]));
    assert!(edited["updatedAtMs"].as_i64() > made["updatedAtMs"].as_i64(), "{edited}");
    assert_eq!((&edited["schedule"], &edited["delivery"]), (&edit["schedule"], &edit["delivery"]));
    let whole = json!({"kind": "agentTurn", "message": "Two", "timeoutSeconds": 60, "toolsAllow": ["*"]});
    assert_eq!(edited["payload"], whole, "replaced, not merged");
    assert_ne!(edited["state"]["nextRunAtMs"], made["state"]["nextRunAtMs"]);
    subject.remove(&made).await;
}

/// Whoever tells one edit from the next by the description has to update it.
pub async fn an_edit_reaches_neither_name_nor_description<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("described")).await;
    let words = json!({"name": "second", "description": "second", "wakeMode": "next-heartbeat"});
    let answer = subject.ok("cron.add", with(job("described"), &words)).await;
    assert_eq!((&answer["updated"], &answer["job"]), (&json!(false), &made), "these alone are no edit");
    let message = json!({"payload": {"kind": "agentTurn", "message": "Another."}});
    let edited = subject.declare(&with(with(job("described"), &words), &message)).await;
    assert_eq!(edited["payload"]["message"], "Another.");
    for field in ["name", "description", "wakeMode"] {
        assert_eq!(edited[field], made[field], "{field} stays, beside what is edited");
    }
    subject.remove(&made).await;
}

pub async fn an_edit_reaches_the_display_name<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&with(job("displayed"), &json!({"displayName": "first"}))).await;
    assert_eq!(made["displayName"], "first");
    let answer = subject.ok("cron.add", with(job("displayed"), &json!({"displayName": "second"}))).await;
    assert_eq!((&answer["updated"], &answer["job"]["displayName"]), (&json!(true), &json!("second")), "{answer}");
    let answer = subject.ok("cron.add", job("displayed")).await;
    assert_eq!((&answer["updated"], &answer["job"]["displayName"]), (&json!(true), &Value::Null), "{answer}");
    subject.remove(&made).await;
}

pub async fn another_session_is_refused_without_a_reason<H: Host>(subject: &Subject<H>) {
    let reminder = json!({"sessionTarget": "main", "payload": {"kind": "systemEvent", "text": "Look."}});
    let made = subject.declare(&job("moved")).await;
    subject.refused_without_a_reason("cron.add", with(job("moved"), &reminder)).await;
    assert_eq!(subject.get(&made).await, made, "nothing of it is taken");
    subject.remove(&made).await;
}

pub async fn for_another_agent_it_makes_a_second_job<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("twice")).await;
    let answer = subject.ok("cron.add", with(job("twice"), &json!({"agentId": OTHER}))).await;
    assert_eq!(answer["created"], true, "{answer}");
    assert_ne!(answer["job"]["id"], made["id"]);
    assert_eq!(answer["job"]["declarationKey"], made["declarationKey"]);
    subject.remove(&made).await;
    subject.remove(&answer["job"]).await;
}

pub async fn for_an_agent_that_is_not_there_it_is_refused_without_a_reason<H: Host>(subject: &Subject<H>) {
    subject.refused_without_a_reason("cron.add", with(job("stray"), &json!({"agentId": "stranger"}))).await;
}

pub async fn without_enabled_a_job_that_was_stopped_stays_stopped<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("stopped")).await;
    subject.update(&made, json!({"enabled": false})).await;
    let message = json!({"payload": {"kind": "agentTurn", "message": "Another."}});
    let edited = subject.declare(&with(job("stopped"), &message)).await;
    assert_eq!((&edited["enabled"], &edited["payload"]["message"]), (&json!(false), &json!("Another.")));
    subject.remove(&made).await;
}

pub async fn enabled_said_again_starts_a_stopped_job_and_its_counters_over<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&job("resumed")).await;
    let enabled = with(job("resumed"), &json!({"enabled": true}));
    subject.update(&made, json!({"state": {"consecutiveErrors": 4}})).await;
    let running = subject.declare(&enabled).await;
    assert_eq!(running["state"]["consecutiveErrors"], 4, "one that was not stopped goes on counting");
    subject.update(&made, json!({"enabled": false})).await;
    let resumed = subject.declare(&enabled).await;
    assert_eq!((&resumed["enabled"], &resumed["state"]["consecutiveErrors"]), (&json!(true), &json!(0)));
    assert_eq!(resumed["state"]["nextRunAtMs"], made["state"]["nextRunAtMs"]);
    subject.remove(&made).await;
}

pub async fn a_schedule_that_cannot_be_read_is_refused_with_a_reason<H: Host>(subject: &Subject<H>) {
    let now = subject.now().await;
    for (schedule, words) in [
        (json!({"kind": "cron", "expr": "nope 4 * * *", "tz": "UTC"}), "CronPattern"),
        (json!({"kind": "cron", "expr": "0 4 * * *", "tz": "Eurpe/Paris"}), "Eurpe/Paris"),
        (json!({"kind": "cron", "expr": "0 0 31 2 *", "tz": "UTC"}), "would never fire"),
        (json!({"kind": "every", "everyMs": 0}), "/schedule/everyMs: must be >= 1"),
        (json!({"kind": "at", "at": iso(now - DAY_MS)}), "schedule.at is in the past"),
        (json!({"kind": "at", "at": iso(now + 3660 * DAY_MS)}), "schedule.at is too far in the future"),
    ] {
        subject.refused_because("cron.add", with(job("unreadable"), &json!({"schedule": schedule})), words).await;
    }
}

pub async fn an_unknown_field_is_refused_with_a_reason<H: Host>(subject: &Subject<H>) {
    let unknown = with(job("unknown"), &json!({"bogus": 1}));
    subject.refused_because("cron.add", unknown, "at root: unexpected property 'bogus'").await;
    let empty = json!({"payload": {"kind": "agentTurn", "message": ""}});
    let words = "at /payload/message: must not have fewer than 1 characters";
    subject.refused_because("cron.add", with(job("empty"), &empty), words).await;
    let turn = with(job("turn"), &json!({"sessionTarget": "main"}));
    subject.refused_because("cron.add", turn, "main cron jobs require payload.kind=\"systemEvent\"").await;
}

pub async fn the_gateways_own_keys_are_refused<H: Host>(subject: &Subject<H>) {
    let own = with(job("own"), &json!({"declarationKey": "heartbeat:writer"}));
    subject.refused_because("cron.add", own, "system-owned").await;
}

/// So it is what is compared with the job that the gateway lists.
pub async fn a_message_is_trimmed_and_a_time_is_written_in_utc<H: Host>(subject: &Subject<H>) {
    let tomorrow = subject.now().await / 1000 * 1000 + DAY_MS;
    let in_paris = iso(tomorrow + 3_600_000).replace(".000Z", "+01:00");
    let written = json!({
        "payload": {"kind": "agentTurn", "message": "  A block of YAML\n"},
        "schedule": {"kind": "at", "at": in_paris},
        "deleteAfterRun": false,
    });
    let made = subject.declare(&with(job("written"), &written)).await;
    assert_eq!(made["payload"]["message"], "A block of YAML");
    assert_eq!(made["schedule"], json!({"kind": "at", "at": iso(tomorrow)}));
    assert_eq!(made["deleteAfterRun"], false);
    let interval = json!({"schedule": {"kind": "every", "everyMs": 86_400_000}});
    let made_every = subject.declare(&with(job("anchored"), &interval)).await;
    assert_eq!(made_every["schedule"]["anchorMs"], made_every["createdAtMs"]);
    subject.remove(&made).await;
    subject.remove(&made_every).await;
}
