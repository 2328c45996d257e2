//! What recreates the gateway's Pod: a changed value, and what the user asks for; and all that looks like it and does not.

use std::time::Duration;

use e2e::suite::{Condition, SOON, TestNamespace, agent, in_namespace, joined_agent, secret, secret_value};
use serde_json::json;

use super::clients::ask_their_agents_only;

/// A change settles within two seconds, so a restart that should not be shows well within this.
const WATCHED: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_changed_key_recreates_the_gateway_and_is_named_and_on_the_wire() {
    in_namespace("changed-key", async |namespace: TestNamespace| {
        let (first, second) = (secret_value("first"), secret_value("second"));
        namespace.serve("main", &first).await;
        namespace.apply(&agent("support", "main/small")).await;
        namespace.ready("support").await;
        let seen = namespace.ask_and_see("support", "s", "with the first key").await;
        assert!(seen.api_key.as_deref() == Some(&first), "another key than the first was on the wire");

        let before = namespace.gateway("support").await;
        namespace.apply(&secret("main", "api-key", &second)).await;
        let after = namespace.replaced("support", &before).await;
        assert_eq!(after.restarts, 0);
        namespace.ready("support").await;

        let status = namespace.get("Agent", "support").await.data["status"]["gateway"]["lastRollout"].clone();
        let cause = "Secret \"main\" key \"api-key\" changed";
        assert_eq!(status["reason"], cause);
        let events = namespace.told("Agent", "support", cause).await;
        assert_eq!(events.iter().filter(|event| event.contains(cause)).count(), 1, "{events:?}");

        let seen = namespace.ask_and_see("support", "s", "with the second key").await;
        assert!(seen.api_key.as_deref() == Some(&second), "another key than the second was on the wire");
    })
    .await;
}

#[tokio::test]
async fn nothing_but_a_changed_value_recreates_the_gateway() {
    in_namespace("same-value", async |namespace: TestNamespace| {
        let key = secret_value("key");
        namespace.serve("main", &key).await;
        namespace.apply(&agent("support", "main/small")).await;
        namespace.ready("support").await;
        let pod = namespace.gateway("support").await;

        namespace.merge("Secret", "main", &json!({"stringData": {"another": secret_value("another")}})).await;
        namespace.merge("Secret", "main", &json!({"metadata": {"labels": {"team": "a"}}})).await;
        namespace.annotate("Secret", "main", "example.com/refreshed", Some("now")).await;
        namespace.merge("Secret", "main", &json!({"stringData": {"api-key": key}})).await;
        namespace.delete("Secret", "main").await;
        is_missed(&namespace).await;
        namespace.apply(&secret("main", "api-key", &key)).await;
        namespace.condition("Provider", "main", "CredentialsResolved", SOON, |found| found.status == "True").await;
        namespace.ready("support").await;
        let watched = namespace.stays("the gateway's Pod", WATCHED, async || namespace.running("support").await);
        assert_eq!(watched.await, std::slice::from_ref(&pod));

        namespace.delete("Secret", "main").await;
        is_missed(&namespace).await;
        let watched = namespace.stays("the gateway's Pod", WATCHED, async || namespace.running("support").await);
        assert_eq!(watched.await, [pod]);
        let seen = namespace.ask_and_see("support", "s", "still there?").await;
        assert!(seen.api_key == Some(key), "another key was on the wire");
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_starts_without_a_key_says_whose_and_gets_it_once_it_is_back() {
    in_namespace("without-key", async |namespace: TestNamespace| {
        let key = secret_value("key");
        namespace.serve("main", &key).await;
        namespace.serve("other", &secret_value("other")).await;
        namespace.apply(&joined_agent("writer", "support", "other/small")).await;
        namespace.apply(&agent("support", "main/small")).await;
        namespace.ready("support").await;
        namespace.ready("writer").await;

        namespace.delete("Secret", "main").await;
        is_missed(&namespace).await;
        let with = namespace.gateway("support").await;
        namespace.delete_pod(&with).await;
        let without = namespace.replaced("support", &with).await;
        let lacks = |found: &Condition| found.reason == "CredentialsUnavailable";
        let found = namespace.condition("Agent", "support", "Ready", SOON, lacks).await;
        assert_eq!(found.status, "False", "{found:?}");
        for part in ["Provider \"main\"", "Secret \"main\" does not exist"] {
            assert!(found.message.contains(part), "{found:?}");
        }
        namespace.ready("writer").await;

        namespace.apply(&secret("main", "api-key", &key)).await;
        namespace.replaced("support", &without).await;
        namespace.ready("support").await;
        namespace.ready("writer").await;
        let status = namespace.get("Agent", "support").await.data["status"]["gateway"]["lastRollout"].clone();
        assert_eq!(status["reason"], "the availability of Secret \"main\" changed");
        let seen = namespace.ask_and_see("support", "s", "with the key").await;
        assert!(seen.api_key == Some(key), "another key was on the wire");

        ask_their_agents_only(&namespace, "support", "writer").await;
    })
    .await;
}

#[tokio::test]
async fn a_whole_secret_with_variables_of_the_gateways_own_does_not_take_it_away() {
    in_namespace("whole-secret", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        let data = json!({"OPENCLAW_GATEWAY_PORT": "8080", "OPENCLAW_GATEWAY_TOKEN": secret_value("token"), "OPENCLAW_SKIP_CRON": "1"});
        let team = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "team"}, "stringData": data});
        namespace.apply(&team.to_string()).await;
        let loads = "    envFrom: [{secretRef: {name: team}}]\n";
        namespace.apply(&format!("{}{loads}", agent("support", "main/small"))).await;
        namespace.ready("support").await;
        assert_eq!(namespace.ask("support", "s", "which port?").await, "You said: which port?");
        let cron = namespace.rpc("support", "cron.status", json!({})).await;
        assert_eq!(cron["enabled"], true, "{cron}");
        let told = |found: &Condition| found.reason == "VariablesIgnored";
        let found = namespace.condition("Agent", "support", "ReferencesResolved", SOON, told).await;
        let named = ["PORT", "TOKEN", "SKIP_CRON"].map(|key| found.message.contains(key));
        assert_eq!((found.status.as_str(), named), ("True", [true; 3]), "{found:?}");
    })
    .await;
}

