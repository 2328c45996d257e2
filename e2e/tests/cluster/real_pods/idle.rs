//! Connections on which the client says nothing, through proxies. What the gateway says by itself passes.

use std::time::Duration;

use e2e::suite::{Edge, Part, START, TestNamespace, exposure, with_edge};
use futures::future::join_all;
use gateway_stand_in::contract::socket::without_device;
use serde_json::json;

use crate::edge::let_in::are_trusted_alone;

/// Most proxies close a WebSocket earlier, unless they are told.
const A_WHILE: Duration = Duration::from_mins(5);

/// OpenClaw applies what it has read within this time, and closes every WebSocket if the proxies that it trusts are others then.
const RELOAD: Duration = Duration::from_secs(20);

/// Does something while a client is connected through an Ingress controller to the gateway of `owner`, which goes on to run, and says
/// nothing for a while.
pub async fn with_an_idle_client(namespace: &TestNamespace, owner: &str, meanwhile: impl AsyncFnOnce()) {
    expose(namespace, owner, &[Part::Ingress]).await;
    with_edge(namespace, owner, &[Part::Ingress], async |edge| {
        tokio::join!(stay_open(namespace, owner, edge, &[Part::Ingress], A_WHILE), meanwhile());
    })
    .await;
}

/// Exposes the gateway of `owner` for these proxies.
pub async fn expose(namespace: &TestNamespace, owner: &str, proxies: &[Part]) {
    let exposure = json!({"spec": {"gateway": {"exposure": exposure(&namespace.scope, proxies)}}});
    namespace.merge("Agent", owner, &exposure).await;
}

/// A client connects through each of these proxies, which all run, says nothing for this time, and is answered then.
pub async fn stay_open(namespace: &TestNamespace, owner: &str, edge: &Edge, proxies: &[Part], time: Duration) {
    namespace.condition("Agent", owner, "Exposed", START, |exposed| exposed.status == "True").await;
    are_trusted_alone(namespace, owner, edge, proxies).await;
    let token = namespace.token(owner).await.expect("a token");
    join_all(proxies.iter().map(|proxy| stays_open(namespace, edge, *proxy, &token, time))).await;
}

async fn stays_open(namespace: &TestNamespace, edge: &Edge, proxy: Part, token: &str, time: Duration) {
    let connects = async || {
        let (mut socket, _challenge) = edge.connect(proxy, None).await?;
        let hello = socket.call("connect", without_device(token, "operator.read")).await;
        hello.map_err(|refusal| refusal.to_string())?;
        socket.rest(RELOAD).await.map(|()| socket).map_err(|end| format!("it ended: {end}"))
    };
    let what = format!("a client connects through {proxy:?}");
    let mut socket = namespace.eventually(&what, START, connects).await;
    if let Err(end) = socket.rest(time).await {
        panic!("the WebSocket through {proxy:?} ended before {} s: {end}", time.as_secs());
    }
    // Without a device it may do nothing, and is told so.
    let refusal = socket.call("cron.status", json!({})).await.expect_err("no scope");
    assert_eq!(refusal["code"], "FORBIDDEN", "{refusal}");
    println!("the WebSocket through {proxy:?} was idle for {} s", time.as_secs());
}
