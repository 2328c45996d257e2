#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! A server of one answer on the loopback address, with the answers of the real gateway.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// Answers one request and gives it back, so that a test sees what was on the wire.
async fn server(status: &str, body: String) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        // The client may hang up as soon as it has read enough.
        let _ = stream.write_all(answer.as_bytes()).await;
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    (address, request)
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { address, token: SecretString::from("a-token"), namespace: "assistants".into(), run: "pod/0".into() }
}

async fn ask(status: &str, body: &str) -> Result<Payload, RpcError> {
    let (address, _request) = server(status, body.to_owned()).await;
    AdminClient::on_loopback().call(&endpoint(address), METHOD, &json!({})).await
}

const METHOD: Method = Method::short("config.get");

/// A payload with one member.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Payload {
    #[serde(deserialize_with = "answer::flag")]
    valid: Option<bool>,
}

#[tokio::test]
async fn the_payload_of_a_good_answer_is_returned() {
    let payload = ask("200 OK", r#"{"id":"1","ok":true,"payload":{"valid":true}}"#).await.unwrap();
    assert_eq!(payload, Payload { valid: Some(true) });
}

#[tokio::test]
async fn the_call_carries_the_token_and_no_forwarded_header() {
    let (address, request) = server("200 OK", r#"{"id":"1","ok":true,"payload":{}}"#.to_owned()).await;
    AdminClient::on_loopback().send(&endpoint(address), METHOD, &json!({})).await.unwrap();
    let request = request.await.unwrap().to_ascii_lowercase();
    assert!(request.starts_with("post /api/v1/admin/rpc http/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: bearer a-token\r\n"));
    assert!(!request.contains("x-forwarded-for"));
    assert!(request.ends_with(r#"{"id":"1","method":"config.get","params":{}}"#));
}

#[tokio::test]
async fn a_refused_token_is_told_apart() {
    let error =
        ask("401 Unauthorized", r#"{"error":{"message":"Unauthorized","type":"unauthorized"}}"#).await.unwrap_err();
    assert!(matches!(error, RpcError::Unauthorized));
}

#[tokio::test]
async fn a_refusal_keeps_the_gateways_words() {
    let body = r#"{"id":"1","ok":false,"error":{"code":"INVALID_REQUEST","message":"unknown method: x"}}"#;
    let error = ask("400 Bad Request", body).await.unwrap_err();
    assert_eq!(error.to_string(), "the gateway answered 400: unknown method: x");
}

#[tokio::test]
async fn a_page_is_no_answer() {
    let error = ask("200 OK", "<html></html>").await.unwrap_err();
    assert!(matches!(error, RpcError::Malformed(_)), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let error = ask("302 Found\r\nLocation: http://127.0.0.1:1/", "").await.unwrap_err();
    assert!(matches!(error, RpcError::Refused { status: 302, .. }), "{error}");
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let error = ask("200 OK", &"a".repeat(METHOD.limit + 1)).await.unwrap_err();
    assert_eq!(error.to_string(), "unexpected answer from the gateway: it is longer than 256 KiB");
}

#[tokio::test]
async fn long_answers_wait_for_each_other_and_short_ones_for_nobody() {
    let body =
        |length: usize| format!(r#"{{"id":"1","ok":true,"payload":{{"valid":true,"x":"{}"}}}}"#, "x".repeat(length));
    let admin = AdminClient::on_loopback();
    let call = async |length| {
        let (address, _request) = server("200 OK", body(length)).await;
        admin.call::<Payload>(&endpoint(address), METHOD, &json!({})).await
    };
    let all = Arc::clone(&admin.memory).acquire_many_owned(u32::try_from(ALL_LONG / KIB).unwrap()).await.unwrap();
    assert!(call(SHORT / 2).await.is_ok());
    let long = call(2 * SHORT);
    tokio::pin!(long);
    assert!(timeout(Duration::from_millis(200), &mut long).await.is_err(), "it does not wait");
    drop(all);
    assert!(long.await.is_ok());
    assert_eq!(admin.memory.available_permits(), ALL_LONG / KIB);
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let admin = AdminClient::on_loopback();
    let error = admin.send(&endpoint(address), METHOD, &json!({})).await.unwrap_err();
    assert!(matches!(error, RpcError::Unreachable(_)), "{error}");
}

#[test]
fn a_gateway_that_takes_no_more_for_now_says_for_how_long() {
    let body = br#"{"ok": false, "error": {"code": "UNAVAILABLE", "message": "rate limit exceeded for cron.add; retry after 45s",
        "retryable": true, "retryAfterMs": 44100, "details": {"method": "cron.add", "limit": "30 per 60s"}}}"#;
    let refused = read_payload(StatusCode::SERVICE_UNAVAILABLE, body, PhantomData::<IgnoredAny>).unwrap_err();
    let RpcError::Refused { status: 503, retry_after, .. } = refused else { unreachable!("{refused}") };
    assert_eq!(retry_after, Some(Duration::from_millis(44_100)));
}

/// Where gateways are not, and how often that was asked.
#[derive(Debug, Default)]
struct Elsewhere(std::sync::atomic::AtomicUsize);

impl Locate for Elsewhere {
    fn locate(&self, pod: &str) -> futures::future::BoxFuture<'static, Result<std::net::IpAddr, NotLocated>> {
        assert_eq!(pod, "pod");
        let asked = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Box::pin(async move {
            if asked == 0 { Ok([127, 0, 0, 1].into()) } else { Err(NotLocated("its Pod is gone".to_owned())) }
        })
    }
}

#[tokio::test]
async fn each_new_connection_and_no_other_goes_where_the_gateway_is_known_to_be() {
    let gateway = gateway_stand_in::StandIn::start("a-token", "{}").await;
    let locate = Arc::new(Elsewhere::default());
    let admin = AdminClient::new(GatewayCalls::default(), locate.clone()).unwrap();
    let call = async |run: &str| {
        let gateway = Endpoint { run: run.to_owned(), ..endpoint(gateway.address()) };
        admin.send(&gateway, Method::short("cron.list"), &json!({})).await
    };
    call("pod/0").await.unwrap();
    call("pod/0").await.unwrap();
    assert_eq!(locate.0.load(std::sync::atomic::Ordering::Relaxed), 1, "the connection is still open");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = endpoint(listener.local_addr().unwrap());
    let error = admin.send(&other, METHOD, &json!({})).await.unwrap_err();
    assert_eq!(error.to_string(), "the gateway is not asked: its Pod is gone");
    let error = admin.files(&other, listener.local_addr().unwrap().port()).await.unwrap_err();
    assert_eq!(error.to_string(), "the gateway is not asked: its Pod is gone");
    assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err(), "nobody was called");
}
