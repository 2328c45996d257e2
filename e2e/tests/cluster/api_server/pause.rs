//! What Creel leaves alone: everything while paused, and a generated Secret once it is made.

use std::time::Duration;

use e2e::suite::{SOON, in_namespace};
use serde_json::json;

use super::stage::{config_name, edit, make, merged, patch_by_hand, provider, reason, resting, uid, with_children};

#[tokio::test]
async fn while_an_agent_is_paused_none_of_its_children_is_written() {
    in_namespace("paused", async |namespace| {
        with_children(&namespace, json!({})).await;
        let config = config_name(&namespace).await;
        namespace.annotate("Agent", "a", "creel.dev/paused", Some("true")).await;
        let ready = reason(&namespace, "a", "Ready", "Suspended").await;
        assert_eq!(ready.status, "True");
        reason(&namespace, "a", "ConfigApplied", "Paused").await;
        let added = json!({"spec": {"ports": [{"name": "more", "port": 22}]}});
        patch_by_hand(&namespace, "Service", "a-gateway", &added).await;
        namespace.delete("NetworkPolicy", "a-gateway").await;
        let change =
            json!({"spec": {"model": {"primary": {"model": "large"}}, "gateway": {"storage": {"size": "20Gi"}}}});
        edit(&namespace, "Agent", "a", &change).await.expect("an edit");
        let children = [
            ("Deployment", "a-gateway"),
            ("Service", "a-gateway"),
            ("NetworkPolicy", "a-gateway"),
            ("PersistentVolumeClaim", "a-claim"),
            ("ConfigMap", config.as_str()),
        ];
        namespace
            .stays("the children of a paused Agent", Duration::from_secs(5), async || {
                let mut seen = Vec::new();
                for (kind, name) in children {
                    let object = namespace.find(kind, name).await;
                    seen.push(
                        object.map(|object| {
                            (object.metadata.uid, object.data["spec"].clone(), object.data["data"].clone())
                        }),
                    );
                }
                seen
            })
            .await;

        namespace.annotate("Agent", "a", "creel.dev/paused", None).await;
        namespace
            .eventually("all is caught up with", SOON, async || {
                let policy = namespace.find("NetworkPolicy", "a-gateway").await.is_some();
                let ports = namespace.get("Service", "a-gateway").await.data["spec"]["ports"].as_array().map(Vec::len);
                let text = namespace.get("ConfigMap", &config).await.data["data"].to_string();
                let seen = (policy, ports, text.contains("/large"));
                if seen == (true, Some(1), true) { Ok(()) } else { Err(format!("{seen:?}")) }
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_generated_secret_is_made_once_and_never_overwritten() {
    in_namespace("generated", async |namespace| {
        with_children(&namespace, json!({})).await;
        let before = namespace.get("Secret", "a-secret").await;
        let token = before.data["data"]["token"].as_str().expect("a token");
        assert!(token.len() >= 64, "the token is short");
        for change in [
            json!({"spec": {"model": {"primary": {"model": "large"}}}}),
            json!({"spec": {"gateway": {"env": [{"name": "A"}]}}}),
        ] {
            edit(&namespace, "Agent", "a", &change).await.expect("an edit");
        }
        reason(&namespace, "a", "Ready", "Suspended").await;
        assert_eq!(
            namespace.get("Secret", "a-secret").await.metadata.resource_version,
            before.metadata.resource_version
        );

        // A person's own token stays, and is what the gateway reads from then on.
        let digests = async || namespace.get("Deployment", "a-gateway").await.metadata.annotations.unwrap_or_default();
        let old = digests().await["creel.dev/environment"].clone();
        let mine = json!({"stringData": {"token": e2e::suite::secret_value("token")}});
        patch_by_hand(&namespace, "Secret", "a-secret", &mine).await;
        let edited = namespace.get("Secret", "a-secret").await;
        namespace
            .eventually("the digest of the token changes", SOON, async || {
                if digests().await["creel.dev/environment"] == old { Err(old.clone()) } else { Ok(()) }
            })
            .await;
        let now = namespace.get("Secret", "a-secret").await;
        assert_eq!(now.metadata.resource_version, edited.metadata.resource_version, "it was overwritten");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_generated_secret_is_made_anew() {
    in_namespace("regenerated", async |namespace| {
        with_children(&namespace, json!({})).await;
        let before = namespace.get("Secret", "a-secret").await;
        namespace.api("Secret").delete("a-secret", &kube::api::DeleteParams::default()).await.expect("a Secret");
        namespace
            .eventually("another token", SOON, async || {
                let now = namespace.find("Secret", "a-secret").await.ok_or("no Secret")?;
                let differs = now.data["data"]["token"] != before.data["data"]["token"];
                if differs { Ok(()) } else { Err("the same token".to_owned()) }
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_token_of_the_users_own_is_used_where_one_is_named() {
    in_namespace("own-token", async |namespace| {
        make(&namespace, &provider("p")).await;
        let auth = json!({"auth": {"token": {"secretKeyRef": {"name": "mine", "key": "t"}}}});
        make(&namespace, &merged(resting("a"), json!({"spec": {"gateway": auth}}))).await;
        let missing = reason(&namespace, "a", "ReferencesResolved", "SecretNotFound").await;
        let words = "Secret \"mine\" does not exist (spec.gateway.auth.token.secretKeyRef of Agent \"a\"): create it";
        assert_eq!(missing.message, words);
        namespace.apply(&e2e::suite::secret("mine", "t", &e2e::suite::secret_value("token"))).await;
        reason(&namespace, "a", "ReferencesResolved", "Resolved").await;
        namespace
            .eventually("the gateway reads that token", SOON, async || {
                let deployment = namespace.find("Deployment", "a-gateway").await.ok_or("no Deployment")?;
                let env = deployment.data["spec"]["template"]["spec"]["containers"][0]["env"].clone();
                let reads = env.as_array().into_iter().flatten().any(|variable| {
                    variable["name"] == "OPENCLAW_GATEWAY_TOKEN"
                        && variable["valueFrom"]["secretKeyRef"]["name"] == "mine"
                });
                if reads { Ok(()) } else { Err(env.to_string()) }
            })
            .await;
        assert!(!uid(&namespace, "Secret", "mine").await.is_empty());
    })
    .await;
}
