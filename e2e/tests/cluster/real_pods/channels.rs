//! A Telegram bot of an Agent, against a Bot API server that speaks the real protocol: whom it answers, and what is said of one that cannot
//! connect. The gateway has both tokens, so nothing of it recreates the Pod.

use e2e::suite::{BOTS, Condition, START, Shared, TestNamespace, bot_api_root, on_shared};
use serde_json::{Value, json};

const PERSON: i64 = 12345;
const STRANGER: i64 = 999;

#[tokio::test]
async fn a_bot_answers_those_who_may_write_to_it_and_one_that_telegram_rejects_concerns_nothing_else() {
    on_shared(Shared::Plain, "bot", async |namespace: TestNamespace| {
        let [(good, token), (unknown, _)] = BOTS;
        namespace.models.make_bot(token).await.expect("a bot");
        let agent = namespace.join("ada").await;
        let pod = namespace.gateway(namespace.host_of(&agent)).await;
        talk(&namespace, &agent, good).await;
        connected(&namespace, &agent).await;
        let [hers, his] = ["Hello from", "Let me in from"].map(|words| format!("{words} {}", namespace.scope));
        namespace.models.write_to_bot(token, STRANGER, &his).await.expect("a message");
        namespace.models.write_to_bot(token, PERSON, &hers).await.expect("a message");
        namespace
            .eventually("the bot answers", START, async || {
                let sent = sent(&namespace, token).await;
                let is_answer = |message: &Value| message["text"].as_str().is_some_and(|text| text.contains(&hers));
                if sent.iter().any(is_answer) { Ok(()) } else { Err(format!("{sent:?}")) }
            })
            .await;

        talk(&namespace, &agent, unknown).await;
        let refused = |found: &Condition| found.status == "False" && found.reason == "ChannelUnauthorized";
        let told = namespace.condition("Agent", &agent, "ChannelsReady", START, refused).await;
        assert!(told.message.contains("401"), "{}", told.message);
        let channel = namespace.get("Agent", &agent).await.data["status"]["channels"][0].clone();
        assert_eq!((&channel["name"], &channel["state"]), (&json!("main"), &json!("Blocked")), "{channel}");
        namespace.ready(&agent).await;
        namespace.ask(&agent, "s", "are you there").await;

        talk(&namespace, &agent, good).await;
        connected(&namespace, &agent).await;
        let to =
            |chat: i64| move |message: &Value| [json!(chat), json!(chat.to_string())].contains(&message["chat_id"]);
        let sent = sent(&namespace, token).await;
        assert!(sent.iter().any(to(PERSON)) && !sent.iter().any(to(STRANGER)), "{sent:?}");
        assert_eq!(namespace.running(namespace.host_of(&agent)).await, [pod]);
    })
    .await;
}

/// Gives the Agent a channel with the token in this Secret.
async fn talk(namespace: &TestNamespace, agent: &str, secret: &str) {
    let token = json!({"secretKeyRef": {"name": secret, "key": "token"}});
    let allowed = [PERSON.to_string()];
    let bot =
        json!({"botToken": token, "allowFrom": allowed, "apiRoot": bot_api_root(), "config": {"linkPreview": false}});
    let channels = json!([{"name": "main", "telegram": bot}]);
    namespace.merge("Agent", agent, &json!({"spec": {"channels": channels}})).await;
}

async fn connected(namespace: &TestNamespace, agent: &str) {
    namespace.condition("Agent", agent, "ChannelsReady", START, |found| found.status == "True").await;
}

async fn sent(namespace: &TestNamespace, token: &str) -> Vec<Value> {
    namespace.models.sent_by_bot(token).await.expect("what the bot has sent")
}
