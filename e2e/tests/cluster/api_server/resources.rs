//! Requests and limits of users meet the defaults, and the API server accepts the result.

use e2e::suite::in_namespace;
use serde_json::{Value, json};

use super::stage::with_children;

/// Makes a gateway with these resources, of which its container has at least the expected ones.
async fn gateway_has(name: &str, set: Value, expected: &[(&str, &str)]) {
    in_namespace(name, async |namespace| {
        with_children(&namespace, json!({"gateway": {"resources": set}})).await;
        let deployment = namespace.get("Deployment", "a-gateway").await;
        let resources = &deployment.data["spec"]["template"]["spec"]["containers"][0]["resources"];
        for (pointer, amount) in expected {
            assert_eq!(resources.pointer(pointer), Some(&json!(amount)), "{pointer} in {resources}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_default_request_yields_to_a_lower_limit() {
    let set = json!({"limits": {"cpu": "200m", "memory": "800Mi"}});
    gateway_has("limits", set, &[("/requests/cpu", "200m"), ("/requests/memory", "800Mi")]).await;
}

#[tokio::test]
async fn a_default_limit_yields_to_a_higher_request() {
    gateway_has("requests", json!({"requests": {"memory": "3Gi"}}), &[("/limits/memory", "3Gi")]).await;
}
