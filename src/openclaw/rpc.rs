//! The gateway's admin calls over HTTP. Touches the network: one address, given by the caller.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{StatusCode, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::telemetry::metrics::GatewayCalls;

/// Served by OpenClaw's plugin `admin-http-rpc`; needs the gateway's token and no pairing.
const PATH: &str = "/api/v1/admin/rpc";

/// For the connection and for the whole call. The gateway answers `config.get` within milliseconds, unless a turn keeps
/// its one thread busy.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read. A configuration fills a ConfigMap at most (1 MiB), and `config.get` repeats it.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// Characters of the gateway's own words that go into an error.
const MESSAGE_LIMIT: usize = 300;

/// Why a call brought no payload.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    #[error("cannot build the HTTP client: {0}")]
    Client(#[source] reqwest::Error),
    /// No connection, a time-out, or a connection that broke: the gateway starts, ends, or its node is gone.
    #[error("the gateway cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// The Pod still runs with another token. Twenty failures within a minute lock the caller's address out for five:
    /// ask seldom, not at once again.
    #[error("the gateway rejected the token")]
    Unauthorized,
    /// The gateway answered, in its own words: still starting (503), locked out (429), an unknown method.
    #[error("the gateway answered {status}: {message}")]
    Refused {
        status: u16,
        /// What kind of refusal it is, where the gateway says so: `CRON_JOB_NOT_FOUND`.
        code: Option<String>,
        /// When it takes such a call again: of each method that changes something it takes 30 a minute from one caller.
        retry_after: Option<Duration>,
        message: String,
    },
    #[error("unexpected answer from the gateway: {0}")]
    Malformed(&'static str),
}

/// Where a gateway answers, and the token that it wants.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub address: SocketAddr,
    pub token: SecretString,
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address && self.token.expose_secret() == other.token.expose_secret()
    }
}

/// Asks gateways. Cheap to clone; connections are kept for a short while.
#[derive(Clone, Debug)]
pub struct AdminClient {
    http: reqwest::Client,
    calls: GatewayCalls,
}

impl AdminClient {
    /// A client that follows no redirect and no proxy, so that the token goes to the gateway and nowhere else.
    pub fn new(calls: GatewayCalls) -> Result<Self, RpcError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(4))
            .build()
            .map_err(RpcError::Client)?;
        Ok(Self { http, calls })
    }

    /// The configuration that the gateway sees and the one that it has applied, for [`super::proof`].
    pub async fn config_get(&self, gateway: &Endpoint) -> Result<Value, RpcError> {
        self.call(gateway, "config.get", json!({})).await
    }

    /// Calls a method and returns its payload. `X-Forwarded-For` is not sent: a gateway without `trustedProxies` answers 403 to whoever
    /// sends it.
    pub(super) async fn call(
        &self,
        gateway: &Endpoint,
        method: &'static str,
        params: Value,
    ) -> Result<Value, RpcError> {
        self.calls.count(method);
        let response = self
            .http
            .post(format!("http://{}{PATH}", gateway.address))
            .bearer_auth(gateway.token.expose_secret())
            .header(header::CONTENT_TYPE, "application/json")
            .body(json!({"id": "1", "method": method, "params": params}).to_string())
            .send()
            .await
            .map_err(RpcError::Unreachable)?;
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return Err(RpcError::Unauthorized);
        }
        payload(status, &read(response).await?)
    }
}

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, RpcError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(RpcError::Unreachable)? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(RpcError::Malformed("it is longer than 8 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn payload(status: StatusCode, body: &[u8]) -> Result<Value, RpcError> {
    let mut answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if status.is_success() && answer.get("ok").and_then(Value::as_bool) == Some(true) {
        return answer.get_mut("payload").map(Value::take).ok_or(RpcError::Malformed("it has no payload"));
    }
    let code = answer.pointer("/error/details/code").and_then(Value::as_str).map(str::to_owned);
    let retry_after = answer.pointer("/error/retryAfterMs").and_then(Value::as_u64).map(Duration::from_millis);
    match answer.pointer("/error/message").and_then(Value::as_str) {
        Some(message) => Err(RpcError::Refused {
            status: status.as_u16(),
            code,
            retry_after,
            message: message.chars().filter(|letter| !letter.is_control()).take(MESSAGE_LIMIT).collect(),
        }),
        // Some other server, or a page: never quoted.
        None if status.is_success() => Err(RpcError::Malformed("it is no answer to an admin call")),
        None => {
            let message = "no reason given".to_owned();
            Err(RpcError::Refused { status: status.as_u16(), code: None, retry_after: None, message })
        }
    }
}

#[cfg(test)]
mod tests;
