//! What is missing: told within seconds, with object, field and remedy; waited for before it counts as a fault; healed by itself.

use e2e::suite::{SOON, TestNamespace, agent, in_namespace, joined_agent, provider as served, secret, secret_value};
use serde_json::json;

use super::stage::{cron_job, edit, make, merged, provider, reason, resting};

/// The Agent lets its gateway rest, so that what heals starts no Pod.
async fn rest(namespace: &TestNamespace, name: &str) {
    edit(namespace, "Agent", name, &json!({"spec": {"suspend": true}})).await.expect("an Agent can rest");
}

/// While something is missing, `Ready` is undecided and Creel is at work: it may be on its way.
async fn is_waited_for(namespace: &TestNamespace, name: &str, why: &str) {
    let ready = reason(namespace, name, "Ready", why).await;
    assert_eq!(ready.status, "Unknown", "{ready:?}");
    let reconciling = reason(namespace, name, "Reconciling", why).await;
    assert_eq!(reconciling.status, "True", "{reconciling:?}");
    let stalled = reason(namespace, name, "Stalled", "AsExpected").await;
    assert_eq!(stalled.status, "False", "{stalled:?}");
}

#[tokio::test]
async fn an_unknown_provider_is_named_with_the_nearest_and_healed_when_it_appears() {
    in_namespace("no-provider", async |namespace| {
        make(&namespace, &provider("openai-eu")).await;
        namespace.apply(&agent("a", "openai/small")).await;
        let missing = reason(&namespace, "a", "ReferencesResolved", "ProviderNotFound").await;
        assert_eq!(
            (missing.status.as_str(), missing.message.as_str()),
            (
                "False",
                "Provider \"openai\" does not exist (spec.model.primary of Agent \"a\") (did you mean \"openai-eu\"?)"
            )
        );
        is_waited_for(&namespace, "a", "ProviderNotFound").await;
        assert!(
            namespace.find("Deployment", "a-gateway").await.is_none(),
            "a gateway that could serve nothing was made"
        );
        rest(&namespace, "a").await;
        make(&namespace, &provider("openai")).await;
        reason(&namespace, "a", "ReferencesResolved", "Resolved").await;
    })
    .await;
}

#[tokio::test]
async fn an_unknown_model_is_named_with_the_nearest_and_healed_when_the_provider_offers_it() {
    in_namespace("no-model", async |namespace| {
        make(&namespace, &provider("p")).await;
        namespace.apply(&agent("a", "p/smal")).await;
        let missing = reason(&namespace, "a", "ReferencesResolved", "ModelNotFound").await;
        let words = "Provider \"p\" has no model \"smal\" (spec.model.primary of Agent \"a\") (did you mean \"small\"?): \
                     use one of its spec.models, or add it there";
        assert_eq!(missing.message, words);
        is_waited_for(&namespace, "a", "ModelNotFound").await;
        rest(&namespace, "a").await;
        edit(&namespace, "Provider", "p", &json!({"spec": {"models": [{"id": "smal"}]}})).await.expect("another model");
        reason(&namespace, "a", "ReferencesResolved", "Resolved").await;
    })
    .await;
}

#[tokio::test]
async fn a_fallback_at_fault_is_named_by_its_position() {
    in_namespace("fallback", async |namespace| {
        make(&namespace, &provider("p")).await;
        let fallbacks = json!([{"provider": "p", "model": "large"}, {"provider": "p", "model": "nothing-like-it"}]);
        make(&namespace, &merged(resting("a"), json!({"spec": {"model": {"fallbacks": fallbacks}}}))).await;
        let missing = reason(&namespace, "a", "ReferencesResolved", "ModelNotFound").await;
        assert!(missing.message.contains("(spec.model.fallbacks[1] of Agent \"a\")"), "{}", missing.message);
        assert!(!missing.message.contains("did you mean"), "{}", missing.message);
    })
    .await;
}

#[tokio::test]
async fn a_missing_secret_then_a_missing_key_are_told_by_provider_and_agent_and_healed() {
    in_namespace("no-secret", async |namespace| {
        namespace.apply(&served("p", "http://localhost:1/v1")).await;
        namespace.apply(&agent("a", "p/small")).await;
        let missing = reason(&namespace, "a", "ReferencesResolved", "SecretNotFound").await;
        let words = "Secret \"p\" does not exist (spec.credentials.secretKeyRef of Provider \"p\"): create it";
        assert_eq!(missing.message, words);
        is_waited_for(&namespace, "a", "SecretNotFound").await;
        let told = |why: &'static str| {
            let namespace = namespace.clone();
            async move {
                let fits = |condition: &e2e::suite::Condition| condition.reason == why;
                let resolved = namespace.condition("Provider", "p", "CredentialsResolved", SOON, fits).await;
                let ready = namespace.condition("Provider", "p", "Ready", SOON, |_| true).await;
                (resolved.message, ready.status)
            }
        };
        assert_eq!(told("SecretNotFound").await, (words.to_owned(), "Unknown".to_owned()));

        namespace.apply(&secret("p", "api_key", &secret_value("key"))).await;
        let missing = reason(&namespace, "a", "ReferencesResolved", "SecretKeyNotFound").await;
        let words = "Secret \"p\" has no key \"api-key\" (spec.credentials.secretKeyRef of Provider \"p\")";
        assert!(missing.message.starts_with(words), "{}", missing.message);
        assert!(missing.message.contains("did you mean \"api_key\"?"), "{}", missing.message);
        assert!(told("SecretKeyNotFound").await.0.starts_with(words));

        rest(&namespace, "a").await;
        namespace.apply(&secret("p", "api-key", &secret_value("key"))).await;
        reason(&namespace, "a", "ReferencesResolved", "Resolved").await;
        assert_eq!(told("Resolved").await.1, "True");
    })
    .await;
}

