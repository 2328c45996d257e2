//! What can't be: said with object, field and remedy, and nothing that ran is disturbed.

use e2e::suite::{
    Condition, RunningPod, SOON, TestNamespace, agent, in_namespace, joined_agent, provider, secret_value,
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
        is_refused(&namespace).await;
        answers(&namespace, &pod, "with the last accepted one").await;

        namespace.delete_pod(&pod).await;
        let next = namespace.replaced("support", &pod).await;
        assert_eq!(next.restarts, 0);
        answers(&namespace, &next, "after a restart").await;
        is_refused(&namespace).await;

        namespace.annotate("Agent", "support", TEST_CONFIG, None).await;
        namespace.ready("support").await;
        answers(&namespace, &next, "with the healed one").await;
    })
    .await;
}

async fn is_refused(namespace: &TestNamespace) {
    let refused = |found: &Condition| found.status == "False" && found.reason == "Rejected";
    let found = namespace.condition("Agent", "support", "ConfigApplied", SOON, refused).await;
    assert!(found.message.contains("noSuchKey"), "{found:?}");
}

/// The same Pod answers.
async fn answers(namespace: &TestNamespace, pod: &RunningPod, words: &str) {
    assert_eq!(namespace.ask("support", "s", words).await, format!("You said: {words}"));
    assert_eq!(namespace.running("support").await, std::slice::from_ref(pod));
}

#[tokio::test]
async fn an_edit_that_names_what_is_not_there_is_told_and_disturbs_nothing() {
    in_namespace("bad-edits", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        namespace.apply(&agent("support", "main/small")).await;
        namespace.ready("support").await;
        let pod = namespace.gateway("support").await;

        namespace.apply(&agent("support", "main/smal")).await;
        let said = unresolved(&namespace, "support", "ModelNotFound").await;
        for part in
            ["Provider \"main\"", "model \"smal\"", "spec.model.primary of Agent \"support\"", "did you mean \"small\""]
        {
            assert!(said.contains(part), "{part:?} is not in {said:?}");
        }
        answers(&namespace, &pod, "with an unknown model").await;

        namespace.apply(&agent("support", "mian/small")).await;
        let said = unresolved(&namespace, "support", "ProviderNotFound").await;
        for part in ["Provider \"mian\"", "spec.model.primary of Agent \"support\"", "did you mean \"main\""] {
            assert!(said.contains(part), "{part:?} is not in {said:?}");
        }
        answers(&namespace, &pod, "with an unknown Provider").await;
        namespace.apply(&agent("support", "main/small")).await;
        namespace.ready("support").await;

        bad_credentials(&namespace, &pod).await;
        bad_gateways(&namespace).await;
        answers(&namespace, &pod, "after all of it").await;
    })
    .await;
}

async fn bad_credentials(namespace: &TestNamespace, pod: &RunningPod) {
    for (secret, key, reason, named) in [
        ("nowhere", "api-key", "SecretNotFound", "Secret \"nowhere\""),
        ("main", "no-key", "SecretKeyNotFound", "Secret \"main\" has no key \"no-key\""),
    ] {
        let credentials = json!({"secretKeyRef": {"name": secret, "key": key}});
        namespace.merge("Provider", "main", &json!({"spec": {"credentials": credentials}})).await;
        let missed = |found: &Condition| found.status == "False" && found.reason == reason;
        let of_provider = namespace.condition("Provider", "main", "CredentialsResolved", SOON, missed).await.message;
        let of_agent = unresolved(namespace, "support", reason).await;
        for said in [of_provider, of_agent] {
            for part in [named, "spec.credentials.secretKeyRef of Provider \"main\""] {
                assert!(said.contains(part), "{part:?} is not in {said:?}");
            }
        }
        answers(namespace, pod, &format!("without {named}")).await;
    }
    namespace.apply(&provider("main", &namespace.base_url("main"))).await;
    namespace.ready("support").await;
}

async fn bad_gateways(namespace: &TestNamespace) {
    namespace.apply(&joined_agent("lost", "nobody", "main/small")).await;
    let said = unresolved(namespace, "lost", "GatewayNotFound").await;
    assert!(said.contains("Agent \"nobody\"") && said.contains("spec.gatewayRef of Agent \"lost\""), "{said}");

    namespace.apply(&joined_agent("writer", "support", "main/small")).await;
    namespace.ready("writer").await;
    namespace.apply(&joined_agent("second-hand", "writer", "main/small")).await;
    let said = unresolved(namespace, "second-hand", "GatewayNotOwned").await;
    for part in ["Agent \"writer\"", "spec.gatewayRef of Agent \"second-hand\"", "name \"support\""] {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

/// Waits until the Agent tells that something it names is not there; its words.
async fn unresolved(namespace: &TestNamespace, agent: &str, reason: &str) -> String {
    let unresolved = |found: &Condition| found.status == "False" && found.reason == reason;
    namespace.condition("Agent", agent, "ReferencesResolved", SOON, unresolved).await.message
}
