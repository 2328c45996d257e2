#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! A gateway on the loopback address that says what the real one said, over both of its ways in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::accept_async;

use super::*;

const REQUEST: &str = "e8dc7ccc-f22d-4c7f-993b-85c50a0433e0";

/// What the gateway does with a run that it is asked for.
#[derive(Clone)]
enum Run {
    Answer(Value),
    Silence,
    Hangup,
    EndlessFrame,
}

#[derive(Clone)]
struct Gateway {
    paired: Arc<AtomicBool>,
    /// Whose pairing it asks for.
    asks_for: String,
    forgetful: bool,
    run: Run,
    requests: UnboundedSender<Value>,
}

fn device() -> Device {
    Device::new(&[7; 32])
}

fn endpoint(listener: &TcpListener) -> Endpoint {
    let (address, token) = (listener.local_addr().unwrap(), SecretString::from("a-token"));
    Endpoint { address, token, namespace: "assistants".into(), run: "pod/0".into() }
}

fn accepted() -> Value {
    json!({"ok": true, "payload": {"ok": true, "enqueued": true, "runId": "manual:25107da7:1795275990708:31"}})
}

impl Gateway {
    fn paired(run: Run) -> (Self, UnboundedReceiver<Value>) {
        let (gateway, requests) = Self::unpaired(&device().id());
        gateway.paired.store(true, Ordering::SeqCst);
        (Self { run, ..gateway }, requests)
    }

    fn unpaired(asks_for: &str) -> (Self, UnboundedReceiver<Value>) {
        let (sender, requests) = unbounded_channel();
        let run = Run::Answer(accepted());
        (
            Self { paired: Arc::default(), asks_for: asks_for.to_owned(), forgetful: false, run, requests: sender },
            requests,
        )
    }

    /// Listens, and asks this gateway for a run.
    async fn run(self) -> Result<RunAnswer, SocketError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = endpoint(&listener);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.clone().serve(stream));
            }
        });
        let answer = run_job(&AdminClient::on_loopback(), &gateway, &device(), "25107da7", async { true }).await;
        server.abort();
        answer
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut first = [0; 4];
        stream.peek(&mut first).await.unwrap();
        if first == *b"POST" {
            return self.admin(&mut stream).await;
        }
        let mut socket = accept_async(stream).await.unwrap();
        let challenge = json!({
            "type": "event", "event": "connect.challenge",
            "payload": {"nonce": "ce9b5f0f", "ts": 1_795_275_990_066_i64, "capabilities": ["model-catalog-snapshot"]},
        });
        socket.send(Message::text(challenge.to_string())).await.unwrap();
        while let Some(Ok(Message::Text(text))) = socket.next().await {
            let request: Value = serde_json::from_str(&text).unwrap();
            let _ = self.requests.send(request.clone());
            let mut answer = match (request["method"].as_str(), &self.run) {
                (Some("connect"), _) => self.greet(),
                (_, Run::Answer(answer)) => answer.clone(),
                (_, Run::Silence) => continue,
                (_, Run::Hangup) => return,
                (_, Run::EndlessFrame) => {
                    // The head of a text frame of a tebibyte.
                    socket.get_mut().write_all(&[0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0]).await.unwrap();
                    continue;
                }
            };
            answer["type"] = json!("res");
            answer["id"] = request["id"].clone();
            // Others' news come in between.
            let news = json!({"type": "event", "event": "health", "payload": {"ok": true}});
            let _ = socket.send(Message::text(news.to_string())).await;
            let _ = socket.send(Message::text(answer.to_string())).await;
        }
    }

    fn greet(&self) -> Value {
        if self.paired.load(Ordering::SeqCst) {
            return json!({"ok": true, "payload": {"type": "hello-ok", "protocol": 4}});
        }
        json!({"ok": false, "error": {
            "code": "NOT_PAIRED", "message": "pairing required: device is not approved yet",
            "details": {
                "code": "PAIRING_REQUIRED", "reason": "not-paired", "requestId": REQUEST, "deviceId": self.asks_for,
                "requestedRole": "operator", "requestedScopes": ["operator.admin"],
            },
        }})
    }

    async fn admin(self, stream: &mut TcpStream) {
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let text = String::from_utf8_lossy(&request[..read]).into_owned();
        let body: Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let approved = body["params"]["requestId"] == REQUEST && !self.forgetful;
        self.paired.store(approved, Ordering::SeqCst);
        let _ = self.requests.send(body);
        let answer = r#"{"id":"1","ok":true,"payload":{}}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
        stream.write_all((head + answer).as_bytes()).await.unwrap();
    }
}

