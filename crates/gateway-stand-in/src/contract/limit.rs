//! Thirty writes a minute.

use std::time::Duration;

use serde_json::json;

use super::subject::{Host, Subject};

/// Of each method, whatever becomes of the calls. Others are not limited, nor is what only reads.
pub async fn after_thirty_calls_of_a_method_it_says_when_it_takes_more<H: Host>(subject: &Subject<H>) {
    // Earlier calls are past then.
    subject.host.pass(Duration::from_secs(61)).await;
    let params = json!({"id": "nothing"});
    for call in 1..=30 {
        let refused = subject.call("cron.remove", &params).await.expect_err("there is no such job");
        assert_eq!(refused.status, 400, "call {call}: {refused:?}");
    }
    let refused = subject.call("cron.remove", &params).await.expect_err("too many");
    let error = &refused.body["error"];
    assert_eq!((refused.status, &error["code"]), (503, &json!("UNAVAILABLE")), "{refused:?}");
    assert_eq!(error["retryable"], true, "{refused:?}");
    assert_eq!(error["details"], json!({"method": "cron.remove", "limit": "30 per 60s"}));
    assert!(refused.message().starts_with("rate limit exceeded for cron.remove; retry after "), "{refused:?}");
    let wait = error["retryAfterMs"].as_u64().expect("a time");
    assert!((1..=60_000).contains(&wait), "{refused:?}");
    for method in ["cron.update", "cron.get"] {
        let other = subject.call(method, &json!({"id": "nothing", "patch": {}})).await.expect_err("no such job");
        assert_eq!(other.status, 400, "{method}: {other:?}");
    }
    subject.host.pass(Duration::from_millis(wait)).await;
    let taken = subject.call("cron.remove", &params).await.expect_err("there is no such job");
    assert_eq!(taken.status, 400, "{taken:?}");
}
