//! How a gateway is reached, as its owner says it: what becomes of it in openclaw.json and outside of the cluster, and what the conditions
//! say.

use std::net::{IpAddr, Ipv4Addr};

use e2e::suite::{SOON, TestNamespace, in_namespace, operator, secret, secret_value};
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

/// Waits for what the Ingress says at this pointer below its spec.
async fn ingress_says(namespace: &TestNamespace, pointer: &str, wanted: &Value) {
    namespace
        .eventually(&format!("the Ingress says {wanted} at {pointer}"), SOON, async || {
            let ingress = namespace.find("Ingress", "a-gateway").await.ok_or("there is none")?;
            let spec = &ingress.data["spec"];
            if spec.pointer(pointer) == Some(wanted) { Ok(()) } else { Err(spec.to_string()) }
        })
        .await;
}

#[tokio::test]
async fn an_exposed_gateway_has_an_ingress_that_follows_the_spec_and_goes_with_it() {
    in_namespace("exposed", async |namespace| {
        with_children(&namespace, json!({"gateway": {}})).await;
        let before = plan(&namespace).await;
        let policy = namespace.get("NetworkPolicy", "a-gateway").await.data["spec"].clone();
        let peer = json!({"ipBlock": {"cidr": "192.0.2.0/28"}});
        let annotations = json!({"example.org/timeout": "3600"});
        let exposure = json!({"host": "one.example.com", "ingress": {"className": "none", "annotations": annotations}, "from": [peer]});
        edit(&namespace, "Agent", "a", &json!({"spec": {"gateway": {"exposure": exposure}}})).await.expect("accepted");
        ingress_says(&namespace, "/rules/0/host", &json!("one.example.com")).await;
        assert_eq!(reason(&namespace, "a", "Exposed", "ProxyUnknown").await.status, "False");
        let proxies = json!({"spec": {"gateway": {"trustedProxies": ["192.0.2.3"]}}});
        edit(&namespace, "Agent", "a", &proxies).await.expect("accepted");
        assert_eq!(reason(&namespace, "a", "Exposed", "Exposed").await.status, "True");
        assert_eq!(namespace.get("Agent", "a").await.data["status"]["gateway"]["url"], "https://one.example.com");
        let ingress = namespace.get("Ingress", "a-gateway").await;
        assert_eq!(ingress.metadata.annotations.expect("annotations")["example.org/timeout"], "3600");
        says(&namespace, "/controlUi/allowedOrigins", &json!(["https://one.example.com"])).await;
        let mut opened = policy.clone();
        opened["ingress"][0]["from"].as_array_mut().expect("peers").push(peer);
        assert_eq!(namespace.get("NetworkPolicy", "a-gateway").await.data["spec"], opened);

        let secret = json!({"host": "two.example.com", "ingress": {"tlsSecretName": "claw-tls"}});
        edit(&namespace, "Agent", "a", &json!({"spec": {"gateway": {"exposure": secret}}})).await.expect("accepted");
        ingress_says(&namespace, "/tls", &json!([{"hosts": ["two.example.com"], "secretName": "claw-tls"}])).await;
        says(&namespace, "/controlUi/allowedOrigins", &json!(["https://two.example.com"])).await;
        let by_hand = json!({"spec": {"rules": null, "defaultBackend": {"service": {"name": "mine", "port": {"number": 80}}}}});
        edit(&namespace, "Ingress", "a-gateway", &by_hand).await.expect("an edit by hand");
        ingress_says(&namespace, "/rules/0/host", &json!("two.example.com")).await;

        edit(&namespace, "Agent", "a", &json!({"spec": {"gateway": {"exposure": null}}})).await.expect("accepted");
        let gone = async || namespace.find("Ingress", "a-gateway").await.map_or(Ok(()), |_| Err("it is there".to_owned()));
        namespace.eventually("the Ingress is gone", SOON, gone).await;
        let closed = async || {
            let spec = namespace.get("NetworkPolicy", "a-gateway").await.data["spec"].clone();
            let agent = namespace.get("Agent", "a").await;
            let told = agent.data["status"]["conditions"].to_string().contains("\"Exposed\"");
            if spec == policy && !told { Ok(()) } else { Err(format!("{spec} {}", agent.data["status"])) }
        };
        namespace.eventually("the policy and the status are as before", SOON, closed).await;
        assert_eq!(plan(&namespace).await, before, "the Pod is another");
    })
    .await;
}

