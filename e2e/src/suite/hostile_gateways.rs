//! Gateways that do their worst to whoever asks them: a server on the machine that the cluster runs on, which Pods on nodes without a
//! machine are said to be. The token of a gateway says what it does. Touches the network.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{AUTHORIZATION, LOCATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::admin::PORT;
use super::secrets::{MARKER, secret_value};
use crate::cluster::NODE_ADDRESS;

/// No question of the operator is longer.
const MAX_QUESTION: usize = 1 << 20;
/// What the operator reads at most of `config.get`, of a list, and of any other answer.
const MOST_OF_CONFIGURATION: usize = 8 << 20;
const MOST_OF_LIST: usize = 2 << 20;
const MOST: usize = 256 << 10;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a gateway does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It accepts, and never answers.
    Hangs,
    /// It answers with what is no answer.
    Babbles,
    /// It confirms its configuration, and makes each answer as long as is read and as costly to read as it can.
    Floods,
}

impl Manner {
    pub const ALL: [Self; 3] = [Self::Hangs, Self::Babbles, Self::Floods];

    /// The first word of its gateways' names.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hangs => "hangs",
            Self::Babbles => "babbles",
            Self::Floods => "floods",
        }
    }

    /// A token for the gateway of this name, which begins with the word of its manner.
    #[must_use]
    pub fn token(name: &str) -> String {
        secret_value(name)
    }

    fn of(token: &str) -> Option<Self> {
        let name = token.strip_prefix(MARKER)?;
        Self::ALL.into_iter().find(|manner| name.starts_with(manner.word()))
    }
}

/// The server; it ends when this value is dropped.
pub struct HostileGateways {
    known: Arc<Mutex<Known>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Known {
    /// What a gateway says that it runs, by its token.
    configurations: BTreeMap<String, Value>,
    /// The tokens of those that were asked.
    asked: BTreeSet<String>,
    babbled: usize,
}

impl HostileGateways {
    /// The address at which all of them listen.
    pub const ADDRESS: &str = NODE_ADDRESS;

    pub async fn start() -> Self {
        let listener = TcpListener::bind((NODE_ADDRESS, PORT)).await.unwrap_or_else(|error| {
            panic!("{NODE_ADDRESS}:{PORT}, where only the machine of the cluster can listen: {error}")
        });
        let known = Arc::<Mutex<Known>>::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&known)));
        Self { known, task }
    }

    /// From now on the gateway with this token says that it runs this openclaw.json.
    pub fn confirm(&self, token: &str, configuration: Value) {
        lock(&self.known).configurations.insert(token.to_owned(), configuration);
    }

    /// How many gateways of this manner were asked something.
    #[must_use]
    pub fn asked(&self, manner: Manner) -> usize {
        lock(&self.known).asked.iter().filter(|token| Manner::of(token) == Some(manner)).count()
    }
}

impl Drop for HostileGateways {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, known: Arc<Mutex<Known>>) {
    while let Ok((socket, _)) = listener.accept().await {
        let known = Arc::clone(&known);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&known, request));
            // Who asks may hang up when it has enough.
            http1::Builder::new().serve_connection(TokioIo::new(socket), service).await.ok();
        });
    }
}

async fn respond(known: &Mutex<Known>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let token = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let token = token.unwrap_or_default().to_owned();
    let question = Limited::new(body, MAX_QUESTION).collect().await.map(http_body_util::Collected::to_bytes);
    let question: Value = question.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let (configuration, babbled) = {
        let mut known = lock(known);
        known.babbled += usize::from(Manner::of(&token) == Some(Manner::Babbles));
        let configuration = known.configurations.get(&token).cloned();
        known.asked.insert(token.clone());
        (configuration, known.babbled)
    };
    Ok(match Manner::of(&token) {
        Some(Manner::Hangs) => std::future::pending().await,
        Some(Manner::Babbles) => babble(babbled),
        Some(Manner::Floods) => flood(question["method"].as_str().unwrap_or_default(), configuration.as_ref()),
        None => answer(StatusCode::NOT_FOUND, Bytes::new()),
    })
}

