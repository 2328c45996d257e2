//! Heartbeats of Agents: turns that they take by themselves.

use e2e::model_server::Rule;
use e2e::suite::{SOON, START, Shared, TestNamespace, on_shared, second};
use serde_json::{Value, json};

use super::AGENT;

const PROMPT: &str = "Look at your notes, and at nothing else.";

#[tokio::test]
async fn an_agent_takes_its_heartbeats_and_its_status_tells_what_became_of_the_last() {
    on_shared(Shared::Plain, "heartbeat", async |namespace: TestNamespace| {
        let agent = &namespace.named(AGENT);
        let [host, key] = [namespace.host_of(agent), &format!("heartbeat:{agent}")];
        let silent = Rule::text("NO_REPLY").when_text(PROMPT).path_prefix(namespace.prefix("main"));
        namespace.script(&[silent]).await;
        namespace.join(AGENT).await;
        let pod = namespace.gateway(host).await;
        assert_eq!(namespace.get("Agent", agent).await.data["status"]["heartbeat"], Value::Null);
        let asked = async || namespace.seen().await.into_iter().filter(|request| request.text.contains(PROMPT)).count();

        namespace.merge("Agent", agent, &json!({"spec": {"heartbeat": {"every": "15s", "prompt": PROMPT}}})).await;
        namespace.applied(agent).await;
        let told = namespace
            .eventually("the status tells of a heartbeat", START, async || {
                let status = namespace.get("Agent", agent).await.data["status"]["heartbeat"].clone();
                if status["status"] == "Succeeded" { Ok(status) } else { Err(status.to_string()) }
            })
            .await;
        assert!(asked().await > 0, "the Agent was told something else");
        assert!(second(&told["time"]).is_some() && told["error"].is_null(), "{told}");
        let beats = namespace.jobs(host).await;
        let beats: Vec<_> = beats.iter().filter(|job| job["declarationKey"] == *key).collect();
        assert_eq!(beats.len(), 1, "{beats:?}");

        namespace.merge("Agent", agent, &json!({"spec": {"heartbeat": null}})).await;
        namespace.applied(agent).await;
        namespace
            .eventually("the gateway takes no more of them", SOON, async || {
                let jobs = namespace.jobs(host).await;
                let beats = jobs.iter().find(|job| job["declarationKey"] == *key && job["enabled"] == true);
                beats.map_or(Ok(()), |beats| Err(beats.to_string()))
            })
            .await;
        assert_eq!(namespace.running(host).await, [pod], "a heartbeat needs no restart");
    })
    .await;
}
