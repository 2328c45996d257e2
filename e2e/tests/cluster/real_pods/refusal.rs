//! What can't be: said with object, field and remedy, and nothing that ran is disturbed.

use e2e::suite::{
    Condition, RunningPod, SOON, Shared, TestNamespace, agent, in_namespace, joined_agent, on_shared, secret,
    secret_value,
};
use serde_json::json;

/// Merged into openclaw.json where the operator runs with `CREEL_TEST_CONFIG_OVERRIDE=true`, as in `cargo verify`.
const TEST_CONFIG: &str = "creel.dev/test-config";

#[tokio::test]
async fn a_refused_configuration_is_told_in_the_gateways_words_and_survives_a_restart() {
    in_namespace("refused", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        namespace.apply(&agent("support", "main/small")).await;
        namespace.ready("support").await;
        let pod = namespace.gateway("support").await;

        namespace.annotate("Agent", "support", TEST_CONFIG, Some(r#"{"gateway":{"noSuchKey":1}}"#)).await;
        is_rejected(&namespace, "noSuchKey").await;
        answers(&namespace, &pod, "with the last accepted one").await;

        namespace.delete_pod(&pod).await;
        let next = namespace.replaced("support", &pod).await;
        assert_eq!(next.restarts, 0);
        answers(&namespace, &next, "after a restart").await;
        is_rejected(&namespace, "noSuchKey").await;

        namespace.annotate("Agent", "support", TEST_CONFIG, None).await;
        namespace.ready("support").await;
        answers(&namespace, &next, "with the healed one").await;
    })
    .await;
}

async fn is_rejected(namespace: &TestNamespace, words: &str) {
    let rejected = |found: &Condition| found.status == "False" && found.reason == "Rejected";
    let found = namespace.condition("Agent", "support", "ConfigApplied", SOON, rejected).await;
    assert!(found.message.contains(words), "{found:?}");
}

/// The same Pod answers.
async fn answers(namespace: &TestNamespace, pod: &RunningPod, words: &str) {
    let support = namespace.named("support");
    assert_eq!(namespace.ask(&support, "s", words).await, format!("You said: {words}"));
    assert_eq!(namespace.running(namespace.host_of(&support)).await, std::slice::from_ref(pod));
}

#[tokio::test]
async fn an_edit_that_names_what_is_not_there_is_told_and_disturbs_nothing() {
    on_shared(Shared::Plain, "bad-edits", async |namespace: TestNamespace| {
        let support = namespace.join("support").await;
        let pod = namespace.gateway(namespace.host_of(&support)).await;
        bad_models(&namespace, &support, &pod).await;
        bad_credentials(&namespace, &support, &pod).await;
        bad_gateways(&namespace).await;
        answers(&namespace, &pod, "after all of it").await;
    })
    .await;
}

async fn bad_models(namespace: &TestNamespace, support: &str, pod: &RunningPod) {
    let [main, mian] = ["main", "mian"].map(|name| namespace.named(name));
    let model = async |provider: &str, model: &str| {
        let model = json!({"provider": provider, "model": model});
        namespace.merge("Agent", support, &json!({"spec": {"model": {"primary": model}}})).await;
    };
    let field = format!("spec.model.primary of Agent \"{support}\"");
    model(&main, "smal").await;
    let said = unresolved(namespace, support, "ModelNotFound").await;
    let provider = format!("Provider \"{main}\"");
    for part in [provider.as_str(), "model \"smal\"", &field, "did you mean \"small\""] {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
    answers(namespace, pod, "with an unknown model").await;

    model(&mian, "small").await;
    let said = unresolved(namespace, support, "ProviderNotFound").await;
    for part in [format!("Provider \"{mian}\""), field, format!("did you mean \"{main}\"")] {
        assert!(said.contains(&part), "{part:?} is not in {said:?}");
    }
    answers(namespace, pod, "with an unknown Provider").await;
    model(&main, "small").await;
    namespace.ready(support).await;
}

async fn bad_credentials(namespace: &TestNamespace, support: &str, pod: &RunningPod) {
    let [main, nowhere] = ["main", "nowhere"].map(|name| namespace.named(name));
    namespace.apply(&secret(&main, "api-key", &secret_value("key"))).await;
    for (secret, key, reason, named) in [
        (&nowhere, "api-key", "SecretNotFound", format!("Secret \"{nowhere}\"")),
        (&main, "no-key", "SecretKeyNotFound", format!("Secret \"{main}\" has no key \"no-key\"")),
    ] {
        let credentials = json!({"secretKeyRef": {"name": secret, "key": key}});
        namespace.merge("Provider", &main, &json!({"spec": {"credentials": credentials}})).await;
        let missed = |found: &Condition| found.status == "False" && found.reason == reason;
        let of_provider = namespace.condition("Provider", &main, "CredentialsResolved", SOON, missed).await.message;
        let of_agent = unresolved(namespace, support, reason).await;
        for said in [of_provider, of_agent] {
            for part in [&named, &format!("spec.credentials.secretKeyRef of Provider \"{main}\"")] {
                assert!(said.contains(part), "{part:?} is not in {said:?}");
            }
        }
        answers(namespace, pod, &format!("without {named}")).await;
    }
    namespace.merge("Provider", &main, &json!({"spec": {"credentials": null}})).await;
    namespace.ready(support).await;
}

async fn bad_gateways(namespace: &TestNamespace) {
    let model = format!("{}/small", namespace.named("main"));
    let [lost, writer, second] = ["lost", "writer", "second-hand"].map(|name| namespace.named(name));
    namespace.apply(&joined_agent(&lost, "nobody", &model)).await;
    let said = unresolved(namespace, &lost, "GatewayNotFound").await;
    let field = format!("spec.gatewayRef of Agent \"{lost}\"");
    assert!(said.contains("Agent \"nobody\"") && said.contains(&field), "{said}");

    let host = namespace.host_of(&writer);
    namespace.apply(&joined_agent(&writer, host, &model)).await;
    namespace.ready(&writer).await;
    namespace.apply(&joined_agent(&second, &writer, &model)).await;
    let said = unresolved(namespace, &second, "GatewayNotOwned").await;
    let parts = [format!("Agent \"{writer}\""), format!("of Agent \"{second}\""), format!("use \"{host}\"")];
    for part in parts {
        assert!(said.contains(&part), "{part:?} is not in {said:?}");
    }
}

/// Waits until the Agent tells that something it names is not there; its words.
async fn unresolved(namespace: &TestNamespace, agent: &str, reason: &str) -> String {
    let unresolved = |found: &Condition| found.status == "False" && found.reason == reason;
    namespace.condition("Agent", agent, "ReferencesResolved", SOON, unresolved).await.message
}
