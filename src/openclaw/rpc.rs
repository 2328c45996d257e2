//! The gateway's admin calls over HTTP. Touches the network: one address, given by the caller.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{StatusCode, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::answer::{self, Object};
use super::location::{self, Locate, NotLocated};
use super::places::{MOST_SILENCE, Places};
use super::proof;
use crate::telemetry::metrics::GatewayCalls;

/// Served by OpenClaw's plugin `admin-http-rpc`; needs the gateway's token and no pairing.
const PATH: &str = "/api/v1/admin/rpc";

/// For the connection, with the question where the gateway is, and for the whole call. The gateway answers `config.get` within milliseconds, unless a turn keeps
/// its one thread busy.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// For the report about files: nothing else keeps its sender busy.
const FILES_TIMEOUT: Duration = Duration::from_secs(2);

const KIB: usize = 1024;

/// Bytes of that report: some hundred for each file.
const FILES_LIMIT: usize = KIB * KIB;

/// A method of the gateway, and how many bytes of its answer are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub name: &'static str,
    pub limit: usize,
}

impl Method {
    /// One whose answer is about a single job or device.
    pub const fn short(name: &'static str) -> Self {
        Self { name, limit: 256 * KIB }
    }

    /// One that answers with a page of what the gateway's agents wrote.
    pub const fn page(name: &'static str) -> Self {
        Self { name, limit: 2 * KIB * KIB }
    }
}

/// A configuration fills a ConfigMap at most (1 MiB), and `config.get` repeats it.
const CONFIG_GET: Method = Method { name: "config.get", limit: 8 * KIB * KIB };

/// An answer up to this length is read at once. Longer ones wait for their turn, so that all of them together fit into this memory.
const SHORT: usize = 64 * KIB;
const ALL_LONG: usize = 16 * KIB * KIB;

/// The gateway's limits are per minute: one that asks for more time is asked again all the same.
const MOST_PATIENCE: Duration = Duration::from_mins(10);

/// Characters of the gateway's own words that go into an error.
const MESSAGE_LIMIT: usize = 300;

