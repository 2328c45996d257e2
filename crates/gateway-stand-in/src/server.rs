//! The gateway's port: probes, the admin route, and the upgrade to a WebSocket. Touches the network: the loopback address.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::gateway::{Caller, Gateway};
use crate::socket;

const ADMIN_ROUTE: &str = "/api/v1/admin/rpc";

pub type Shared = Arc<Mutex<Gateway>>;

pub fn lock(gateway: &Shared) -> MutexGuard<'_, Gateway> {
    gateway.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until it is dropped, and then ends all connections.
pub async fn serve(listener: TcpListener, gateway: Shared) {
    let mut connections = JoinSet::new();
    let (_alive, end) = watch::channel(());
    while let Ok((stream, _)) = listener.accept().await {
        // Answers are short: each goes out at once.
        let _ = stream.set_nodelay(true);
        let (gateway, end) = (Arc::clone(&gateway), end.clone());
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&gateway), end.clone()));
            // A client that hangs up is no concern of the gateway.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    request: Request<Incoming>,
    gateway: Shared,
    end: watch::Receiver<()>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.headers().contains_key("x-forwarded-for") {
        let message = "Proxy client attribution is required. Configure gateway.trustedProxies narrowly.";
        let error = json!({"error": {"message": message, "type": "proxy_attribution_required"}});
        return Ok(reply(StatusCode::FORBIDDEN, &error));
    }
    if request.headers().get(header::UPGRADE).is_some_and(|protocol| protocol.as_bytes() == b"websocket") {
        return Ok(upgrade(request, gateway, end));
    }
    Ok(match request.uri().path() {
        "/startupz" => reply(StatusCode::OK, &json!({"ok": true, "status": "started"})),
        "/healthz" => reply(StatusCode::OK, &json!({"ok": true, "status": "live"})),
        "/readyz" => reply(StatusCode::OK, &json!({"ready": true, "failing": []})),
        ADMIN_ROUTE => admin(request, &gateway).await,
        // The gateway answers any path with its page.
        _ => Response::new(Full::new(Bytes::from_static(b"<!doctype html><html></html>"))),
    })
}

async fn admin(request: Request<Incoming>, gateway: &Shared) -> Response<Full<Bytes>> {
    if !is_authorized(request.headers(), &lock(gateway).token) {
        return reply(StatusCode::UNAUTHORIZED, &json!({"error": {"message": "Unauthorized", "type": "unauthorized"}}));
    }
    let fault =
        |status, kind, message| reply(status, &json!({"ok": false, "error": {"type": kind, "message": message}}));
    if request.method() != Method::POST {
        return fault(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed");
    }
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let Ok(call) = serde_json::from_slice::<Value>(&body) else {
        return fault(StatusCode::BAD_REQUEST, "invalid_request", "request body must be valid JSON");
    };
    let Some(method) = call.get("method").and_then(Value::as_str).filter(|method| !method.is_empty()) else {
        return fault(StatusCode::BAD_REQUEST, "invalid_request", "method must be a non-empty string");
    };
    let id = call.get("id").cloned().unwrap_or_else(|| json!("1"));
    let params = call.get("params").cloned().unwrap_or_else(|| json!({}));
    match lock(gateway).answer(&Caller::Token, method, &params) {
        Ok(payload) => reply(StatusCode::OK, &json!({"id": id, "ok": true, "payload": payload})),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            reply(status, &json!({"id": id, "ok": false, "error": refusal.body()}))
        }
    }
}

fn is_authorized(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.and_then(|given| given.strip_prefix("Bearer ")) == Some(token)
}

/// `end`: closed when the server is gone, which a connection that was upgraded does not notice.
fn upgrade(mut request: Request<Incoming>, gateway: Shared, mut end: watch::Receiver<()>) -> Response<Full<Bytes>> {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return reply(StatusCode::BAD_REQUEST, &json!({}));
    };
    let accept = derive_accept_key(key.as_bytes());
    tokio::spawn(async move {
        if let Ok(stream) = hyper::upgrade::on(&mut request).await {
            tokio::select! {
                () = socket::serve(TokioIo::new(stream), &gateway) => {}
                _ = end.changed() => {}
            }
        }
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}
