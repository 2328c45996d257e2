//! Heartbeats of Agents: turns that they take by themselves.

use e2e::model_server::Rule;
use e2e::suite::{SOON, START, TestNamespace, in_namespace, second};
use serde_json::{Value, json};

use super::{AGENT, writer};

const PROMPT: &str = "Look at your notes, and at nothing else.";

#[tokio::test]
async fn an_agent_takes_its_heartbeats_and_its_status_tells_what_became_of_the_last() {
    in_namespace("heartbeat", async |namespace: TestNamespace| {
        let silent = Rule::text("NO_REPLY").when_text(PROMPT).path_prefix(namespace.prefix("main"));
        namespace.models.script(&namespace.name, &[silent]).await.unwrap();
        writer(&namespace).await;
        let pod = namespace.gateway(AGENT).await;
        assert_eq!(namespace.get("Agent", AGENT).await.data["status"]["heartbeat"], Value::Null);
        let asked = async || namespace.seen().await.into_iter().filter(|request| request.text.contains(PROMPT)).count();

        namespace.merge("Agent", AGENT, &json!({"spec": {"heartbeat": {"every": "15s", "prompt": PROMPT}}})).await;
        namespace.applied(AGENT).await;
        let told = namespace
            .eventually("the status tells of a heartbeat", START, async || {
                let status = namespace.get("Agent", AGENT).await.data["status"]["heartbeat"].clone();
                if status["status"] == "Succeeded" { Ok(status) } else { Err(status.to_string()) }
            })
            .await;
        assert!(asked().await > 0, "the Agent was told something else");
        assert!(second(&told["time"]).is_some() && told["error"].is_null(), "{told}");
        let beats = namespace.jobs(AGENT).await;
        let beats: Vec<_> = beats.iter().filter(|job| job["declarationKey"] == "heartbeat:writer").collect();
        assert_eq!(beats.len(), 1, "{beats:?}");

        namespace.merge("Agent", AGENT, &json!({"spec": {"heartbeat": null}})).await;
        namespace.applied(AGENT).await;
        namespace
            .eventually("the gateway takes no more of them", SOON, async || {
                let jobs = namespace.jobs(AGENT).await;
                let beats =
                    jobs.iter().find(|job| job["declarationKey"] == "heartbeat:writer" && job["enabled"] == true);
                beats.map_or(Ok(()), |beats| Err(beats.to_string()))
            })
            .await;
        assert_eq!(namespace.running(AGENT).await, [pod], "a heartbeat needs no restart");
    })
    .await;
}
