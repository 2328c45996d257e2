//! One namespace does its worst, and an Agent in another one starts, is edited, gets another key and answers. Alone, because it takes the
//! API server's memory, and what is counted is the operator's alone.

use e2e::suite::operator::{Leader, restart};
use e2e::suite::{
    MARKER, MARKER_BASE64, TestNamespace, Worst, agent, in_namespace, operator_log, secret, secret_value,
    with_fake_nodes,
};
use serde_json::json;

#[tokio::test]
async fn a_namespace_that_does_its_worst_is_not_noticed_in_another() {
    with_fake_nodes(1, async |nodes| {
        in_namespace("worst", async |worst| {
            let worst = Worst::begin(&worst, nodes).await;
            in_namespace("beside", async |beside| {
                // What is there is listed once more, and what a namespace does meanwhile meets an operator that has just begun.
                restart(&beside.client).await;
                let before = Leader::of(&beside.client).await;
                worst.during(Box::pin(lives(&beside))).await;
                assert_eq!(Leader::of(&beside.client).await, before, "the same process is the leader all the time");
                let log = operator_log(&beside.client, 100_000).await;
                let bytes = log.lines().map(str::len).max().unwrap_or_default();
                assert!(!log.is_empty() && bytes < 20_000, "a line of the log has {bytes} bytes");
                assert!(!log.contains(MARKER) && !log.contains(MARKER_BASE64), "the log holds a Secret's value");
            })
            .await;
            worst.end().await;
        })
        .await;
    })
    .await;
}

/// What people do with an Agent.
async fn lives(beside: &TestNamespace) {
    beside.serve("main", &secret_value("first")).await;
    beside.apply(&agent("desk", "main/small")).await;
    beside.ready("desk").await;
    beside.ask("desk", "s", "Hello.").await;
    let pod = beside.gateway("desk").await;
    let model = json!({"spec": {"model": {"primary": {"provider": "main", "model": "large"}}}});
    beside.merge("Agent", "desk", &model).await;
    beside.applied("desk").await;
    assert_eq!(beside.gateway("desk").await, pod, "an edit needs no other Pod");
    let second = secret_value("second");
    beside.apply(&secret("main", "api-key", &second)).await;
    beside.replaced("desk", &pod).await;
    beside.ready("desk").await;
    let seen = beside.ask_and_see("desk", "s", "Hello again.").await;
    assert!(seen.api_key.as_deref() == Some(&second), "another key than the second was on the wire");
}
