//! The gateway's WebSocket, protocol 4. Touches the network: one connection, given by the caller.

use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::gateway::Caller;
use crate::refusal::Refusal;
use crate::server::{Shared, lock};

#[derive(Deserialize)]
struct Request {
    id: Value,
    method: String,
    #[serde(default)]
    params: Value,
}

/// Serves one connection to its end.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, gateway: &Shared) {
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    // A client that hangs up is no concern of the gateway.
    let _ = converse(&mut socket, gateway).await;
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    gateway: &Shared,
) -> Result<(), Error> {
    let (nonce, challenge) = lock(gateway).challenge();
    tell(socket, "connect.challenge", challenge).await?;
    let mut caller = None;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        let Ok(Request { id, method, params }) = serde_json::from_str(&text) else { continue };
        let answer = match (&caller, method.as_str()) {
            (Some(caller), _) => lock(gateway).answer(caller, &method, &params),
            (None, "connect") => lock(gateway).connect(&params, &nonce).map(|(peer, hello)| {
                caller = Some(Caller::Peer(peer));
                hello
            }),
            (None, _) => Err(Refusal::invalid("invalid handshake: first request must be connect")),
        };
        let frame = match &answer {
            Ok(payload) => json!({"type": "res", "id": id, "ok": true, "payload": payload}),
            Err(refusal) => json!({"type": "res", "id": id, "ok": false, "error": refusal.body()}),
        };
        if method == "connect" && answer.is_ok() {
            // What it tells everybody comes in between.
            tell(socket, "health", json!({"ok": true})).await?;
        }
        socket.send(Message::text(frame.to_string())).await?;
        if let (None, Err(refusal)) = (&caller, answer) {
            let reason = refusal.message().to_owned().into();
            return socket.close(Some(CloseFrame { code: CloseCode::Policy, reason })).await;
        }
    }
    Ok(())
}

async fn tell<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    event: &str,
    payload: Value,
) -> Result<(), Error> {
    let frame = json!({"type": "event", "event": event, "payload": payload});
    socket.send(Message::text(frame.to_string())).await
}
