//! What recreates the gateway's Pod: a changed value, and what the user asks for; and all that looks like it and does not. One gateway for
//! all of it, because each start takes half a minute of a core.

use std::time::Duration;

use e2e::suite::{Condition, SOON, TestNamespace, agent, in_namespace, joined_agent, secret, secret_value};
use serde_json::{Value, json};

use super::adoption::the_next_agent_adopts_what_docker_left;
use super::clients::ask_their_agents_only;
use super::successor::waits_for_the_one_before_and_has_its_sessions;

/// A change settles within two seconds, so a restart that should not be shows well within this.
const WATCHED: Duration = Duration::from_secs(30);

#[tokio::test]
async fn only_a_changed_value_and_a_restart_recreate_a_gateway_and_what_it_knew_is_kept_also_by_adoption() {
    in_namespace("rollout", async |namespace: TestNamespace| {
        let (key, of_other) = (secret_value("key"), secret_value("other"));
        namespace.serve("main", &key).await;
        namespace.serve("other", &of_other).await;
        // In this order: the key of its Provider would otherwise recreate the Pod that just starts.
        namespace.apply(&joined_agent("writer", "support", "other/small")).await;
        variables_of_the_gateways_own_do_not_take_it_away(&namespace).await;
        namespace.ready("writer").await;
        is_on_the_wire(&namespace, "support", &key).await;
        is_on_the_wire(&namespace, "writer", &of_other).await;

        nothing_but_a_changed_value_recreates_it(&namespace, &key).await;
        let key = a_changed_key_recreates_it_and_is_named_and_on_the_wire(&namespace).await;
        without_a_key_it_says_whose_and_gets_it_once_it_is_back(&namespace, &key).await;
        ask_their_agents_only(&namespace, "support", "writer").await;
        a_restart_recreates_it_and_a_suspended_one_comes_back_with_its_sessions(&namespace).await;
        let messages = waits_for_the_one_before_and_has_its_sessions(&namespace, "support").await;
        namespace.delete("Agent", "writer").await;
        the_next_agent_adopts_what_docker_left(&namespace, messages).await;
    })
    .await;
}

async fn variables_of_the_gateways_own_do_not_take_it_away(namespace: &TestNamespace) {
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
}

async fn nothing_but_a_changed_value_recreates_it(namespace: &TestNamespace, key: &str) {
    let pod = namespace.gateway("support").await;
    namespace.merge("Secret", "main", &json!({"stringData": {"another": secret_value("another")}})).await;
    namespace.merge("Secret", "main", &json!({"metadata": {"labels": {"team": "a"}}})).await;
    namespace.annotate("Secret", "main", "example.com/refreshed", Some("now")).await;
    namespace.merge("Secret", "main", &json!({"stringData": {"api-key": key}})).await;
    namespace.delete("Secret", "main").await;
    is_missed(namespace).await;
    has_its_key_again(namespace, key).await;
    let watched = namespace.stays("the gateway's Pod", WATCHED, async || namespace.running("support").await);
    assert_eq!(watched.await, std::slice::from_ref(&pod));

    namespace.delete("Secret", "main").await;
    is_missed(namespace).await;
    let watched = namespace.stays("the gateway's Pod", WATCHED, async || namespace.running("support").await);
    assert_eq!(watched.await, std::slice::from_ref(&pod));
    is_on_the_wire(namespace, "support", key).await;
    has_its_key_again(namespace, key).await;
    assert_eq!(namespace.running("support").await, [pod]);
}

/// Returns the key that it has now.
async fn a_changed_key_recreates_it_and_is_named_and_on_the_wire(namespace: &TestNamespace) -> String {
    let key = secret_value("second");
    let before = namespace.gateway("support").await;
    namespace.apply(&secret("main", "api-key", &key)).await;
    let after = namespace.replaced("support", &before).await;
    assert_eq!(after.restarts, 0);
    namespace.ready("support").await;

    let cause = "Secret \"main\" key \"api-key\" changed";
    assert_eq!(last_rollout(namespace).await, cause);
    let events = namespace.told("Agent", "support", cause).await;
    assert_eq!(events.iter().filter(|event| event.contains(cause)).count(), 1, "{events:?}");
    is_on_the_wire(namespace, "support", &key).await;
    key
}

async fn without_a_key_it_says_whose_and_gets_it_once_it_is_back(namespace: &TestNamespace, key: &str) {
    namespace.delete("Secret", "main").await;
    is_missed(namespace).await;
    let with = namespace.gateway("support").await;
    namespace.delete_pod(&with).await;
    let without = namespace.replaced("support", &with).await;
    assert_eq!(without.restarts, 0, "after a Pod that was idle");
    let lacks = |found: &Condition| found.reason == "CredentialsUnavailable";
    let found = namespace.condition("Agent", "support", "Ready", SOON, lacks).await;
    assert_eq!(found.status, "False", "{found:?}");
    for part in ["Provider \"main\"", "Secret \"main\" does not exist"] {
        assert!(found.message.contains(part), "{found:?}");
    }
    namespace.ready("writer").await;

    namespace.apply(&secret("main", "api-key", key)).await;
    namespace.replaced("support", &without).await;
    namespace.ready("support").await;
    namespace.ready("writer").await;
    assert_eq!(last_rollout(namespace).await, "the availability of Secret \"main\" changed");
    is_on_the_wire(namespace, "support", key).await;
}

async fn a_restart_recreates_it_and_a_suspended_one_comes_back_with_its_sessions(namespace: &TestNamespace) {
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
}

/// The Agent's model is asked with this key.
async fn is_on_the_wire(namespace: &TestNamespace, agent: &str, key: &str) {
    let text = format!("whose key, {}?", namespace.seen().await.len());
    assert_eq!(namespace.ask_on("support", agent, "keys", &text).await, format!("You said: {text}"));
    let seen = namespace.seen().await.into_iter().rev().find(|request| request.text == text);
    assert!(seen.is_some_and(|seen| seen.api_key.as_deref() == Some(key)), "another key was on the wire");
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

async fn has_its_key_again(namespace: &TestNamespace, key: &str) {
    namespace.apply(&secret("main", "api-key", key)).await;
    namespace.condition("Provider", "main", "CredentialsResolved", SOON, |found| found.status == "True").await;
    namespace.ready("support").await;
}

/// Why the gateway's Pod was last recreated, as its status says.
async fn last_rollout(namespace: &TestNamespace) -> Value {
    namespace.get("Agent", "support").await.data["status"]["gateway"]["lastRollout"]["reason"].clone()
}
