//! The contract's own client of the WebSocket. Touches the network: the gateway.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::ORIGIN;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::subject::{Host, Subject};
use crate::devices::ADMIN;

const ANSWER: Duration = Duration::from_secs(30);

/// A key that a gateway may know.
#[derive(Debug)]
pub struct Device {
    key: SigningKey,
}

impl Device {
    /// One that no gateway knows yet.
    #[must_use]
    pub fn new() -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("random bytes");
        Self { key: SigningKey::from_bytes(&secret) }
    }

    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(Sha256::digest(self.key.verifying_key().as_bytes()))
    }

    /// The parameters of `connect`, which answer this challenge.
    #[must_use]
    pub fn claim(&self, challenge: &Value, token: &str, scope: &str) -> Value {
        let mut claim = without_device(token, scope);
        let (id, at, nonce) = (self.id(), &challenge["ts"], challenge["nonce"].as_str().expect("a nonce"));
        let signed = format!("v3|{id}|gateway-client|backend|operator|{scope}|{at}|{token}|{nonce}|linux|");
        claim["device"] = json!({
            "id": id,
            "publicKey": URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes()),
            "signature": URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).to_bytes()),
            "signedAt": at,
            "nonce": nonce,
        });
        claim
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

/// The parameters of `connect` of whoever has no device.
#[must_use]
pub fn without_device(token: &str, scope: &str) -> Value {
    json!({
        "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": [scope], "auth": {"token": token},
        "client": {"id": "gateway-client", "version": "1", "platform": "linux", "mode": "backend"},
        "userAgent": "contract",
    })
}

/// One connection, over a stream of bytes that goes to a gateway.
#[derive(Debug)]
pub struct Socket<S = TcpStream> {
    stream: WebSocketStream<S>,
    requests: u32,
}

impl Socket {
    /// Opens a connection; with its challenge.
    pub async fn open<H: Host>(subject: &Subject<H>) -> (Self, Value) {
        Self::open_from(subject.address, None).await
    }

    /// The same to any gateway, and for a page of this origin, as a browser opens it.
    pub async fn open_from(address: SocketAddr, origin: Option<&str>) -> (Self, Value) {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        let opened = Self::over(stream, &format!("ws://{address}/"), origin).await;
        opened.unwrap_or_else(|error| panic!("the gateway opens a WebSocket: {error}"))
    }

    /// Opens a connection and introduces this device to it.
    pub async fn connect<H: Host>(subject: &Subject<H>, device: &Device) -> Result<Self, Value> {
        let (mut socket, challenge) = Self::open(subject).await;
        let claim = device.claim(&challenge, &subject.token, ADMIN);
        socket.call("connect", claim).await.map(|_| socket)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Opens a connection over a stream that leads to this address, perhaps through a proxy; with its challenge. `Err`: why there is none.
    pub async fn over(stream: S, url: &str, origin: Option<&str>) -> Result<(Self, Value), String> {
        let mut request = url.into_client_request().expect("a request");
        if let Some(origin) = origin {
            request.headers_mut().insert(ORIGIN, origin.parse().expect("a value of a header"));
        }
        let (stream, _) = client_async(request, stream).await.map_err(|error| error.to_string())?;
        let mut socket = Self { stream, requests: 0 };
        let challenge = socket.frame(|frame| frame["event"] == "connect.challenge");
        let challenge = timeout(ANSWER, challenge).await.map_err(|_| "it keeps silent")?;
        Ok((socket, challenge.ok_or("it ends before its challenge")?["payload"].clone()))
    }

    /// Says nothing for this time, and listens. `Err`: how the connection ended meanwhile.
    pub async fn rest(&mut self, time: Duration) -> Result<(), String> {
        let end = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(message)) if !message.is_close() => {}
                    other => return format!("{other:?}"),
                }
            }
        };
        timeout(time, end).await.map_or(Ok(()), Err)
    }

    /// The payload, or the error.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.requests += 1;
        let id = format!("r{}", self.requests);
        let request = json!({"type": "req", "id": id, "method": method, "params": params});
        self.stream.send(Message::text(request.to_string())).await.expect("the gateway reads");
        let is_answer = |frame: &Value| frame["type"] == "res" && frame["id"] == id.as_str();
        let answer = timeout(ANSWER, self.frame(is_answer)).await.expect("the gateway does not keep silent");
        let mut answer = answer.expect("an answer");
        if answer["ok"] == true { Ok(answer["payload"].take()) } else { Err(answer["error"].take()) }
    }

    /// The code with which the gateway closes the connection.
    pub async fn closed(&mut self) -> u16 {
        let close = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                    Some(Ok(_)) => {}
                    other => panic!("not closed in good order: {other:?}"),
                }
            }
        };
        timeout(ANSWER, close).await.expect("the gateway closes the connection")
    }

    /// The next frame of this kind; `None` when the connection ends before.
    async fn frame(&mut self, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
        while let Some(Ok(message)) = self.stream.next().await {
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
            if is_it(&frame) {
                return Some(frame);
            }
        }
        None
    }
}
