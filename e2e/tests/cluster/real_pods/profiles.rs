//! Models that an Agent can switch to: one field, the same Pod, and the next turn goes to the other model.

use e2e::suite::{Condition, SOON, Shared, TestNamespace, keyless_provider, on_shared};
use serde_json::{Value, json};

use super::live::{below, shows};

#[tokio::test]
async fn a_switch_of_the_model_profile_reaches_the_next_turn_on_the_same_pod() {
    on_shared(Shared::Plain, "model-profiles", async |namespace: TestNamespace| {
        let [main, away] = ["main", "away"].map(|name| namespace.named(name));
        namespace.apply(&keyless_provider(&away, &namespace.base_url("away"))).await;
        let support = namespace.join("support").await;
        let pod = namespace.gateway(namespace.host_of(&support)).await;
        let profile = |name: &str, provider: &str, model: &str| {
            json!({"name": name, "primary": {"provider": provider, "model": model}})
        };
        let profiles = json!([profile("large", &main, "large"), profile("away", &away, "small")]);
        namespace.merge("Agent", &support, &json!({"spec": {"modelProfiles": profiles}})).await;
        for (name, provider, model) in [("large", "main", "large"), ("away", "away", "small"), ("large", "main", "large")] {
            switch(&namespace, &support, &json!(name)).await;
            let status = in_use(&namespace, &support, &json!(name)).await;
            assert_eq!(status["model"], format!("{}/{model}", namespace.named(provider)));
            assert!(status["activeModelProfile"]["since"].is_string(), "{status}");
            shows(&namespace, &support, name, |seen| seen.model == model && below(&namespace, seen, provider)).await;
        }

        let profiles = json!([profile("large", &main, "large"), profile("ghost", &namespace.named("ghost"), "small")]);
        namespace.merge("Agent", &support, &json!({"spec": {"modelProfiles": profiles}})).await;
        let refused = |found: &Condition| found.status == "False" && found.reason == "ProviderNotFound";
        let told = namespace.condition("Agent", &support, "ReferencesResolved", SOON, refused).await;
        assert!(told.message.contains("spec.modelProfiles[ghost].primary"), "{}", told.message);
        namespace.ready(&support).await;
        switch(&namespace, &support, &json!("ghost")).await;
        let kept = |found: &Condition| found.status == "False" && found.reason == "LastGoodKept";
        namespace.condition("Agent", &support, "ConfigApplied", SOON, kept).await;
        in_use(&namespace, &support, &json!("large")).await;
        assert_eq!(namespace.ask_and_see(&support, "s", "a profile that is refused").await.model, "large");

        switch(&namespace, &support, &Value::Null).await;
        in_use(&namespace, &support, &Value::Null).await;
        shows(&namespace, &support, "without a profile", |seen| seen.model == "small" && below(&namespace, seen, "main"))
            .await;
        assert_eq!(namespace.running(namespace.host_of(&support)).await, [pod]);
    })
    .await;
}

async fn switch(namespace: &TestNamespace, agent: &str, profile: &Value) {
    namespace.merge("Agent", agent, &json!({"spec": {"activeModelProfile": profile}})).await;
}

/// Waits until the status shows this profile as the one in use; the status.
async fn in_use(namespace: &TestNamespace, agent: &str, profile: &Value) -> Value {
    namespace
        .eventually("the profile in the status", SOON, async || {
            let status = namespace.get("Agent", agent).await.data["status"].clone();
            if status["activeModelProfile"]["name"] == *profile { Ok(status) } else { Err(status.to_string()) }
        })
        .await
}
