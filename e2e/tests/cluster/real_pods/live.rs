//! Edits that the running gateway takes up: the same Pod, no restart, seen in the next turn.

use std::fmt::Write as _;

use e2e::model_server::{Recorded, Rule};
use e2e::suite::{SOON, TestNamespace, agent, agent_with, in_namespace, joined_agent, provider, secret, secret_value};
use serde_json::json;

#[tokio::test]
async fn model_fallbacks_address_and_joining_agents_change_without_a_restart() {
    in_namespace("live-edits", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("main")).await;
        namespace.serve("backup", &secret_value("backup")).await;
        namespace.apply(&agent_with("support", "main/small", &["backup/small"])).await;
        namespace.ready("support").await;
        let seen = namespace.ask_and_see("support", "s", "which model?").await;
        assert_eq!((seen.model.as_str(), below(&namespace, &seen, "main")), ("small", true));
        let pod = namespace.gateway("support").await;

        namespace.apply(&agent_with("support", "main/large", &["backup/small"])).await;
        shows(&namespace, "the other model", |seen| seen.model == "large").await;

        namespace.apply(&provider("main", &namespace.base_url("moved"))).await;
        shows(&namespace, "the other address", |seen| below(&namespace, seen, "moved")).await;

        namespace.apply(&joined_agent("writer", "support", "main/small")).await;
        let joined = async || namespace.try_ask("support", "writer", "w", "are you there?").await;
        let answer = namespace.eventually("the Agent that joined answers", SOON, joined).await;
        assert_eq!(answer, "You said: are you there?");
        namespace.ready("writer").await;
        assert_eq!(namespace.get("Agent", "support").await.data["status"]["joinedAgents"], json!(["writer"]));
        namespace.delete("Agent", "writer").await;
        namespace
            .eventually("the Agent that left answers no more", SOON, async || {
                match namespace.try_ask("support", "writer", "w", "are you there?").await {
                    Ok(answer) => Err(answer),
                    Err(refusal) => Ok(refusal),
                }
            })
            .await;

        namespace.apply(&agent_with("support", "main/large", &["backup/large"])).await;
        let broke = Rule::error(402).path_prefix(namespace.prefix("moved"));
        namespace.models.script(&namespace.name, &[broke]).await.unwrap();
        shows(&namespace, "the other fallback", |seen| seen.model == "large" && below(&namespace, seen, "backup"))
            .await;
        assert_eq!(namespace.running("support").await, [pod]);
    })
    .await;
}

/// Asks until the request at the model server is as it should be.
async fn shows(namespace: &TestNamespace, what: &str, fits: impl Fn(&Recorded) -> bool) {
    namespace
        .eventually(what, SOON, async || {
            let seen = namespace.ask_and_see("support", "s", what).await;
            if fits(&seen) { Ok(()) } else { Err(format!("{} at {}", seen.model, seen.path)) }
        })
        .await;
}

fn below(namespace: &TestNamespace, seen: &Recorded, name: &str) -> bool {
    seen.path.starts_with(&format!("{}/", namespace.prefix(name)))
}

#[tokio::test]
async fn many_edits_are_all_applied_and_of_two_at_once_the_last_wins() {
    edits("many-edits", 10).await;
}

/// So many edits of the model, each of them live before the next.
pub async fn edits(name: &str, count: usize) {
    in_namespace(name, async |namespace: TestNamespace| {
        namespace.apply(&secret("main", "api-key", &secret_value("key"))).await;
        namespace.apply(&provider_with_models(&namespace, count)).await;
        namespace.apply(&agent("support", "main/m0")).await;
        namespace.ready("support").await;
        let pod = namespace.gateway("support").await;
        for number in 1..=count {
            edit(&namespace, number).await;
            namespace.applied("support").await;
            // A turn for each would show the same and take minutes.
            if number % 10 == 0 {
                let seen = namespace.ask_and_see("support", "s", &format!("edit {number}")).await;
                assert_eq!(seen.model, format!("m{number}"));
            }
        }
        edit(&namespace, 1).await;
        edit(&namespace, 2).await;
        namespace.applied("support").await;
        assert_eq!(namespace.ask_and_see("support", "s", "two edits").await.model, "m2");
        assert_eq!(namespace.running("support").await, [pod]);
    })
    .await;
}

/// A Provider with a model for each edit: no configuration comes twice.
fn provider_with_models(namespace: &TestNamespace, edits: usize) -> String {
    let mut yaml = provider("main", &namespace.base_url("main"));
    for number in 0..=edits {
        let _ = writeln!(yaml, "    - id: m{number}");
    }
    yaml
}

async fn edit(namespace: &TestNamespace, number: usize) {
    let model = json!({"provider": "main", "model": format!("m{number}")});
    namespace.merge("Agent", "support", &json!({"spec": {"model": {"primary": model}}})).await;
}