/// Why a call brought no payload.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    #[error("cannot build the HTTP client: {0}")]
    Client(#[source] reqwest::Error),
    /// No connection, or one that broke: the gateway starts, ends, or its node is gone.
    #[error("the gateway cannot be reached: {}", location::first_cause(.0))]
    Unreachable(#[source] reqwest::Error),
    /// It was not asked: somebody else may be at its address.
    #[error("the gateway is not asked: {0}")]
    NotLocated(#[source] NotLocated),
    /// It let a call run out of time, this one or one of the last minutes.
    #[error("the gateway does not answer within {} s; Creel asks again within {} min", CALL_TIMEOUT.as_secs(), MOST_SILENCE.as_secs() / 60)]
    Silent,
    /// It was not asked.
    #[error("other calls to gateways of this namespace are in progress")]
    Busy,
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
    #[error("unexpected answer from the gateway: it is longer than {} KiB", .0 / KIB)]
    TooLong(usize),
    /// The answers of many gateways are long, or come slowly.
    #[error("the answer of the gateway is long, and other long ones are being read")]
    Crowded,
}

impl RpcError {
    /// Whether the gateway was not asked at all, so that what is known of it stays.
    #[must_use]
    pub fn is_unasked(&self) -> bool {
        matches!(self, Self::Busy | Self::Crowded | Self::NotLocated(_))
    }
}

/// Where a gateway answers, and the token that it wants.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub address: SocketAddr,
    pub token: SecretString,
    /// Calls to the gateways of a namespace take turns.
    pub namespace: String,
    /// The run of its process, after the UID of its Pod and a slash: another one is known to answer until it does not.
    pub run: String,
}

impl Endpoint {
    /// The UID of its Pod.
    fn pod(&self) -> &str {
        self.run.split('/').next().unwrap_or_default()
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
            && self.namespace == other.namespace
            && self.run == other.run
            && self.token.expose_secret() == other.token.expose_secret()
    }
}

/// Asks gateways. Cheap to clone; connections are kept for a short while.
#[derive(Clone, Debug)]
pub struct AdminClient {
    http: reqwest::Client,
    calls: GatewayCalls,
    /// A permit for each KiB of long answers.
    memory: Arc<Semaphore>,
    pub(super) places: Arc<Places>,
    locate: Arc<dyn Locate>,
}

impl AdminClient {
    /// A client that follows no redirect and no proxy, so that the token goes to the gateway and nowhere else. `locate`: where it is.
    pub fn new(calls: GatewayCalls, locate: Arc<dyn Locate>) -> Result<Self, RpcError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .dns_resolver(location::Resolver(Arc::clone(&locate)))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(4))
            .build()
            .map_err(RpcError::Client)?;
        Ok(Self { http, calls, memory: Arc::new(Semaphore::new(ALL_LONG / KIB)), places: Arc::default(), locate })
    }

    /// Where the gateway is now, for a connection that its caller opens.
    pub(super) async fn address(&self, gateway: &Endpoint) -> Result<SocketAddr, RpcError> {
        let address = self.locate.locate(gateway.pod()).await.map_err(RpcError::NotLocated)?;
        Ok(SocketAddr::new(address, gateway.address.port()))
    }

    /// What the gateway says of its configuration, compared with ours.
    pub async fn config_get(&self, gateway: &Endpoint, ours: &Value) -> Result<proof::Answer, RpcError> {
        self.call_as(gateway, CONFIG_GET, &json!({}), proof::Reader::new(ours)).await
    }

    /// What the sidecar of a gateway, at this port, says of the files in its workspaces: JSON.
    pub async fn files(&self, gateway: &Endpoint, port: u16) -> Result<Vec<u8>, RpcError> {
        let url = format!("http://{}:{port}/files", location::host(gateway.pod()));
        let request = self.http.get(url).bearer_auth(gateway.token.expose_secret());
        let response = request.timeout(FILES_TIMEOUT).send().await.map_err(unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(RpcError::Malformed("it is no report about files"));
        }
        let (body, _memory) = self.read(response, FILES_LIMIT).await?;
        Ok(body)
    }

    /// Calls a method and returns its payload.
    pub(super) async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        gateway: &Endpoint,
        method: Method,
        params: &Value,
    ) -> Result<T, RpcError> {
        let payload = self.call_as(gateway, method, params, Object(PhantomData)).await?;
        payload.ok_or(RpcError::Malformed("its payload is no object"))
    }

    /// Calls a method whose payload says nothing.
    pub(super) async fn send(&self, gateway: &Endpoint, method: Method, params: &Value) -> Result<(), RpcError> {
        self.call_as(gateway, method, params, PhantomData::<IgnoredAny>).await.map(drop)
    }

    /// Calls a method in its turn and reads its payload.
    async fn call_as<S: for<'de> DeserializeSeed<'de, Value = T>, T>(
        &self,
        gateway: &Endpoint,
        method: Method,
        params: &Value,
        payload: S,
    ) -> Result<T, RpcError> {
        // On the heap: it holds a request and its answer.
        let call = Box::pin(self.call_now(gateway, method, params, payload));
        self.places.call(gateway, method.name, call, |error| matches!(error, RpcError::Silent)).await
    }

    /// Calls a method whose payload says nothing, for whoever has the turn already.
    pub(super) async fn send_now(&self, gateway: &Endpoint, method: Method, params: &Value) -> Result<(), RpcError> {
        self.call_now(gateway, method, params, PhantomData::<IgnoredAny>).await.map(drop)
    }

    /// Calls a method and reads its payload. `X-Forwarded-For` is not sent: a gateway without `trustedProxies` answers 403 to whoever
    /// sends it.
    async fn call_now<S: for<'de> DeserializeSeed<'de, Value = T>, T>(
        &self,
        gateway: &Endpoint,
        method: Method,
        params: &Value,
        payload: S,
    ) -> Result<T, RpcError> {
        self.calls.count(method.name);
        let response = self
            .http
            .post(format!("http://{}:{}{PATH}", location::host(gateway.pod()), gateway.address.port()))
            .header(header::HOST, gateway.address.to_string())
            .bearer_auth(gateway.token.expose_secret())
            .header(header::CONTENT_TYPE, "application/json")
            .body(json!({"id": "1", "method": method.name, "params": params}).to_string())
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return Err(RpcError::Unauthorized);
        }
        let (body, _memory) = self.read(response, method.limit).await?;
        read_payload(status, &body, payload)
    }

    /// The body, with the memory that it may take up.
    async fn read(
        &self,
        mut response: reqwest::Response,
        limit: usize,
    ) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), RpcError> {
        let (mut body, mut memory) = (Vec::new(), None);
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            let length = body.len() + chunk.len();
            if length > limit {
                return Err(RpcError::TooLong(limit));
            }
            if length > SHORT && memory.is_none() {
                memory = Some(self.room_for(limit).await?);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body, memory))
    }

    /// The memory that so many bytes of a gateway may take up.
    pub(super) async fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, RpcError> {
        let permits = u32::try_from(bytes / KIB).unwrap_or(u32::MAX);
        let room = timeout(CALL_TIMEOUT, Arc::clone(&self.memory).acquire_many_owned(permits)).await;
        room.ok().and_then(Result::ok).ok_or(RpcError::Crowded)
    }
}

