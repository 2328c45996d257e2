//! A gateway's Pod that is gone: the next one waits for it to end, starts, and knows what the one before knew.

use e2e::model_server::{Filter, MAX_DELAY, Rule};
use e2e::suite::{Condition, SOON, TestNamespace};

/// The Pod is deleted in the midst of a turn. The gateway of `owner` runs, with the Provider `main`. Returns how many messages the
/// conversation `s` has then.
pub async fn waits_for_the_one_before_and_has_its_sessions(namespace: &TestNamespace, owner: &str) -> usize {
    let before = namespace.ask_and_see(owner, "s", "words before the end").await.messages;
    let pod = namespace.gateway(owner).await;
    let slow = Rule::echo().when_text("take your time").delay(MAX_DELAY).path_prefix(namespace.prefix("main"));
    namespace.script(&[slow]).await;
    let asked = namespace.models.last_sequence().await.unwrap();
    let turn = namespace.try_ask(owner, owner, "slow", "take your time");
    let ended = async {
        let asked = Filter::default().path_prefix(namespace.prefix("main")).after(asked);
        namespace.models.wait_for_request(&asked, SOON).await.unwrap();
        namespace.delete_pod(&pod).await;
        let waits = |found: &Condition| found.reason == "WaitingForPreviousPod";
        namespace.condition("Agent", owner, "GatewayReady", SOON, waits).await;
        namespace.end_script().await;
        namespace.replaced(owner, &pod).await
    };
    let (answer, pod) = tokio::join!(turn, ended);
    // The gateway drains: the turn that it was in is brought to its end.
    assert_eq!(answer.as_deref(), Ok("You said: take your time"));
    assert_eq!(pod.restarts, 0, "after a Pod that ended slowly");
    namespace.ready(owner).await;
    let after = namespace.ask_and_see(owner, "s", "words after a slow end").await.messages;
    assert!(after > before, "{after} messages, {before} before");
    after
}