/// The Secret that is gone is reported, by name, where it is named and where it is used.
async fn is_missed(namespace: &TestNamespace) {
    for (kind, name, condition) in
        [("Provider", "main", "CredentialsResolved"), ("Agent", "support", "ReferencesResolved")]
    {
        let found = namespace.condition(kind, name, condition, SOON, |found| found.status == "False").await;
        assert_eq!(found.reason, "SecretNotFound", "{found:?}");
        assert!(found.message.contains("Secret \"main\""), "{found:?}");
    }
}

#[tokio::test]
async fn a_restart_recreates_the_gateway_and_a_suspended_one_comes_back_with_its_sessions() {
    in_namespace("restart", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        namespace.apply(&agent("support", "main/small")).await;
        namespace.ready("support").await;
        let before = namespace.ask_and_see("support", "s", "remember this").await;

        let pod = namespace.gateway("support").await;
        namespace.annotate("Agent", "support", "creel.dev/restart", Some("1")).await;
        let pod = namespace.replaced("support", &pod).await;
        assert_eq!(pod.restarts, 0);
        namespace.ready("support").await;

        namespace.merge("Agent", "support", &json!({"spec": {"suspend": true}})).await;
        namespace.condition("Agent", "support", "GatewayReady", SOON, |found| found.reason == "Suspended").await;
        namespace
            .eventually("no Pod is left", SOON, async || match namespace.pods("support").await.len() {
                0 => Ok(()),
                left => Err(format!("{left} Pods")),
            })
            .await;
        namespace.merge("Agent", "support", &json!({"spec": {"suspend": false}})).await;
        namespace.ready("support").await;
        let after = namespace.ask_and_see("support", "s", "do you remember?").await;
        assert!(after.messages > before.messages, "{} messages, {} before", after.messages, before.messages);
    })
    .await;
}
