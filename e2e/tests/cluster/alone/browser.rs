//! A person with a browser, in front of a real proxy, an Ingress controller and a Gateway: the Control UI at the exposed host.

use e2e::model_server::Rule;
use e2e::suite::{
    Browser, Condition, EXPOSED_HOST, Edge, Part, START, TestNamespace, agent, exposure, in_namespace, secret_value,
    with_edge, with_gateway_api,
};
use gateway_stand_in::contract::socket::Device;
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
    in_namespace("browser", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        // The page shows an echo without what comes before the words, so that it looks like the question.
        namespace.script(&[Rule::text(ANSWER).path_prefix(namespace.prefix("main"))]).await;
        namespace.apply(&agent(OWNER, "main/small")).await;
        let gateway = json!({"controlUI": {"enabled": true}, "exposure": exposure(&namespace.scope, &[Part::Gateway])});
        namespace.merge("Agent", OWNER, &json!({"spec": {"gateway": gateway}})).await;
        // The cluster gets the kind while the operator and the Agent wait for it.
        exposed(&namespace, "RouteKindNotServed").await;
        with_gateway_api(async || {
            with_edge(&namespace, OWNER, &EDGE, async |edge| people_come(&namespace, edge).await).await;
        })
        .await;
    })
    .await;
}

/// By a route of the Gateway API, then by an Ingress; nothing of it recreates the gateway.
async fn people_come(namespace: &TestNamespace, edge: &Edge) {
    namespace.ready(OWNER).await;
    exposed(namespace, "Exposed").await;
    let pod = namespace.gateway(OWNER).await;
    are_let_in_alone(namespace, OWNER, edge, &[Part::Gateway]).await;
    a_dashboard_connects_by_the_gateway(namespace, edge).await;

    let mut ingress = exposure(&namespace.scope, &PROXIES);
    ingress["httpRoute"] = Value::Null;
    namespace.merge("Agent", OWNER, &json!({"spec": {"gateway": {"exposure": ingress}}})).await;
    exposed(namespace, "Exposed").await;
    are_let_in_alone(namespace, OWNER, edge, &PROXIES).await;
    people_chat(namespace, edge).await;
    assert_eq!(namespace.running(OWNER).await, [pod], "nothing of this recreates the gateway");
}

/// Waits until `Exposed` has this reason.
async fn exposed(namespace: &TestNamespace, reason: &str) {
    let said = namespace.condition("Agent", OWNER, "Exposed", START, |exposed| exposed.reason == reason).await;
    assert_eq!(said.status == "True", reason == "Exposed", "{said:?}");
}

/// The HTTPRoute leads a dashboard at the host's origin to the gateway, which lets it in once its device is approved.
async fn a_dashboard_connects_by_the_gateway(namespace: &TestNamespace, edge: &Edge) {
    let (device, token) = (Device::new(), namespace.token(OWNER).await.expect("a token"));
    let origin = format!("https://{EXPOSED_HOST}");
    let connect = async || {
        let (mut socket, challenge) = edge.connect(Part::Gateway, Some(&origin)).await?;
        let answer = socket.call("connect", device.claim(&challenge, &token, SCOPE)).await;
        answer.map(|_| socket).map_err(|refusal| refusal.to_string())
    };
    let asks = async || match connect().await {
        Err(refusal) if refusal.contains("requestId") => Ok(()),
        other => Err(format!("{other:?}")),
    };
    namespace.eventually("a device asks by the Gateway", START, asks).await;
    approve(namespace).await;
    let mut socket = namespace.eventually("it is let in", START, connect).await;
    socket.call("cron.status", json!({})).await.expect("it may read");
}

/// Behind each proxy; a page of another origin does not, and a proxy may be replaced.
async fn people_chat(namespace: &TestNamespace, edge: &Edge) {
    let token = namespace.token(OWNER).await.expect("a token");
    for (before, proxy) in [Part::Caddy, Part::Ingress].into_iter().enumerate() {
        somebody_chats(namespace, edge, (proxy, &token), before + 1).await.close().await;
    }
    let nginx = somebody_chats(namespace, edge, (Part::Nginx, &token), 3).await;
    edge.replace(Part::Nginx).await;
    chat(&nginx, "nginx-replaced", 4).await;
    nginx.close().await;

    let foreign = edge.browse(Part::Nginx).await;
    foreign.go(&format!("{FOREIGN}/#token={token}")).await;
    foreign.reads("Browser origin not allowed", "foreign-origin").await;
    let refused = |ready: &Condition| ready.reason == "OriginNotAllowed" && ready.message.contains(FOREIGN);
    namespace.condition("Agent", OWNER, "DevicesReady", START, refused).await;
    namespace.told_why("Agent", OWNER, "OriginNotAllowed").await;
    foreign.close().await;
}

/// Somebody with a new browser comes through this proxy, is approved, and reads this many answers after a message: all pages show the
/// Agent's main session.
async fn somebody_chats(
    namespace: &TestNamespace,
    edge: &Edge,
    (proxy, token): (Part, &str),
    answers: usize,
) -> Browser {
    let (page, name) = (edge.browse(proxy).await, proxy.name());
    page.go(&format!("https://{EXPOSED_HOST}/#token={token}")).await;
    page.reads("Approve this browser", &format!("{name}-asks")).await;
    approve(namespace).await;
    page.reads("Connected", &format!("{name}-connected")).await;
    chat(&page, name, answers).await;
    page
}

/// Approves the request that the status shows.
async fn approve(namespace: &TestNamespace) {
    let request = namespace
        .eventually("the request of the browser is in the status", START, async || {
            let status = namespace.get("Agent", OWNER).await.data["status"]["gateway"].clone();
            status["pendingDevices"][0]["requestID"].as_str().map(str::to_owned).ok_or(status.to_string())
        })
        .await;
    namespace.annotate("Agent", OWNER, "creel.dev/approve-device", Some(&request)).await;
    let approved = |found: &Condition| found.reason == "DevicesPaired";
    namespace.condition("Agent", OWNER, "DevicesReady", START, approved).await;
}

/// Sends a message from the page, which shows this many answers then.
async fn chat(page: &Browser, name: &str, answers: usize) {
    page.enter(MESSAGE, "are you there?").await;
    page.reads_times(ANSWER, answers, &format!("{name}-answered")).await;
}