#[cfg(test)]
impl AdminClient {
    /// A client of gateways of tests.
    #[allow(clippy::unwrap_used, clippy::missing_panics_doc)]
    #[must_use]
    pub fn on_loopback() -> Self {
        Self::new(GatewayCalls::default(), Arc::new(location::Loopback)).unwrap()
    }
}

fn unreachable(error: reqwest::Error) -> RpcError {
    match NotLocated::cause_of(&error) {
        Some(not_located) => RpcError::NotLocated(not_located.clone()),
        None if error.is_timeout() => RpcError::Silent,
        None => RpcError::Unreachable(error),
    }
}

/// What the gateway answers, as far as it is read.
struct Answered<T> {
    ok: bool,
    payload: Option<T>,
    error: Option<GatewayError>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GatewayError {
    #[serde(deserialize_with = "answer::text")]
    message: Option<String>,
    #[serde(rename = "retryAfterMs", deserialize_with = "answer::count")]
    retry_after_ms: Option<u64>,
    #[serde(deserialize_with = "answer::object")]
    details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    #[serde(deserialize_with = "answer::name")]
    code: Option<String>,
}

#[derive(Deserialize)]
struct Flag(#[serde(deserialize_with = "answer::flag")] Option<bool>);

/// Reads an answer whose payload this seed reads.
struct Envelope<S>(S);

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Envelope<S> {
    type Value = Answered<S::Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an answer to an admin call")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut answered = Answered { ok: false, payload: None, error: None };
        let mut seed = Some(self.0);
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "ok" => answered.ok = members.next_value::<Flag>()?.0 == Some(true),
                "payload" if let Some(seed) = seed.take() => answered.payload = Some(members.next_value_seed(seed)?),
                "error" => answered.error = members.next_value_seed(Object(PhantomData))?,
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(answered)
    }
}

fn read_payload<'de, S: DeserializeSeed<'de>>(
    status: StatusCode,
    body: &'de [u8],
    payload: S,
) -> Result<S::Value, RpcError> {
    let answered = serde_json::Deserializer::from_slice(body).deserialize_map(Envelope(payload)).ok();
    let (ok, payload, error) = match answered {
        Some(Answered { ok, payload, error }) => (ok, payload, error),
        None => (false, None, None),
    };
    if status.is_success() && ok {
        return payload.ok_or(RpcError::Malformed("it has no payload"));
    }
    let error = error.unwrap_or_default();
    match error.message {
        Some(message) => Err(RpcError::Refused {
            status: status.as_u16(),
            code: error.details.and_then(|details| details.code),
            retry_after: error.retry_after_ms.map(|wait| Duration::from_millis(wait).min(MOST_PATIENCE)),
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
