//! To whom an Agent hands work: to those that are listed, and to no other.

use e2e::suite::{Condition, SOON, Shared, TestNamespace, joined_agent, keyless_provider, on_shared};
use serde_json::{Value, json};

#[tokio::test]
async fn an_agent_hands_work_to_its_delegates_and_is_refused_any_other() {
    on_shared(Shared::Plain, "delegates", async |namespace: TestNamespace| {
        let [away, marketer, messenger] = ["away", "marketer", "messenger"].map(|name| namespace.named(name));
        namespace.apply(&keyless_provider(&away, &namespace.base_url("away"))).await;
        let concierge = namespace.join("concierge").await;
        let host = namespace.host_of(&concierge);
        let pod = namespace.gateway(host).await;
        for agent in [&marketer, &messenger] {
            namespace.apply(&joined_agent(agent, host, &format!("{away}/small"))).await;
            namespace.ready(agent).await;
        }
        refused(&namespace, &concierge, &marketer).await;

        delegate(&namespace, &concierge, &[&marketer, &namespace.named("nobody")]).await;
        let missing = |found: &Condition| found.status == "False" && found.reason == "AgentNotFound";
        let told = namespace.condition("Agent", &concierge, "ReferencesResolved", SOON, missing).await;
        assert!(told.message.contains(&namespace.named("nobody")), "{}", told.message);
        namespace.applied(&concierge).await;
        hands_work(&namespace, &concierge, &marketer).await;
        refused(&namespace, &concierge, &messenger).await;

        delegate(&namespace, &concierge, &[&marketer, &messenger]).await;
        delegate(&namespace, &messenger, &[&concierge]).await;
        namespace.applied(&concierge).await;
        hands_work(&namespace, &concierge, &messenger).await;
        assert_eq!(namespace.running(host).await, [pod]);
    })
    .await;
}

async fn delegate(namespace: &TestNamespace, agent: &str, delegates: &[&str]) {
    let delegates: Value = delegates.iter().map(|name| json!({"agent": name})).collect();
    namespace.merge("Agent", agent, &json!({"spec": {"delegates": delegates}})).await;
}

/// What OpenClaw says when the Agent's model starts the other Agent with this task.
async fn start(namespace: &TestNamespace, agent: &str, other: &str, task: &str) -> String {
    let spawn = json!({"id": "sessions_spawn", "args": {"task": task, "agentId": other}});
    namespace.tool(agent, "tool_call", spawn).await
}

async fn refused(namespace: &TestNamespace, agent: &str, other: &str) {
    let said = start(namespace, agent, other, "write the campaign").await;
    assert!(said.contains("agentId is not allowed for sessions_spawn"), "{said}");
}

/// The other Agent's model is asked for the work. Its Provider has a path of its own.
async fn hands_work(namespace: &TestNamespace, agent: &str, other: &str) {
    let task = format!("write the campaign for {other}");
    let handed = async || {
        let said = start(namespace, agent, other, &task).await;
        if said.contains("accepted") { Ok(()) } else { Err(said) }
    };
    namespace.eventually("the work is accepted", SOON, handed).await;
    let below = namespace.prefix("away");
    let asked = async || {
        let seen = namespace.seen().await;
        let of_other = || seen.iter().filter(|seen| seen.path.starts_with(&below));
        let has_task = of_other().any(|seen| seen.text.contains(&task) || seen.prompt.0.contains(&task));
        has_task.then_some(()).ok_or(format!("{} requests without the task", of_other().count()))
    };
    namespace.eventually("the other Agent is asked", SOON, asked).await;
}