fn answer(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Something else each time.
fn babble(number: usize) -> Response<Body> {
    let said = |body: String| answer(StatusCode::OK, body);
    let payload = |payload: &str| said(format!(r#"{{"ok":true,"payload":{payload}}}"#));
    match number % 10 {
        0 => said("<html>It works!</html>".to_owned()),
        1 => payload("null"),
        2 => payload(&format!("[{}]", "7,".repeat(1000) + "7")),
        3 => payload(&"[".repeat(1 << 20)),
        4 => payload(
            r#"{"valid":"yes","hash":{},"configRevisionHash":1e999,"appliedConfigHash":[],"parsed":"{","issues":7}"#,
        ),
        5 => {
            let error =
                json!({"message": "\u{1b}[31m\u{202e}no\n".repeat(1 << 16), "retryAfterMs": 1e300, "details": 7});
            answer(StatusCode::INTERNAL_SERVER_ERROR, json!({"ok": false, "error": error}).to_string())
        }
        6 => answer(StatusCode::UNAUTHORIZED, Bytes::new()),
        7 => {
            let mut response = answer(StatusCode::TEMPORARY_REDIRECT, Bytes::new());
            let elsewhere = hyper::header::HeaderValue::from_static("https://kubernetes.default.svc/api/v1/secrets");
            response.headers_mut().insert(LOCATION, elsewhere);
            response
        }
        8 => answer(StatusCode::OK, vec![0xff; 1 << 16]),
        _ => Response::new(StreamBody::new(stream::repeat_with(|| Ok(blanks()))).boxed_unsync()),
    }
}

/// JSON may have any number of them.
fn blanks() -> Frame<Bytes> {
    static BLANKS: [u8; 1 << 16] = [b' '; 1 << 16];
    Frame::data(Bytes::from_static(&BLANKS))
}

/// As long as is read of an answer to this method, and as many entries as fit.
fn flood(method: &str, configuration: Option<&Value>) -> Response<Body> {
    let (list, most) = match method {
        "config.get" => ("issues", MOST_OF_CONFIGURATION),
        "cron.list" => ("jobs", MOST_OF_LIST),
        "cron.runs" => ("entries", MOST_OF_LIST),
        "device.pair.list" => ("paired", MOST_OF_LIST),
        "status" => ("degradedSecretOwners", MOST_OF_LIST),
        _ => ("job", MOST),
    };
    let known = json!({"valid": true, "hash": "1", "configRevisionHash": "1", "appliedConfigHash": "1",
                       "parsed": configuration, "hasMore": true});
    let known = known.to_string();
    let head = format!(r#"{{"ok":true,"payload":{},"{list}":["#, known.strip_suffix('}').unwrap_or_default());
    let (entry, tail) = ("{},", "{}]}}");
    let entries = most.saturating_sub(head.len() + tail.len()) / entry.len();
    answer(StatusCode::OK, head + &entry.repeat(entries) + tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_gateway_says_what_it_does() {
        assert_eq!(Manner::of(&Manner::token("hangs-0")), Some(Manner::Hangs));
        assert_eq!(Manner::of(&Manner::token("floods-16")), Some(Manner::Floods));
        assert_eq!(Manner::of("of somebody else"), None);
    }

    #[tokio::test]
    async fn a_flood_is_json_that_confirms_the_configuration_and_fills_what_is_read() {
        let configuration = json!({"agents": {"entries": {"a": {}}}});
        for (method, most) in [("config.get", MOST_OF_CONFIGURATION), ("cron.list", MOST_OF_LIST)] {
            let body = flood(method, Some(&configuration)).into_body().collect().await.unwrap().to_bytes();
            assert!((most - 8..=most).contains(&body.len()), "{} of {most}", body.len());
            let told: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&told["ok"], &told["payload"]["parsed"]), (&json!(true), &configuration));
        }
    }
}
