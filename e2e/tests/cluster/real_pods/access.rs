//! Who may connect to a gateway, and by which API: the shared gateway takes up both without a restart.

use std::net::SocketAddr;

use e2e::suite::{Admin, SOON, Shared, TestNamespace, on_shared};
use gateway_stand_in::contract::socket::{Socket, without_device};
use serde_json::{Value, json};

const ALLOWED: &str = "https://claw.example.com";
const FOREIGN: &str = "https://evil.example.com";
const ORIGIN_REFUSED: &str = "CONTROL_UI_ORIGIN_NOT_ALLOWED";

#[tokio::test]
async fn chat_completions_and_origins_are_live_without_a_restart() {
    on_shared(Shared::Plain, "access", async |namespace: TestNamespace| {
        let agent = namespace.join("support").await;
        let host = namespace.host_of(&agent);
        let pod = namespace.gateway(host).await;
        let gateway = json!({"controlUI": {"allowedOrigins": [ALLOWED]}, "http": {"chatCompletions": true}});
        namespace.merge("Agent", host, &json!({"spec": {"gateway": gateway}})).await;
        namespace.applied(host).await;

        let gateway = Admin::of(&namespace, host).await.expect("a gateway with an address");
        let (address, token) = (gateway.address, gateway.token);
        let completed = async || complete(address, &token, &agent).await;
        let answer = namespace.eventually("/v1/chat/completions answers", SOON, completed).await;
        assert!(answer.contains("are you there?"), "{answer}");
        let refused = async || match connect(address, &token, FOREIGN).await {
            Err(error) if error.to_string().contains(ORIGIN_REFUSED) => Ok(()),
            other => Err(format!("{other:?}")),
        };
        namespace.eventually("a foreign origin is refused", SOON, refused).await;
        let allowed = async || match connect(address, &token, ALLOWED).await {
            Err(error) if error.to_string().contains(ORIGIN_REFUSED) => Err(error.to_string()),
            _connected_or_to_be_paired => Ok(()),
        };
        namespace.eventually("an allowed origin is not", SOON, allowed).await;
        assert_eq!(namespace.running(host).await, [pod]);
    })
    .await;
}

/// What the Agent answers over `/v1/chat/completions`.
async fn complete(address: SocketAddr, token: &str, agent: &str) -> Result<String, String> {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let messages = json!([{"role": "user", "content": "are you there?"}]);
    let question = json!({"model": format!("openclaw/{agent}"), "messages": messages});
    let sent = http.post(format!("http://{address}/v1/chat/completions")).bearer_auth(token).json(&question).send();
    let response = sent.await.map_err(|error| error.to_string())?;
    let body: Value = response.json().await.map_err(|error| error.to_string())?;
    let text = body["choices"][0]["message"]["content"].as_str().map(str::to_owned);
    text.ok_or_else(|| body.to_string())
}

/// Connects as a page of this origin does.
async fn connect(address: SocketAddr, token: &str, origin: &str) -> Result<Value, Value> {
    let (mut socket, _challenge) = Socket::open_from(address, Some(origin)).await;
    socket.call("connect", without_device(token, "operator.read")).await
}
