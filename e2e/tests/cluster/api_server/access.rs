//! How a gateway is reached, as its owner says it: what becomes of it in openclaw.json, and what the conditions say.

use std::net::{IpAddr, Ipv4Addr};

use e2e::suite::{SOON, TestNamespace, in_namespace, operator};
use serde_json::{Value, json};

use super::stage::{config_name, edit, reason, with_children};

/// The section `gateway` of openclaw.json.
async fn configuration(namespace: &TestNamespace) -> Value {
    let map = namespace.get("ConfigMap", &config_name(namespace).await).await;
    let text = map.data["data"]["openclaw.json"].as_str().expect("a file");
    let document: Value = serde_json::from_str(text).expect("the file is JSON");
    document["gateway"].clone()
}

/// Waits until openclaw.json says this at this pointer below `gateway`.
async fn says(namespace: &TestNamespace, pointer: &str, wanted: &Value) {
    namespace
        .eventually(&format!("openclaw.json says {wanted} at {pointer}"), SOON, async || {
            let gateway = configuration(namespace).await;
            let found = gateway.pointer(pointer).unwrap_or(&Value::Null);
            if found == wanted { Ok(()) } else { Err(gateway.to_string()) }
        })
        .await;
}

async fn plan(namespace: &TestNamespace) -> Option<String> {
    let deployment = namespace.get("Deployment", "a-gateway").await;
    deployment.metadata.annotations.and_then(|mut annotations| annotations.remove("creel.dev/plan"))
}

#[tokio::test]
async fn the_page_the_proxies_and_the_apis_change_the_configuration_and_not_the_pod() {
    in_namespace("access", async |namespace| {
        with_children(&namespace, json!({"gateway": {}})).await;
        says(&namespace, "/controlUi", &json!({"enabled": false})).await;
        let before = plan(&namespace).await;
        let origins = json!(["https://claw.example.com"]);
        let gateway = json!({
            "controlUI": {"enabled": true, "allowedOrigins": origins},
            "trustedProxies": ["192.0.2.7"],
            "http": {"chatCompletions": true, "responses": false},
        });
        edit(&namespace, "Agent", "a", &json!({"spec": {"gateway": gateway}})).await.expect("it is accepted");
        says(&namespace, "/controlUi", &json!({"enabled": true, "allowedOrigins": origins})).await;
        says(&namespace, "/trustedProxies", &json!(["192.0.2.7"])).await;
        let endpoints = json!({"chatCompletions": {"enabled": true}, "responses": {"enabled": false}});
        says(&namespace, "/http/endpoints", &endpoints).await;
        let gone = json!({"controlUI": null, "trustedProxies": null, "http": null});
        edit(&namespace, "Agent", "a", &json!({"spec": {"gateway": gone}})).await.expect("it is accepted");
        says(&namespace, "/controlUi", &json!({"enabled": false})).await;
        says(&namespace, "/trustedProxies", &Value::Null).await;
        assert_eq!(plan(&namespace).await, before, "the Pod is another");
    })
    .await;
}

#[tokio::test]
async fn a_range_with_the_operator_in_it_is_not_trusted_and_the_condition_says_so() {
    in_namespace("proxies", async |namespace| {
        let operators = operator::pods(&namespace.client).await;
        let addresses = operators.iter().filter_map(|pod| pod.status.as_ref()?.pod_ip.clone());
        let ranges: Vec<String> = addresses
            .map(|address| match address.parse() {
                Ok(IpAddr::V4(address)) => format!("{}/8", Ipv4Addr::from(u32::from(address) & 0xff00_0000)),
                _ => format!("{address}/128"),
            })
            .collect();
        with_children(&namespace, json!({"gateway": {"trustedProxies": ["192.0.2.7", ranges[0]]}})).await;
        let said = reason(&namespace, "a", "ConfigApplied", "ProxyRejected").await;
        assert_eq!(said.status, "False");
        let words =
            format!("The gateway does not trust \"{}\" (spec.gateway.trustedProxies of Agent \"a\")", ranges[0]);
        assert!(said.message.contains(&words), "{}", said.message);
        says(&namespace, "/trustedProxies", &json!(["192.0.2.7"])).await;
        edit(&namespace, "Agent", "a", &json!({"spec": {"gateway": {"trustedProxies": ["192.0.2.7"]}}}))
            .await
            .expect("it is accepted");
        reason(&namespace, "a", "ConfigApplied", "Suspended").await;
    })
    .await;
}
