//! The relay with a gateway that the test plays, over real connections.

mod limits;
mod rules;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use hmac::Mac;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::clients::digest;
use super::service::Relay;
use super::{Limits, accept, watch};

const KEY: &[u8] = b"the key of the digests";
const GATEWAY_TOKEN: &str = "the gateway's own";
/// Its token: [`token`] of its name. It may use one agent.
const HOME: &str = "home";
/// The same, with two agents.
const WEB: &str = "web";

/// The token of this client.
fn token(client: &str) -> String {
    format!("token-of-{client}")
}

/// The file of the clients with these agents.
fn document(clients: &[(&str, &[&str])]) -> Vec<u8> {
    let entry = |(name, agents): &(&str, &[&str])| {
        let digest = hex::encode(digest(KEY, token(name).as_bytes()).unwrap().finalize().into_bytes());
        json!({"name": name, "agents": agents, "digest": digest})
    };
    json!({"clients": clients.iter().map(entry).collect::<Vec<_>>()}).to_string().into_bytes()
}

/// A relay, and the gateway behind it.
struct Stage {
    relay: Arc<Relay>,
    address: std::net::SocketAddr,
    gateway: TcpListener,
    _running: JoinSet<()>,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Arc::new(Relay::new(gateway.local_addr().unwrap(), GATEWAY_TOKEN, limits).unwrap());
        let mut running = JoinSet::new();
        running.spawn(accept(listener, relay.clone()));
        let stage = Self { relay, address, gateway, _running: running };
        stage.clients(&[(HOME, &["ada"]), (WEB, &["ada", "ben"])]);
        stage
    }

    fn clients(&self, clients: &[(&str, &[&str])]) {
        watch::take_up(Some(&(document(clients), KEY.to_vec())), &self.relay);
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request with these lines of its head and this body, and leaves the connection open.
    async fn begin(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = self.connect().await;
        let length = body.len();
        let request = format!("{head}\r\nhost: relay\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// The status and body of a request that the relay answers itself.
    async fn refused(&self, head: &str, body: &str) -> (u16, String) {
        response(&mut self.begin(head, body).await).await
    }

    /// Begins to ask as this client.
    async fn ask(&self, client: &str, body: &Value) -> TcpStream {
        self.begin(&chat(client), &body.to_string()).await
    }

    /// What the gateway receives next: the connection, the head and the body.
    async fn received(&self) -> (TcpStream, String, Value) {
        let (mut stream, _) = self.gateway.accept().await.unwrap();
        let mut read = Vec::new();
        loop {
            read.push(stream.read_u8().await.unwrap());
            if read.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        let head = String::from_utf8(read).unwrap().to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        (stream, head, serde_json::from_slice(&body).unwrap())
    }
}

/// The first lines of a question of this client.
fn chat(client: &str) -> String {
    format!("POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {}", token(client))
}

/// A question to this agent.
fn question(agent: &str) -> Value {
    json!({"model": format!("openclaw/{agent}"), "messages": [{"role": "user", "content": "hello"}]})
}

/// The status and body of the one response on a connection.
async fn response(stream: &mut TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Has the gateway answer in one piece.
async fn reply(mut stream: TcpStream, body: &str) {
    let length = body.len();
    let headers = "content-type: application/json\r\nset-cookie: a=b\r\nx-more: kept";
    let response = format!("HTTP/1.1 200 OK\r\n{headers}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(response.as_bytes()).await.unwrap();
}

/// Waits until the other side has closed the connection.
async fn closed(stream: &mut TcpStream) {
    let mut rest = [0; 64];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

const SHORT: Duration = Duration::from_secs(1);
