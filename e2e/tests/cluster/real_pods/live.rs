//! Edits that the running gateway takes up: the same Pod, no restart, seen in the next turn.

use std::fmt::Write as _;

use e2e::model_server::{Recorded, Rule};
use e2e::suite::{SOON, Shared, TestNamespace, joined_agent, keyless_provider, on_shared};
use serde_json::json;

#[tokio::test]
async fn model_fallbacks_address_and_joining_agents_change_without_a_restart() {
    on_shared(Shared::Plain, "live-edits", async |namespace: TestNamespace| {
        let [main, backup] = ["main", "backup"].map(|name| namespace.named(name));
        namespace.apply(&keyless_provider(&backup, &namespace.base_url("backup"))).await;
        let support = namespace.join("support").await;
        let seen = namespace.ask_and_see(&support, "s", "which model?").await;
        assert_eq!((seen.model.as_str(), below(&namespace, &seen, "main")), ("small", true));
        let host = namespace.host_of(&support);
        let pod = namespace.gateway(host).await;

        models(&namespace, &support, [(&main, "large"), (&backup, "small")]).await;
        shows(&namespace, &support, "the other model", |seen| seen.model == "large").await;

        namespace.apply(&keyless_provider(&main, &namespace.base_url("moved"))).await;
        shows(&namespace, &support, "the other address", |seen| below(&namespace, seen, "moved")).await;

        one_comes_and_goes(&namespace, host).await;

        models(&namespace, &support, [(&main, "large"), (&backup, "large")]).await;
        let broke = Rule::error(402).path_prefix(namespace.prefix("moved"));
        namespace.script(&[broke]).await;
        let fits = |seen: &Recorded| seen.model == "large" && below(&namespace, seen, "backup");
        shows(&namespace, &support, "the other fallback", fits).await;
        assert_eq!(namespace.running(host).await, [pod]);
    })
    .await;
}

/// The Agent's model, and its fallback.
async fn models(namespace: &TestNamespace, agent: &str, models: [(&str, &str); 2]) {
    let [primary, fallback] = models.map(|(provider, model)| json!({"provider": provider, "model": model}));
    let models = json!({"primary": primary, "fallbacks": [fallback]});
    namespace.merge("Agent", agent, &json!({"spec": {"model": models}})).await;
}

/// Another Agent joins the gateway, answers, and leaves it.
async fn one_comes_and_goes(namespace: &TestNamespace, host: &str) {
    let writer = namespace.named("writer");
    namespace.apply(&joined_agent(&writer, host, &format!("{}/small", namespace.named("main")))).await;
    let joined = async || namespace.try_ask(host, &writer, "w", "are you there?").await;
    let answer = namespace.eventually("the Agent that joined answers", SOON, joined).await;
    assert_eq!(answer, "You said: are you there?");
    namespace.ready(&writer).await;
    let listed = async || {
        let joined = namespace.get("Agent", host).await.data["status"]["joinedAgents"].clone();
        joined.as_array().is_some_and(|all| all.contains(&json!(writer))).then_some(()).ok_or(joined.to_string())
    };
    namespace.eventually("the owner lists who joined", SOON, listed).await;
    namespace.delete("Agent", &writer).await;
    let left = async || match namespace.try_ask(host, &writer, "w", "are you there?").await {
        Ok(answer) => Err(answer),
        Err(_refusal) => Ok(()),
    };
    namespace.eventually("the Agent that left answers no more", SOON, left).await;
}

/// Asks until the request at the model server is as it should be.
pub async fn shows(namespace: &TestNamespace, agent: &str, what: &str, fits: impl Fn(&Recorded) -> bool) {
    namespace
        .eventually(what, SOON, async || {
            let seen = namespace.ask_and_see(agent, "s", what).await;
            if fits(&seen) { Ok(()) } else { Err(format!("{} at {}", seen.model, seen.path)) }
        })
        .await;
}

pub fn below(namespace: &TestNamespace, seen: &Recorded, name: &str) -> bool {
    seen.path.starts_with(&format!("{}/", namespace.prefix(name)))
}

#[tokio::test]
async fn many_edits_are_all_applied_and_of_two_at_once_the_last_wins() {
    edits("many-edits", 10).await;
}

/// So many edits of the model, each of them live before the next.
pub async fn edits(name: &str, count: usize) {
    on_shared(Shared::Plain, name, async |namespace: TestNamespace| {
        let support = namespace.named("support");
        namespace.apply(&namespace.joining("support").await).await;
        namespace.apply(&provider_with_models(&namespace, count)).await;
        edit(&namespace, &support, 0).await;
        namespace.ready(&support).await;
        let host = namespace.host_of(&support);
        let pod = namespace.gateway(host).await;
        for number in 1..=count {
            edit(&namespace, &support, number).await;
            namespace.applied(&support).await;
            // A turn for each would show the same and take minutes.
            if number % 10 == 0 {
                let seen = namespace.ask_and_see(&support, "s", &format!("edit {number}")).await;
                assert_eq!(seen.model, format!("m{number}"));
            }
        }
        edit(&namespace, &support, 1).await;
        edit(&namespace, &support, 2).await;
        namespace.applied(&support).await;
        assert_eq!(namespace.ask_and_see(&support, "s", "two edits").await.model, "m2");
        assert_eq!(namespace.running(host).await, [pod]);
    })
    .await;
}

/// A Provider with a model for each edit: no configuration comes twice.
fn provider_with_models(namespace: &TestNamespace, edits: usize) -> String {
    let mut yaml = keyless_provider(&namespace.named("main"), &namespace.base_url("main"));
    for number in 0..=edits {
        let _ = writeln!(yaml, "    - id: m{number}");
    }
    yaml
}

async fn edit(namespace: &TestNamespace, agent: &str, number: usize) {
    let model = json!({"provider": namespace.named("main"), "model": format!("m{number}")});
    namespace.merge("Agent", agent, &json!({"spec": {"model": {"primary": model}}})).await;
}