#[tokio::test]
async fn without_the_gateway_api_the_condition_says_so_and_nothing_else_fails() {
    in_namespace("no-routes", async |namespace| {
        let exposure = json!({"host": "claw.example.com", "httpRoute": {"parentRefs": [{"name": "edge"}]}});
        with_children(&namespace, json!({"gateway": {"exposure": exposure}})).await;
        let said = reason(&namespace, "a", "Exposed", "RouteKindNotServed").await;
        assert_eq!(said.status, "False");
        assert!(said.message.contains("HTTPRoute of gateway.networking.k8s.io/v1"), "{}", said.message);
        reason(&namespace, "a", "Ready", "Suspended").await;
        says(&namespace, "/controlUi/allowedOrigins", &json!(["https://claw.example.com"])).await;
    })
    .await;
}

/// Waits until the clients of the relay are these, by name and with their agents.
async fn clients_are(namespace: &TestNamespace, wanted: &Value) {
    namespace
        .eventually(&format!("the clients are {wanted}"), SOON, async || {
            let map = namespace.find("ConfigMap", "a-clients").await.ok_or("there is no ConfigMap")?;
            let text = map.data["data"]["clients.json"].as_str().ok_or("it has no file")?;
            let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            let clients = document["clients"].as_array().ok_or("it has no clients")?;
            let found: Vec<_> = clients.iter().map(|client| json!([client["name"], client["agents"]])).collect();
            if json!(found) == *wanted { Ok(()) } else { Err(text.to_owned()) }
        })
        .await;
}

#[tokio::test]
async fn clients_come_change_and_go_and_what_is_wrong_with_one_is_told_and_disturbs_nothing() {
    in_namespace("clients", async |namespace| {
        let client =
            |agents: Value| json!([{"name": "home", "agents": agents, "secretRef": {"name": "tokens", "key": "home"}}]);
        let set = async |clients: Value| {
            let auth = json!({"spec": {"gateway": {"auth": {"clients": clients}}}});
            edit(&namespace, "Agent", "a", &auth).await.expect("it is accepted");
        };
        with_children(&namespace, json!({"gateway": {}})).await;
        let before = plan(&namespace).await;
        set(client(json!(["a"]))).await;
        let said = reason(&namespace, "a", "ReferencesResolved", "SecretNotFound").await;
        assert!(said.message.contains("spec.gateway.auth.clients[home].secretRef"), "{}", said.message);
        assert_eq!(said.status, "False");
        clients_are(&namespace, &json!([])).await;
        let another = async || match plan(&namespace).await {
            plan if plan != before => Ok(plan),
            plan => Err(format!("{plan:?}")),
        };
        let with_relay = namespace.eventually("the Pod has a relay", SOON, another).await;

        namespace.apply(&secret("tokens", "home", &secret_value("client"))).await;
        clients_are(&namespace, &json!([["home", ["a"]]])).await;
        reason(&namespace, "a", "ReferencesResolved", "Resolved").await;
        set(client(json!(["a", "nobody"]))).await;
        let said = reason(&namespace, "a", "ReferencesResolved", "AgentNotFound").await;
        assert!(said.message.contains("Agent \"nobody\" is not on this gateway"), "{}", said.message);
        clients_are(&namespace, &json!([["home", ["a"]]])).await;
        assert_eq!(plan(&namespace).await, with_relay, "the Pod is another");
        let ports = namespace.get("Service", "a-gateway").await.data["spec"]["ports"].clone();
        assert_eq!((&ports[0]["port"], &ports[1]["port"]), (&json!(18_789), &json!(18_790)));

        edit(&namespace, "Agent", "a", &json!({"spec": {"gateway": {"auth": null}}})).await.expect("it is accepted");
        let gone = async || match namespace.find("ConfigMap", "a-clients").await {
            Some(map) => Err(format!("{map:?}")),
            None => Ok(()),
        };
        namespace.eventually("the ConfigMap is gone", SOON, gone).await;
        let closed = async || {
            let ports = namespace.get("Service", "a-gateway").await.data["spec"]["ports"].clone();
            let same = plan(&namespace).await == before && ports.as_array().is_some_and(|ports| ports.len() == 1);
            if same { Ok(()) } else { Err(ports.to_string()) }
        };
        namespace.eventually("the Pod and the Service are as before", SOON, closed).await;
    })
    .await;
}
