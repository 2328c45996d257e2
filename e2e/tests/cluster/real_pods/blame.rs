//! Keys that a real gateway rejects: only whoever wrote them is at fault, and everybody else's edits go live.

use e2e::suite::{Condition, RunningPod, SOON, TestNamespace, joined_agent};
use serde_json::{Value, json};

/// Two Agents on the gateway of `support`, whose Pod this is. Returns the Pod that runs in the end.
pub async fn each_answers_for_their_own_keys(namespace: &TestNamespace, pod: &RunningPod) -> RunningPod {
    namespace.apply(&joined_agent("writer", "support", "main/small")).await;
    namespace.ready("writer").await;

    of_agent(namespace, "writer", &json!({"noSuchKey": 1})).await;
    let writer = ["spec.config of Agent \"writer\"", "agents.entries.writer", "noSuchKey"];
    rejected(namespace, "writer", &writer).await;
    of_agent(namespace, "support", &json!({"typingMode": "message"})).await;
    super::passthrough::in_force(namespace, "support", "agents.entries.support.typingMode").await;
    namespace.ready("support").await;
    rejected(namespace, "writer", &writer).await;
    namespace.ready("writer").await;
    both_answer(namespace, pod, "while one is at fault").await;

    of_gateway(namespace, &json!({"messages": {"noSuchKey": 1}})).await;
    let support = ["spec.gateway.config of Agent \"support\"", "messages", "noSuchKey"];
    rejected(namespace, "support", &support).await;
    rejected(namespace, "writer", &writer).await;
    both_answer(namespace, pod, "while both are at fault").await;

    namespace.delete_pod(pod).await;
    let next = namespace.replaced("support", pod).await;
    assert_eq!(next.restarts, 0);
    both_answer(namespace, &next, "after a restart").await;
    rejected(namespace, "support", &support).await;
    rejected(namespace, "writer", &writer).await;

    of_gateway(namespace, &json!({"messages": null})).await;
    of_agent(namespace, "writer", &json!({"noSuchKey": null, "typingMode": "message"})).await;
    super::passthrough::in_force(namespace, "writer", "agents.entries.writer.typingMode").await;
    namespace.ready("support").await;
    both_answer(namespace, &next, "with mended keys").await;
    next
}

/// OpenClaw holds this valid, does not apply it, and does not start with it: a session key with a template asks for a list of prefixes.
pub async fn what_is_valid_and_never_applied_is_its_authors(namespace: &TestNamespace, pod: &RunningPod) {
    let mapping = json!({
        "id": "forge", "match": {"path": "forge"}, "action": "agent", "agentId": "support", "name": "Forge",
        "messageTemplate": "Push", "sessionKey": "hook:{{payload.id}}", "deliver": false
    });
    of_gateway(namespace, &json!({"hooks": {"enabled": true, "path": "/hooks", "mappings": [mapping]}})).await;
    rejected(namespace, "support", &["spec.gateway.config of Agent \"support\"", "did not apply it"]).await;
    namespace.ready("writer").await;
    both_answer(namespace, pod, "with the accepted keys").await;
    of_gateway(namespace, &json!({"hooks": {"enabled": false, "path": null, "mappings": null}})).await;
    namespace.ready("support").await;
    both_answer(namespace, pod, "without the hooks").await;
}

/// OpenClaw reads the settings of a skill whatever is in them.
pub async fn much_text_is_applied(namespace: &TestNamespace, pod: &RunningPod) {
    let skill = |config: &Value| json!({"skills": {"entries": {"notes": {"config": config}}}});
    of_gateway(namespace, &skill(&json!({"text": "x".repeat(200 << 10)}))).await;
    super::passthrough::in_force(namespace, "support", "skills.entries.notes.config.text").await;
    both_answer(namespace, pod, "with 200 KiB").await;
    of_gateway(namespace, &skill(&Value::Null)).await;
    namespace.applied("support").await;
}

/// Merges these keys into `spec.config`.
async fn of_agent(namespace: &TestNamespace, agent: &str, config: &Value) {
    namespace.merge("Agent", agent, &json!({"spec": {"config": config}})).await;
}

/// Merges these keys into `spec.gateway.config`.
async fn of_gateway(namespace: &TestNamespace, config: &Value) {
    namespace.merge("Agent", "support", &json!({"spec": {"gateway": {"config": config}}})).await;
}

/// Waits until the Agent is at fault with all of these words.
async fn rejected(namespace: &TestNamespace, agent: &str, words: &[&str]) {
    let is_rejected = |found: &Condition| {
        let has_words = words.iter().all(|word| found.message.contains(word));
        found.status == "False" && found.reason == "Rejected" && has_words
    };
    namespace.condition("Agent", agent, "ConfigApplied", SOON, is_rejected).await;
}

/// The same Pod answers for both.
async fn both_answer(namespace: &TestNamespace, pod: &RunningPod, words: &str) {
    for agent in ["support", "writer"] {
        let answers = async || namespace.try_ask("support", agent, "s", words).await;
        let answer = namespace.eventually(&format!("{agent} answers {words}"), SOON, answers).await;
        assert_eq!(answer, format!("You said: {words}"));
    }
    assert_eq!(namespace.running("support").await, std::slice::from_ref(pod));
}
