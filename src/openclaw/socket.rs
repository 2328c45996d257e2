//! What a gateway does only for its WebSocket: to run a job now. Touches the network: one address, given by the caller.
//!
//! `cron.run` over the admin route is accepted and then fails, because the authority of an HTTP call ends with its answer. Over a WebSocket
//! it is the authority of a paired device. Tried on OpenClaw 2026.9.6:
//! - A run that is accepted keeps its authority: it also ran when it had waited for a slot (the gateway gives jobs eight) and the caller
//!   was long gone, its connection closed or the process killed. So nobody waits here for the run to begin.
//! - When the gateway ends in good order, what runs or waits ends as an error, with its id. When it is killed, what ran is remembered as cut
//!   off, without its id, and what waited is forgotten: nothing tells that it was accepted.
//! - From the loopback address no pairing is needed; from any other one, once for each device and claim.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::answer;
use super::device::{Challenge, Device};
use super::pairing::APPROVE;
use super::rpc::{AdminClient, Endpoint, RpcError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For the upgrade to a WebSocket, and for each answer, whatever else the gateway tells meanwhile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of one message that are read. The gateway greets with 18 KB, then tells its health, which grows with its agents.
const MESSAGE_LIMIT: usize = 1024 * 1024;

/// Characters of the gateway's own words that are kept.
const WORDS_LIMIT: usize = 300;

/// What became of the wish for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunAnswer {
    /// It runs, or waits for a slot. [`super::cron::run::Run::run_id`] is the same when it has ended.
    Accepted { run_id: String },
    /// A run of this job is in progress or waits: no other begins.
    AlreadyRunning,
    /// The gateway has no such job.
    Missing,
    /// The caller did not permit it: the gateway was not asked.
    NotPermitted,
    /// The gateway does not run it; its own words.
    Refused(String),
}