fn methods(mut requests: UnboundedReceiver<Value>) -> Vec<String> {
    std::iter::from_fn(|| requests.try_recv().ok()).map(|request| request["method"].as_str().unwrap().into()).collect()
}

async fn answered(answer: Value) -> Result<RunAnswer, SocketError> {
    let (gateway, _requests) = Gateway::paired(Run::Answer(answer));
    gateway.run().await
}

#[tokio::test]
async fn a_paired_device_gets_the_id_of_the_run() {
    let (gateway, requests) = Gateway::paired(Run::Answer(accepted()));
    let answer = gateway.run().await.unwrap();
    assert_eq!(answer, RunAnswer::Accepted { run_id: "manual:25107da7:1795275990708:31".into() });
    assert_eq!(methods(requests), ["connect", "cron.run"]);
}

#[tokio::test]
async fn an_unknown_device_is_approved_once_and_then_let_in() {
    let (gateway, requests) = Gateway::unpaired(&device().id());
    assert!(matches!(gateway.run().await.unwrap(), RunAnswer::Accepted { .. }));
    assert_eq!(methods(requests), ["connect", "device.pair.approve", "connect", "cron.run"]);
}

#[tokio::test]
async fn the_device_of_somebody_else_is_not_approved() {
    let (gateway, requests) = Gateway::unpaired(&Device::new(&[8; 32]).id());
    let error = gateway.run().await.unwrap_err();
    assert!(matches!(error, SocketError::ForeignDevice), "{error}");
    assert_eq!(methods(requests), ["connect"]);
}

#[tokio::test]
async fn a_gateway_that_forgets_the_approval_is_not_asked_for_ever() {
    let (gateway, requests) = Gateway::unpaired(&device().id());
    let error = Gateway { forgetful: true, ..gateway }.run().await.unwrap_err();
    assert!(matches!(error, SocketError::Refused(_)), "{error}");
    assert_eq!(methods(requests), ["connect", "device.pair.approve", "connect"]);
}

#[tokio::test]
async fn a_job_that_runs_already_is_told_apart() {
    let answer = answered(json!({"ok": true, "payload": {"ok": true, "ran": false, "reason": "already-running"}}));
    assert_eq!(answer.await.unwrap(), RunAnswer::AlreadyRunning);
}

#[tokio::test]
async fn a_job_that_is_gone_is_missing() {
    let error = json!({
        "code": "INVALID_REQUEST", "message": "Automation not found: 25107da7.",
        "details": {"code": "CRON_JOB_NOT_FOUND", "jobId": "25107da7"},
    });
    assert_eq!(answered(json!({"ok": false, "error": error})).await.unwrap(), RunAnswer::Missing);
}

#[tokio::test]
async fn a_refusal_keeps_the_gateways_words() {
    let error = json!({"code": "FORBIDDEN", "message": "missing scope: operator.admin", "details": {}});
    let answer = answered(json!({"ok": false, "error": error})).await.unwrap();
    assert_eq!(answer, RunAnswer::Refused("missing scope: operator.admin".into()));
}

#[tokio::test]
async fn a_run_whose_answer_never_comes_is_said_to_be_in_doubt() {
    for (run, reason) in [
        (Run::Silence, "the gateway did not answer within"),
        (Run::Hangup, "the gateway closed the connection"),
        (Run::EndlessFrame, "the connection to the gateway failed"),
        (Run::Answer(json!({"ok": true, "payload": {}})), "unexpected answer from the gateway"),
    ] {
        let (gateway, _requests) = Gateway::paired(run);
        let SocketError::Unanswered(source) = gateway.run().await.unwrap_err() else { panic!("in doubt") };
        assert!(source.to_string().starts_with(reason), "{source}");
    }
}

#[tokio::test]
async fn a_gateway_that_ends_takes_no_wishes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = endpoint(&listener);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let answer = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 34\r\n\r\n\
                      Gateway websocket admission closed";
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let error =
        run_job(&AdminClient::on_loopback(), &gateway, &device(), "25107da7", async { true }).await.unwrap_err();
    server.await.unwrap();
    assert!(matches!(error, SocketError::NotOpened(503)), "{error}");
}

#[tokio::test]
async fn a_gateway_that_is_not_there_or_silent_was_not_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = endpoint(&listener);
    let admin = AdminClient::on_loopback();
    let silent = run_job(&admin, &gateway, &device(), "25107da7", async { true }).await.unwrap_err();
    assert!(matches!(silent, SocketError::Silent), "{silent}");
    drop(listener);
    let gateway = Endpoint { run: "pod/1".into(), ..gateway };
    let absent = run_job(&admin, &gateway, &device(), "25107da7", async { true }).await.unwrap_err();
    assert!(matches!(absent, SocketError::Unreachable(_)), "{absent}");
}
