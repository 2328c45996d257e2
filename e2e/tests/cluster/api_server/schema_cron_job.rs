//! What the API server refuses of a CronJob, and in which words. Only dry runs: nothing is made.

use serde_json::{Value, json};

use super::stage::{Server, cron_job, cron_job_with, merged};

/// The CronJob with these fields is refused with these words.
async fn refused(server: &Server, spec: Value, words: &str) {
    let object = cron_job_with("j", "a", spec);
    let said = server.dry_run(&object).await.expect_err(&format!("{object} was accepted"));
    assert!(said.contains(words), "{object} was refused, but in other words: {said}");
}

async fn accepted(server: &Server, spec: Value) {
    let object = cron_job_with("j", "a", spec);
    server.dry_run(&object).await.unwrap_or_else(|said| panic!("{object} was refused: {said}"));
}

/// Instead of the schedule that the object would have.
fn without_schedule(spec: Value) -> Value {
    merged(json!({"schedule": null}), spec)
}

#[tokio::test]
async fn exactly_one_of_schedule_every_and_at_says_when() {
    let server = Server::new().await;
    let words = "set exactly one of schedule (five cron fields), every (a duration) and at (a time)";
    let at = "2099-02-01T16:00:00+01:00";
    for when in [
        without_schedule(json!({})),
        json!({"every": "30m"}),
        json!({"at": at}),
        without_schedule(json!({"every": "30m", "at": at})),
        json!({"every": "30m", "at": at}),
    ] {
        refused(&server, when, words).await;
    }
    accepted(&server, json!({"schedule": "0 4 * * *"})).await;
    accepted(&server, without_schedule(json!({"every": "30m"}))).await;
    accepted(&server, without_schedule(json!({"at": at}))).await;
    let said = "date-time";
    for at in ["tomorrow", "2099-02-01", "16:00"] {
        refused(&server, without_schedule(json!({"at": at})), said).await;
    }
}

#[tokio::test]
async fn a_schedule_has_five_fields() {
    let server = Server::new().await;
    let words = "schedule must have five fields separated by spaces: minute, hour, day of month, month, day of week";
    for schedule in ["0 4 * * * *", "0 4 * *   ", "00 04 ** **", "0\t4\t*\t*\t*", " 0 4 * * *", "0 4 * * * "] {
        refused(&server, json!({"schedule": schedule}), words).await;
    }
    // Shorter than five fields can be.
    for schedule in ["@daily", "* * * *", ""] {
        refused(&server, json!({"schedule": schedule}), "spec.schedule").await;
    }
    for schedule in ["0 4 * * *", "*/15 8-18 * * MON-FRI", "0  4  *  *  *", "30 9 1,15 JAN-JUN 5L"] {
        accepted(&server, json!({"schedule": schedule})).await;
    }
}

#[tokio::test]
async fn a_time_zone_goes_with_a_schedule_only() {
    let server = Server::new().await;
    let words = "timeZone is only allowed with schedule";
    let zone = json!({"timeZone": "Europe/Paris"});
    refused(&server, without_schedule(merged(zone.clone(), json!({"every": "30m"}))), words).await;
    refused(&server, without_schedule(merged(zone.clone(), json!({"at": "2099-02-01T16:00:00Z"}))), words).await;
    refused(&server, json!({"timeZone": ""}), "spec.timeZone").await;
    accepted(&server, zone).await;
}

#[tokio::test]
async fn every_is_a_duration_from_a_second_to_a_year() {
    let server = Server::new().await;
    let too_short_or_long = ["0s", "500ms", "999ms", "8761h", "9000h"];
    // From the largest unit to the smallest, each once.
    let otherwise_written = ["30", "1d", "-30m", "1.5h", "half an hour", "30m1h", "1h1h", "5ms1s"];
    for every in too_short_or_long.iter().chain(&otherwise_written) {
        refused(&server, without_schedule(json!({"every": every})), "every must be a duration from 1s to 8760h").await;
    }
    for every in ["1s", "1500ms", "1h30m", "1h30m10s5ms", "1h5ms", "8760h"] {
        accepted(&server, without_schedule(json!({"every": every}))).await;
    }
}

#[tokio::test]
async fn a_run_may_take_from_a_second_to_a_day() {
    let server = Server::new().await;
    for timeout in ["0s", "100ms", "25h", "24h1s", "10", "30m1h", "1h1h"] {
        refused(&server, json!({"timeout": timeout}), "timeout must be a duration from 1s to 24h").await;
    }
    for timeout in ["1s", "10m", "24h"] {
        accepted(&server, json!({"timeout": timeout})).await;
    }
}

#[tokio::test]
async fn missed_runs_are_skipped_or_made_up_for_by_one() {
    let server = Server::new().await;
    refused(&server, json!({"missedRuns": "RunAll"}), "spec.missedRuns").await;
    for policy in ["Skip", "RunOnce"] {
        accepted(&server, json!({"missedRuns": policy})).await;
    }
}