#[tokio::test]
async fn secrets_and_config_maps_of_the_environment_are_named_by_variable() {
    in_namespace("no-env", async |namespace| {
        make(&namespace, &provider("p")).await;
        let missing_key = json!({"name": "TOOL", "valueFrom": {"configMapKeyRef": {"name": "tools", "key": "k"}}});
        let optional =
            json!({"name": "EXTRA", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": true}}});
        let gateway = json!({"gateway": {"env": [missing_key, optional], "envFrom": [{"secretRef": {"name": "all"}}]}});
        make(&namespace, &merged(resting("a"), json!({"spec": gateway}))).await;
        let missing = reason(&namespace, "a", "ReferencesResolved", "ConfigMapNotFound").await;
        let field = "spec.gateway.env[TOOL].valueFrom.configMapKeyRef of Agent \"a\"";
        assert_eq!(missing.message, format!("ConfigMap \"tools\" does not exist ({field}): create it"));
        assert!(namespace.find("Deployment", "a-gateway").await.is_none(), "a Pod that cannot start was made");

        let tools = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tools"}, "data": {"k": "v"}});
        make(&namespace, &tools).await;
        let missing = reason(&namespace, "a", "ReferencesResolved", "SecretNotFound").await;
        let words = "Secret \"all\" does not exist (spec.gateway.envFrom secretRef \"all\" of Agent \"a\"): create it";
        assert_eq!(missing.message, words);
        namespace.apply(&secret("all", "ONE", &secret_value("env"))).await;
        reason(&namespace, "a", "ReferencesResolved", "Resolved").await;
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_does_not_exist_is_named_and_joined_when_it_appears() {
    in_namespace("no-gateway", async |namespace| {
        make(&namespace, &provider("p")).await;
        namespace.apply(&joined_agent("b", "a", "p/small")).await;
        let missing = reason(&namespace, "b", "ReferencesResolved", "GatewayNotFound").await;
        let words = "Agent \"a\" does not exist (spec.gatewayRef of Agent \"b\"): create it, or use another name";
        assert_eq!(missing.message, words);
        is_waited_for(&namespace, "b", "GatewayNotFound").await;
        make(&namespace, &resting("a")).await;
        reason(&namespace, "b", "ReferencesResolved", "Resolved").await;
        namespace
            .eventually("the owner lists who joined", SOON, async || {
                let joined = namespace.get("Agent", "a").await.data["status"]["joinedAgents"].clone();
                if joined == json!(["b"]) { Ok(()) } else { Err(joined.to_string()) }
            })
            .await;
        let gateway = namespace.get("Agent", "b").await.data["status"]["gateway"].clone();
        assert_eq!(gateway["agent"], "a");
    })
    .await;
}

#[tokio::test]
async fn a_joined_agent_cannot_be_joined_and_its_gateway_is_named_instead() {
    in_namespace("joined-too", async |namespace| {
        make(&namespace, &provider("p")).await;
        make(&namespace, &resting("a")).await;
        namespace.apply(&joined_agent("b", "a", "p/small")).await;
        namespace.apply(&joined_agent("c", "b", "p/small")).await;
        let refused = reason(&namespace, "c", "ReferencesResolved", "GatewayNotOwned").await;
        let words = "Agent \"b\" has no gateway of its own (spec.gatewayRef of Agent \"c\"): use \"a\", whose gateway it joined";
        assert_eq!(refused.message, words);
        is_waited_for(&namespace, "c", "GatewayNotOwned").await;
        edit(&namespace, "Agent", "c", &json!({"spec": {"gatewayRef": {"name": "a"}}})).await.expect("it has not joined");
        reason(&namespace, "c", "ReferencesResolved", "Resolved").await;
    })
    .await;
}

#[tokio::test]
async fn after_two_minutes_what_is_missing_is_a_fault_and_the_owner_of_a_deleted_gateway_is_missed() {
    in_namespace("patience", async |namespace| {
        make(&namespace, &provider("p")).await;
        make(&namespace, &resting("a")).await;
        namespace.apply(&joined_agent("b", "a", "p/small")).await;
        namespace.apply(&agent("c", "absent/small")).await;
        make(&namespace, &cron_job("j", "nobody")).await;
        reason(&namespace, "b", "ReferencesResolved", "Resolved").await;
        namespace.delete("Agent", "a").await;
        is_waited_for(&namespace, "b", "GatewayNotFound").await;
        for (kind, name, why) in
            [("Agent", "b", "GatewayNotFound"), ("Agent", "c", "ProviderNotFound"), ("CronJob", "j", "AgentNotFound")]
        {
            let stalled = |condition: &e2e::suite::Condition| condition.status == "True" && condition.reason == why;
            namespace.condition(kind, name, "Stalled", SOON, stalled).await;
            let ready = namespace.condition(kind, name, "Ready", SOON, |ready| ready.reason == why).await;
            assert_eq!(ready.status, "False", "{ready:?}");
            namespace.told(kind, name, &ready.message).await;
        }
    })
    .await;
}
