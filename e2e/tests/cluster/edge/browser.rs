//! A person with a browser, in front of a real proxy, an Ingress controller and a Gateway: the Control UI at the exposed host.

use e2e::model_server::Rule;
use e2e::suite::{
    Browser, Condition, Connection, EXPOSED_HOST, Edge, Part, START, TestNamespace, agent, exposure, in_namespace,
    secret_value, with_edge, with_gateway_api, without_gateway_api,
};
use gateway_stand_in::contract::socket::{Device, without_device};
use serde_json::{Value, json};

use super::let_in::are_let_in_alone;

const OWNER: &str = "support";
const FOREIGN: &str = "https://evil.example.com";
const SCOPE: &str = "operator.read";
/// Where messages are written.
const MESSAGE: &str = "textarea[aria-label^='Chat compose']";
const ANSWER: &str = "Behind the proxy, and well.";

/// Who is let in while an Ingress leads to the gateway.
const PROXIES: [Part; 3] = [Part::Nginx, Part::Caddy, Part::Ingress];
const EDGE: [Part; 5] = [Part::Nginx, Part::Caddy, Part::Ingress, Part::Gateway, Part::Browser];

#[tokio::test]
async fn people_chat_in_a_browser_through_proxies_once_their_device_is_approved() {
    without_gateway_api().await;
    in_namespace("browser", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        // The page shows an echo without what comes before the words, so that it looks like the question.
        namespace.script(&[Rule::text(ANSWER).path_prefix(namespace.prefix("main"))]).await;
        namespace.apply(&agent(OWNER, "main/small")).await;
        let gateway = json!({"controlUI": {"enabled": true}, "exposure": exposure(&namespace.scope, &[Part::Gateway])});
        namespace.merge("Agent", OWNER, &json!({"spec": {"gateway": gateway}})).await;
        // The cluster gets the kind while the operator and the Agent wait for it.
        exposed(&namespace, "RouteKindNotServed").await;
        let served = with_gateway_api(async || {
            with_edge(&namespace, OWNER, &EDGE, async |edge| people_come(&namespace, edge).await).await;
        });
        Box::pin(served).await;
    })
    .await;
}

/// By a route of the Gateway API, then by an Ingress; nothing of it recreates the gateway.
async fn people_come(namespace: &TestNamespace, edge: &Edge) {
    namespace.ready(OWNER).await;
    exposed(namespace, "Exposed").await;
    let pod = namespace.gateway(OWNER).await;
    are_let_in_alone(namespace, OWNER, edge, &[Part::Gateway]).await;
    let device = Device::new();
    asks_by_the_gateway(namespace, edge, &device).await;

    let mut ingress = exposure(&namespace.scope, &PROXIES);
    ingress["httpRoute"] = Value::Null;
    namespace.merge("Agent", OWNER, &json!({"spec": {"gateway": {"exposure": ingress}}})).await;
    exposed(namespace, "Exposed").await;
    are_let_in_alone(namespace, OWNER, edge, &PROXIES).await;
    people_chat(namespace, edge, &device).await;
    assert_eq!(namespace.running(OWNER).await, [pod], "nothing of this recreates the gateway");
}

/// Waits until `Exposed` has this reason.
async fn exposed(namespace: &TestNamespace, reason: &str) {
    let said = namespace.condition("Agent", OWNER, "Exposed", START, |exposed| exposed.reason == reason).await;
    assert_eq!(said.status == "True", reason == "Exposed", "{said:?}");
}

/// The HTTPRoute leads a program to the gateway, and a dashboard at the host's origin, whose device must be approved.
async fn asks_by_the_gateway(namespace: &TestNamespace, edge: &Edge, device: &Device) {
    let token = namespace.token(OWNER).await.expect("a token");
    let program = async || {
        let (mut socket, _challenge) = edge.connect(Part::Gateway, None).await?;
        socket.call("connect", without_device(&token, SCOPE)).await.map_err(|refusal| refusal.to_string())
    };
    let hello = namespace.eventually("a program connects by the HTTPRoute", START, program).await;
    assert_eq!(hello["type"], "hello-ok", "{hello}");
    let refusal = connect(namespace, edge, Part::Gateway, device).await.expect_err("a device that is not approved");
    assert!(refusal.contains("requestId"), "{refusal}");
}