#[tokio::test]
async fn a_reminder_in_the_main_session_has_no_model_time_limit_thinking_or_delivery() {
    let server = Server::new().await;
    let words = "session Main sends the message to the Agent's main session";
    let model = json!({"model": {"primary": {"provider": "p", "model": "small"}}});
    let announced = json!({"delivery": {"mode": "Announce", "channel": "telegram", "to": "12345"}});
    let posted = json!({"delivery": {"mode": "Webhook", "url": "https://hooks.example.com/notes"}});
    for part in [model, json!({"timeout": "10m"}), json!({"thinking": "low"}), announced, posted] {
        refused(&server, merged(part.clone(), json!({"session": "Main"})), words).await;
        accepted(&server, part.clone()).await;
        accepted(&server, merged(part, json!({"session": "Isolated"}))).await;
    }
    accepted(&server, json!({"session": "Main"})).await;
    accepted(&server, json!({"session": "Main", "delivery": {"mode": "None"}})).await;
}

#[tokio::test]
async fn a_delivery_names_what_its_mode_needs_and_nothing_else() {
    let server = Server::new().await;
    let delivery = |delivery: Value| json!({"delivery": delivery});
    let announce = "mode Announce requires channel and to; other modes allow neither";
    for incomplete in [
        json!({"mode": "Announce"}),
        json!({"mode": "Announce", "channel": "telegram"}),
        json!({"mode": "Announce", "to": "12345"}),
        json!({"mode": "None", "channel": "telegram"}),
        json!({"channel": "telegram", "to": "12345"}),
        json!({"mode": "Webhook", "url": "https://hooks.example.com/notes", "to": "12345"}),
    ] {
        refused(&server, delivery(incomplete), announce).await;
    }
    let webhook = "mode Webhook requires url; other modes do not allow it";
    let url = "https://hooks.example.com/notes";
    for incomplete in [
        json!({"mode": "Webhook"}),
        json!({"mode": "None", "url": url}),
        json!({"url": url}),
        json!({"mode": "Announce", "channel": "telegram", "to": "12345", "url": url}),
    ] {
        refused(&server, delivery(incomplete), webhook).await;
    }
    for url in ["hooks.example.com", "ftp://example.com/", "https://user:key@example.com/", "https://", "/notes"] {
        let posted = json!({"mode": "Webhook", "url": url});
        refused(&server, delivery(posted), "url must be an http or https URL without credentials").await;
    }
    for whole in [
        json!({}),
        json!({"mode": "None"}),
        json!({"mode": "Announce", "channel": "telegram", "to": "12345"}),
        json!({"mode": "Webhook", "url": url}),
    ] {
        accepted(&server, delivery(whole)).await;
    }
}

#[tokio::test]
async fn something_is_to_be_done_and_not_too_much_of_it() {
    let server = Server::new().await;
    refused(&server, json!({"message": ""}), "spec.message").await;
    refused(&server, json!({"message": " \n\t"}), "message must not be blank").await;
    refused(&server, json!({"message": null}), "spec.message").await;
    refused(&server, json!({"message": "x".repeat(32_769)}), "spec.message").await;
    accepted(&server, json!({"message": "x".repeat(32_768)})).await;
}

#[tokio::test]
async fn words_that_do_not_exist_are_refused_with_those_that_do() {
    let server = Server::new().await;
    refused(&server, json!({"session": "main"}), "supported values: \"Isolated\", \"Main\"").await;
    refused(&server, json!({"thinking": "hard"}), "supported values: \"off\", \"minimal\", \"low\"").await;
    let posted = json!({"delivery": {"mode": "Post"}});
    refused(&server, posted, "supported values: \"None\", \"Announce\", \"Webhook\"").await;
    refused(&server, json!({"suspend": "yes"}), "spec.suspend").await;
    refused(&server, json!({"timezone": "Europe/Paris"}), "unknown field \"spec.timezone\"").await;
    refused(&server, json!({"agentRef": {"name": ""}}), "spec.agentRef.name").await;
    for thinking in ["off", "minimal", "low", "medium", "high", "xhigh", "adaptive", "max", "ultra"] {
        accepted(&server, json!({"thinking": thinking})).await;
    }
}

#[tokio::test]
async fn the_name_of_a_cron_job_is_a_dns_label() {
    let server = Server::new().await;
    let long = "a".repeat(64);
    for name in [long.as_str(), "a.b", "1a"] {
        let said = server.dry_run(&cron_job(name, "a")).await.expect_err(name);
        assert!(said.contains("the name of a CronJob must be a DNS label"), "{said}");
    }
    for name in [&long[..63], "a", "nightly-2"] {
        server.dry_run(&cron_job(name, "a")).await.expect(name);
    }
}
