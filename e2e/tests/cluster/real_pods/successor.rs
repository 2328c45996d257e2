//! A gateway's Pod that is gone: the next one waits for it to end, starts, and knows what the one before knew.

use e2e::model_server::{Filter, MAX_DELAY, Rule};
use e2e::suite::{SOON, TestNamespace, agent, in_namespace, secret_value};

use super::adoption::the_next_agent_adopts_what_docker_left;

#[tokio::test]
async fn the_next_gateway_waits_for_the_one_before_and_has_its_sessions() {
    in_namespace("successor", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        namespace.apply(&agent("support", "main/small")).await;
        namespace.ready("support").await;
        let first = namespace.ask_and_see("support", "s", "the first words").await.messages;

        let pod = namespace.gateway("support").await;
        namespace.delete_pod(&pod).await;
        let pod = namespace.replaced("support", &pod).await;
        assert_eq!(pod.restarts, 0, "after a Pod that was idle");
        let second = namespace.ask_and_see("support", "s", "words after an idle end").await.messages;
        assert!(second > first, "{second} messages, {first} before");

        let slow = Rule::echo().when_text("take your time").delay(MAX_DELAY).path_prefix(namespace.prefix("main"));
        namespace.script(&[slow]).await;
        let after = namespace.models.last_sequence().await.unwrap();
        let turn = namespace.try_ask("support", "support", "slow", "take your time");
        let ended = async {
            let asked = Filter::default().path_prefix(namespace.prefix("main")).after(after);
            namespace.models.wait_for_request(&asked, SOON).await.unwrap();
            namespace.delete_pod(&pod).await;
            let waits = |found: &e2e::suite::Condition| found.reason == "WaitingForPreviousPod";
            namespace.condition("Agent", "support", "GatewayReady", SOON, waits).await;
            namespace.end_script().await;
            namespace.replaced("support", &pod).await
        };
        let (answer, pod) = tokio::join!(turn, ended);
        // The gateway drains: the turn that it was in is brought to its end.
        assert_eq!(answer.as_deref(), Ok("You said: take your time"));
        assert_eq!(pod.restarts, 0, "after a Pod that ended slowly");
        namespace.ready("support").await;
        let third = namespace.ask_and_see("support", "s", "words after a slow end").await.messages;
        assert!(third > second, "{third} messages, {second} before");

        the_next_agent_adopts_what_docker_left(&namespace, third).await;
    })
    .await;
}
