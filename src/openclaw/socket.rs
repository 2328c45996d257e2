//! What a gateway does only for its WebSocket: to run a job now. Touches the network: one address, given by the caller.
//!
//! `cron.run` over the admin route is accepted and then fails, because the authority of an HTTP call ends with its answer. Over a WebSocket
//! it is the authority of a paired device. Tried on OpenClaw 2026.9.6:
//! - A run that is accepted keeps its authority: it also ran when it had waited for a slot (the gateway gives jobs eight) and the caller
//!   was long gone, its connection closed or the process killed. So nobody waits here for the run to begin.
//! - When the gateway ends in good order, what runs or waits ends as an error, with its id. When it is killed, what ran is remembered as cut
//!   off, without its id, and what waited is forgotten: nothing tells that it was accepted.
//! - From the loopback address no pairing is needed; from any other one, once for each device and claim.

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

use super::device::{Challenge, Device};
use super::rpc::{AdminClient, Endpoint, RpcError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For the upgrade to a WebSocket, and for each answer, whatever else the gateway tells meanwhile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of one message that are read. The gateway greets with 18 KB, then tells its health, which grows with its agents.
const MESSAGE_LIMIT: usize = 8 * 1024 * 1024;

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
    /// It may run or not: the gateway's list of runs tells, see [`AdminClient::cron_runs`].
    #[error("no answer to the request for a run: {0}")]
    Unanswered(#[source] Box<SocketError>),
}

/// Asks the gateway to run the job now, even if it is stopped, and pairs the device before if need be. `permit` is awaited when the gateway
/// is connected, and the gateway is asked right after it, if it is true.
pub async fn run_job(
    admin: &AdminClient,
    gateway: &Endpoint,
    device: &Device,
    job: &str,
    permit: impl Future<Output = bool>,
) -> Result<RunAnswer, SocketError> {
    let mut connection = match connect(gateway, device).await? {
        Connected::Yes(connection) => connection,
        Connected::Unpaired(request) => {
            approve(admin, gateway, device, &request).await?;
            match connect(gateway, device).await? {
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
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PairingRequest {
    request_id: String,
    device_id: String,
}

async fn connect(gateway: &Endpoint, device: &Device) -> Result<Connected, SocketError> {
    let mut connection = Connection::open(gateway).await?;
    let challenge = connection.challenge().await?;
    match connection.call("connect", device.answer(&challenge, &gateway.token)).await? {
        Ok(_) => Ok(Connected::Yes(Box::new(connection))),
        Err(refusal) if refusal.code == "NOT_PAIRED" => serde_json::from_value(refusal.details)
            .map(Connected::Unpaired)
            .map_err(|_| SocketError::Malformed("it names no request for the device")),
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
    admin.call(gateway, "device.pair.approve", parameters).await.map(drop).map_err(SocketError::NotApproved)
}

fn run_answer(answer: Result<Value, Refusal>) -> Result<RunAnswer, SocketError> {
    let text = |payload: &Value, name| payload.get(name).and_then(Value::as_str).map(str::to_owned);
    match answer {
        Ok(payload) => match (text(&payload, "runId"), text(&payload, "reason")) {
            (Some(run_id), _) => Ok(RunAnswer::Accepted { run_id }),
            (None, Some(reason)) if reason == "already-running" => Ok(RunAnswer::AlreadyRunning),
            (None, Some(reason)) => Ok(RunAnswer::Refused(printable(&reason))),
            (None, None) => Err(SocketError::Malformed("it names neither a run nor a reason")),
        },
        Err(refusal) if refusal.details.get("code").and_then(Value::as_str) == Some("CRON_JOB_NOT_FOUND") => {
            Ok(RunAnswer::Missing)
        }
        Err(refusal) => Ok(RunAnswer::Refused(refusal.words())),
    }
}

/// What the gateway sends: the answer to a request, or something that it tells everybody.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Frame {
    Res {
        id: String,
        ok: bool,
        #[serde(default)]
        payload: Value,
        error: Option<Refusal>,
    },
    Event {
        event: String,
        #[serde(default)]
        payload: Value,
    },
    #[serde(other)]
    Other,
}

/// A request that the gateway refuses.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Value,
}

impl Refusal {
    fn words(&self) -> String {
        printable(&self.message)
    }
}

fn printable(words: &str) -> String {
    words.chars().filter(|letter| !letter.is_control()).take(WORDS_LIMIT).collect()
}

struct Connection {
    stream: WebSocketStream<TcpStream>,
}

impl Connection {
    async fn open(gateway: &Endpoint) -> Result<Self, SocketError> {
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(gateway.address))
            .await
            .map_err(|_| SocketError::Unreachable(std::io::ErrorKind::TimedOut.into()))?
            .map_err(SocketError::Unreachable)?;
        let limits =
            WebSocketConfig::default().max_message_size(Some(MESSAGE_LIMIT)).max_frame_size(Some(MESSAGE_LIMIT));
        let upgrade = client_async_with_config(format!("ws://{}/", gateway.address), stream, Some(limits));
        let (stream, _) = timeout(ANSWER_TIMEOUT, upgrade).await.map_err(|_| SocketError::Silent)?.map_err(broken)?;
        Ok(Self { stream })
    }

    async fn challenge(&mut self) -> Result<Challenge, SocketError> {
        let wanted = |frame| match frame {
            Frame::Event { event, payload } if event == "connect.challenge" => Some(payload),
            _ => None,
        };
        serde_json::from_value(self.wait_for(wanted).await?)
            .map_err(|_| SocketError::Malformed("it is no challenge that a device can sign"))
    }

    /// Sends one request and waits for its answer. The method is its id: none is asked twice on a connection.
    async fn call(&mut self, method: &str, parameters: Value) -> Result<Result<Value, Refusal>, SocketError> {
        let request = json!({"type": "req", "id": method, "method": method, "params": parameters});
        let send = self.stream.send(Message::text(request.to_string()));
        timeout(ANSWER_TIMEOUT, send).await.map_err(|_| SocketError::Silent)?.map_err(broken)?;
        let wanted = |frame| match frame {
            Frame::Res { id, ok, payload, error } if id == method => Some((ok, payload, error)),
            _ => None,
        };
        match self.wait_for(wanted).await? {
            (true, payload, _) => Ok(Ok(payload)),
            (false, _, Some(refusal)) => Ok(Err(refusal)),
            (false, _, None) => Err(SocketError::Malformed("it rejects the call without a reason")),
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
                let frame = serde_json::from_str(&text).map_err(|_| SocketError::Malformed("it is no frame"))?;
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
