//! A person with a browser, in front of a real proxy: the Control UI at the exposed host.

use e2e::model_server::Rule;
use e2e::suite::{
    Browser, Condition, EXPOSED_HOST, Edge, START, TestNamespace, agent, in_namespace, secret_value, with_edge,
};
use serde_json::json;

const OWNER: &str = "support";
const FOREIGN: &str = "https://evil.example.com";
/// Where messages are written.
const MESSAGE: &str = "textarea[aria-label^='Chat compose']";
const ANSWER: &str = "Behind the proxy, and well.";

#[tokio::test]
async fn people_chat_in_a_browser_through_proxies_once_their_device_is_approved() {
    in_namespace("browser", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        // The page shows an echo without what comes before the words, so that it looks like the question.
        namespace.script(&[Rule::text(ANSWER).path_prefix(namespace.prefix("main"))]).await;
        namespace.apply(&agent(OWNER, "main/small")).await;
        let exposure = json!({"host": EXPOSED_HOST, "ingress": {}, "from": [Edge::peer(&namespace.scope)]});
        let gateway = json!({"controlUI": {"enabled": true}, "exposure": exposure});
        namespace.merge("Agent", OWNER, &json!({"spec": {"gateway": gateway}})).await;
        with_edge(&namespace, OWNER, async |edge| people_chat(&namespace, edge).await).await;
    })
    .await;
}

/// Behind both proxies; a page of another origin does not, and a proxy may be replaced.
async fn people_chat(namespace: &TestNamespace, edge: &Edge) {
    namespace.ready(OWNER).await;
    namespace.condition("Agent", OWNER, "Exposed", START, |exposed| exposed.status == "True").await;
    let pod = namespace.gateway(OWNER).await;
    let token = namespace.token(OWNER).await.expect("a token");
    let (nginx, caddy) = (edge.browse("nginx").await, edge.browse("caddy").await);
    for (name, page, answers) in [("nginx", &nginx, 1), ("caddy", &caddy, 2)] {
        page.go(&format!("https://{EXPOSED_HOST}/#token={token}")).await;
        page.reads("Approve this browser", &format!("{name}-asks")).await;
        approve(namespace).await;
        page.reads("Connected", &format!("{name}-connected")).await;
        chat(page, name, answers).await;
    }
    caddy.close().await;

    edge.replace("nginx").await;
    chat(&nginx, "nginx-replaced", 3).await;
    nginx.close().await;

    let foreign = edge.browse("nginx").await;
    foreign.go(&format!("{FOREIGN}/#token={token}")).await;
    foreign.reads("Browser origin not allowed", "foreign-origin").await;
    let refused = |ready: &Condition| ready.reason == "OriginNotAllowed" && ready.message.contains(FOREIGN);
    namespace.condition("Agent", OWNER, "DevicesReady", START, refused).await;
    namespace.told_why("Agent", OWNER, "OriginNotAllowed").await;
    foreign.close().await;
    assert_eq!(namespace.running(OWNER).await, [pod], "nothing of this recreates the gateway");
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

/// Sends a message from the page, which shows this many answers then: both pages show the Agent's main session.
async fn chat(page: &Browser, name: &str, answers: usize) {
    page.enter(MESSAGE, "are you there?").await;
    page.reads_times(ANSWER, answers, &format!("{name}-answered")).await;
}