/// Connects this device through the proxy, as a dashboard at the host's origin does.
async fn connect(namespace: &TestNamespace, edge: &Edge, proxy: Part, device: &Device) -> Result<Connection, String> {
    let token = namespace.token(OWNER).await.map_err(|error| error.to_string())?;
    let (mut socket, challenge) = edge.connect(proxy, Some(&format!("https://{EXPOSED_HOST}"))).await?;
    let answer = socket.call("connect", device.claim(&challenge, &token, SCOPE)).await;
    answer.map(|_| socket).map_err(|refusal| refusal.to_string())
}

/// Behind each proxy, and so does the dashboard; a page of another origin does not, and a proxy may be replaced.
async fn people_chat(namespace: &TestNamespace, edge: &Edge, device: &Device) {
    let token = namespace.token(OWNER).await.expect("a token");
    let mut pages = Vec::new();
    for proxy in PROXIES {
        let page = edge.browse(proxy).await;
        page.go(&format!("https://{EXPOSED_HOST}/#token={token}")).await;
        page.reads("Approve this browser", &format!("{}-asks", proxy.name())).await;
        pages.push(page);
    }
    // Together, because Creel asks the gateway once a minute who waits.
    approve(namespace, edge, device, PROXIES.len() + 1).await;
    let lets_in = async || connect(namespace, edge, Part::Ingress, device).await;
    let mut socket = namespace.eventually("the dashboard is let in", START, lets_in).await;
    socket.call("cron.status", json!({})).await.expect("it may read");
    for ((page, proxy), before) in pages.iter().zip(PROXIES).zip(0..) {
        page.reads("Connected", &format!("{}-connected", proxy.name())).await;
        chat(page, proxy.name(), before + 1).await;
    }

    edge.replace(Part::Nginx).await;
    chat(&pages[0], "nginx-replaced", PROXIES.len() + 1).await;
    for page in pages {
        page.close().await;
    }

    let foreign = edge.browse(Part::Nginx).await;
    foreign.go(&format!("{FOREIGN}/#token={token}")).await;
    foreign.reads("Browser origin not allowed", "foreign-origin").await;
    let refused = |ready: &Condition| ready.reason == "OriginNotAllowed" && ready.message.contains(FOREIGN);
    namespace.condition("Agent", OWNER, "DevicesReady", START, refused).await;
    namespace.told_why("Agent", OWNER, "OriginNotAllowed").await;
    foreign.close().await;
}

/// Approves so many requests, which the status shows. That of the device does not try again by itself, and would be forgotten after five
/// minutes.
async fn approve(namespace: &TestNamespace, edge: &Edge, device: &Device, count: usize) {
    let pending = async || {
        let status = namespace.get("Agent", OWNER).await.data["status"]["gateway"].clone();
        let pending = status["pendingDevices"].as_array().cloned().unwrap_or_default();
        let ids = pending.iter().map(|request| request["requestID"].as_str().unwrap_or_default().to_owned());
        ids.collect::<Vec<_>>()
    };
    let asked = async || {
        connect(namespace, edge, Part::Ingress, device).await.err();
        let pending = pending().await;
        if pending.len() == count { Ok(pending) } else { Err(format!("{pending:?}")) }
    };
    let requests = namespace.eventually(&format!("{count} requests are in the status"), START, asked).await;
    for request in requests {
        namespace.annotate("Agent", OWNER, "creel.dev/approve-device", Some(&request)).await;
        let approved = async || {
            let pending = pending().await;
            if pending.contains(&request) { Err(format!("{pending:?}")) } else { Ok(()) }
        };
        namespace.eventually("the request is approved", START, approved).await;
    }
    namespace.condition("Agent", OWNER, "DevicesReady", START, |found| found.reason == "DevicesPaired").await;
}

/// Sends a message from the page, which shows this many answers then.
async fn chat(page: &Browser, name: &str, answers: usize) {
    page.enter(MESSAGE, "are you there?").await;
    page.reads_times(ANSWER, answers, &format!("{name}-answered")).await;
}