/// Why a wish for a run brought no answer. But for [`SocketError::Unanswered`], no run was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The gateway starts, ends, or its node is gone.
    #[error("the gateway cannot be reached: {0}")]
    Unreachable(#[source] std::io::Error),
    #[error("the gateway did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Silent,
    /// The HTTP status: 503 while it ends and waits for its last turns.
    #[error("the gateway did not open a WebSocket: HTTP status {0}")]
    NotOpened(u16),
    #[error("the connection to the gateway failed: {0}")]
    Broken(#[source] Box<tungstenite::Error>),
    #[error("the gateway closed the connection")]
    Closed,
    #[error("unexpected answer from the gateway: {0}")]
    Malformed(&'static str),
    /// A wrong token, or a protocol that this gateway does not speak; its own words.
    #[error("the gateway rejected the operator: {0}")]
    Refused(String),
    /// Approving it would let somebody else in.
    #[error("the gateway asks for approval of a device that is not the operator's")]
    ForeignDevice,
    #[error("the operator's device could not be approved: {0}")]
    NotApproved(#[source] RpcError),
    #[error(transparent)]
    NotAsked(#[from] RpcError),
    /// It may run or not: the gateway's list of runs tells, see [`AdminClient::cron_runs`].
    #[error("no answer to the request for a run: {0}")]
    Unanswered(#[source] Box<SocketError>),
}

impl SocketError {
    /// Whether the gateway let the time run out.
    fn is_silence(&self) -> bool {
        match self {
            Self::Silent | Self::NotApproved(RpcError::Silent) => true,
            Self::Unanswered(source) => source.is_silence(),
            _ => false,
        }
    }
}

/// Asks the gateway in its turn to run the job now, even if it is stopped, and pairs the device before if need be. `permit` is awaited when
/// the gateway is connected, and the gateway is asked right after it, if it is true.
pub async fn run_job(
    admin: &AdminClient,
    gateway: &Endpoint,
    device: &Device,
    job: &str,
    permit: impl Future<Output = bool>,
) -> Result<RunAnswer, SocketError> {
    // On the heap: it holds the connection.
    let run = Box::pin(run_now(admin, gateway, device, job, permit));
    admin.places.call(gateway, "cron.run", run, SocketError::is_silence).await
}

async fn run_now(
    admin: &AdminClient,
    gateway: &Endpoint,
    device: &Device,
    job: &str,
    permit: impl Future<Output = bool>,
) -> Result<RunAnswer, SocketError> {
    let _memory = admin.room_for(MESSAGE_LIMIT).await?;
    let mut connection = match connect(admin, gateway, device).await? {
        Connected::Yes(connection) => connection,
        Connected::Unpaired(request) => {
            approve(admin, gateway, device, &request).await?;
            match connect(admin, gateway, device).await? {
                Connected::Yes(connection) => connection,
                Connected::Unpaired(_) => {
                    return Err(SocketError::Refused("approved, and still not paired".to_owned()));
                }
            }
        }
    };
    if !permit.await {
        connection.close().await;
        return Ok(RunAnswer::NotPermitted);
    }
    let answer = connection.call("cron.run", json!({"id": job, "mode": "force"})).await;
    let answer = answer.and_then(run_answer).map_err(|error| SocketError::Unanswered(Box::new(error)));
    connection.close().await;
    answer
}

enum Connected {
    Yes(Box<Connection>),
    Unpaired(PairingRequest),
}

/// What the gateway tells a device that it does not know.
struct PairingRequest {
    request_id: String,
    device_id: String,
}

async fn connect(admin: &AdminClient, gateway: &Endpoint, device: &Device) -> Result<Connected, SocketError> {
    let mut connection = Connection::open(admin.address(gateway).await?).await?;
    let challenge = connection.challenge().await?;
    match connection.call("connect", device.answer(&challenge, &gateway.token)).await? {
        Ok(_) => Ok(Connected::Yes(Box::new(connection))),
        Err(refusal) if refusal.code.as_deref() == Some("NOT_PAIRED") => {
            let Details { request_id, device_id, .. } = refusal.details.unwrap_or_default();
            let request = request_id.zip(device_id).ok_or(SocketError::Malformed("it names no request for the device"));
            request.map(|(request_id, device_id)| Connected::Unpaired(PairingRequest { request_id, device_id }))
        }
        Err(refusal) => Err(SocketError::Refused(refusal.words())),
    }
}

async fn approve(
    admin: &AdminClient,
    gateway: &Endpoint,
    device: &Device,
    request: &PairingRequest,
) -> Result<(), SocketError> {
    if request.device_id != device.id() {
        return Err(SocketError::ForeignDevice);
    }
    let parameters = json!({"requestId": request.request_id});
    admin.send_now(gateway, APPROVE, &parameters).await.map_err(SocketError::NotApproved)
}

fn run_answer(answer: Result<Payload, Refusal>) -> Result<RunAnswer, SocketError> {
    match answer {
        Ok(payload) => match (payload.run_id, payload.reason) {
            (Some(run_id), _) => Ok(RunAnswer::Accepted { run_id }),
            (None, Some(reason)) if reason == "already-running" => Ok(RunAnswer::AlreadyRunning),
            (None, Some(reason)) => Ok(RunAnswer::Refused(printable(&reason))),
            (None, None) => Err(SocketError::Malformed("it names neither a run nor a reason")),
        },
        Err(refusal) if refusal.is_not_found() => Ok(RunAnswer::Missing),
        Err(refusal) => Ok(RunAnswer::Refused(refusal.words())),
    }
}

/// What the gateway sends, as far as it is read: the answer to a request, or something that it tells everybody.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Frame {
    /// `res` or `event`.
    #[serde(rename = "type", deserialize_with = "answer::name")]
    kind: Option<String>,
    #[serde(deserialize_with = "answer::name")]
    id: Option<String>,
    #[serde(deserialize_with = "answer::flag")]
    ok: Option<bool>,
    #[serde(deserialize_with = "answer::name")]
    event: Option<String>,
    #[serde(deserialize_with = "answer::object")]
    payload: Option<Payload>,
    #[serde(deserialize_with = "answer::object")]
    error: Option<Refusal>,
}

/// What is read of any payload: the challenge, and what became of the wish for a run.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Payload {
    #[serde(deserialize_with = "answer::name")]
    nonce: Option<String>,
    #[serde(deserialize_with = "answer::integer")]
    ts: Option<i64>,
    #[serde(deserialize_with = "answer::name")]
    run_id: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    reason: Option<String>,
}

/// A request that the gateway refuses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    #[serde(deserialize_with = "answer::name")]
    code: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    message: Option<String>,
    #[serde(deserialize_with = "answer::object")]
    details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    #[serde(deserialize_with = "answer::name")]
    code: Option<String>,
    #[serde(deserialize_with = "answer::name")]
    request_id: Option<String>,
    #[serde(deserialize_with = "answer::name")]
    device_id: Option<String>,
}

impl Refusal {
    fn words(&self) -> String {
        printable(self.message.as_deref().unwrap_or_default())
    }

    fn is_not_found(&self) -> bool {
        self.details.as_ref().and_then(|details| details.code.as_deref()) == Some("CRON_JOB_NOT_FOUND")
    }
}

fn printable(words: &str) -> String {
    words.chars().filter(|letter| !letter.is_control()).take(WORDS_LIMIT).collect()
}

struct Connection {
    stream: WebSocketStream<TcpStream>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, SocketError> {
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
            .await
            .map_err(|_| SocketError::Unreachable(std::io::ErrorKind::TimedOut.into()))?
            .map_err(SocketError::Unreachable)?;
        let limits =
            WebSocketConfig::default().max_message_size(Some(MESSAGE_LIMIT)).max_frame_size(Some(MESSAGE_LIMIT));
        let upgrade = client_async_with_config(format!("ws://{address}/"), stream, Some(limits));
        let (stream, _) = timeout(ANSWER_TIMEOUT, upgrade).await.map_err(|_| SocketError::Silent)?.map_err(broken)?;
        Ok(Self { stream })
    }

    async fn challenge(&mut self) -> Result<Challenge, SocketError> {
        let wanted = |frame: Frame| {
            let is_it = frame.kind.as_deref() == Some("event") && frame.event.as_deref() == Some("connect.challenge");
            is_it.then_some(frame.payload.unwrap_or_default())
        };
        let Payload { nonce, ts, .. } = self.wait_for(wanted).await?;
        let challenge = nonce.zip(ts).map(|(nonce, time)| Challenge { nonce, time });
        challenge.ok_or(SocketError::Malformed("it is no challenge that a device can sign"))
    }

    /// Sends one request and waits for its answer. The method is its id: none is asked twice on a connection.
    async fn call(&mut self, method: &str, parameters: Value) -> Result<Result<Payload, Refusal>, SocketError> {
        let request = json!({"type": "req", "id": method, "method": method, "params": parameters});
        let send = self.stream.send(Message::text(request.to_string()));
        timeout(ANSWER_TIMEOUT, send).await.map_err(|_| SocketError::Silent)?.map_err(broken)?;
        let wanted = |frame: Frame| {
            let is_it = frame.kind.as_deref() == Some("res") && frame.id.as_deref() == Some(method);
            is_it.then_some((frame.ok, frame.payload, frame.error))
        };
        match self.wait_for(wanted).await? {
            (Some(true), payload, _) => Ok(Ok(payload.unwrap_or_default())),
            (Some(false), _, Some(refusal)) => Ok(Err(refusal)),
            _ => Err(SocketError::Malformed("it rejects the call without a reason")),
        }
    }

    /// Reads until the wanted frame comes.
    async fn wait_for<T>(&mut self, wanted: impl Fn(Frame) -> Option<T>) -> Result<T, SocketError> {
        let read = async {
            loop {
                let message = self.stream.next().await.ok_or(SocketError::Closed)?.map_err(broken)?;
                let text = match message {
                    Message::Text(text) => text,
                    Message::Close(_) => return Err(SocketError::Closed),
                    _ => continue,
                };
                let frame: Frame = serde_json::from_str(&text).map_err(|_| SocketError::Malformed("it is no frame"))?;
                if let Some(found) = wanted(frame) {
                    return Ok(found);
                }
            }
        };
        timeout(ANSWER_TIMEOUT, read).await.map_err(|_| SocketError::Silent)?
    }

    /// Says good-bye; whether it is heard makes no difference.
    async fn close(mut self) {
        let _ = timeout(CLOSE_TIMEOUT, self.stream.close(None)).await;
    }
}

fn broken(error: tungstenite::Error) -> SocketError {
    match error {
        tungstenite::Error::Http(response) => SocketError::NotOpened(response.status().as_u16()),
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => SocketError::Closed,
        error => SocketError::Broken(Box::new(error)),
    }
}

#[cfg(test)]
mod tests;
