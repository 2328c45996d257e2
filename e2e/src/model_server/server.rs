//! The network side of the model server: accepts connections, finds the rule, plays it. No disk.
//!
//! Memory is bounded by what is read at once (`READERS` × `MAX_BODY`), by the connections, and by the bounds of the journal
//! and the scripts. It binds an address and looks no name up, so the static build needs no resolver.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::bot_api::Bots;
use super::failure::error_body;
use super::journal::{
    Filter, Journal, MAX_HEADER, MAX_HEADERS, MAX_PROMPT, MAX_TEXT, MAX_TOOLS, Prompt, Recorded, cut,
};
use super::protocol::{ChatRequest, Stamp, Turn, completion, events, model_list};
use super::rule::{Asked, Chat, Failure, Reply, Rule};
use super::script::{Answer, ScriptError, Scripts};

/// A gateway's prompt with all its tools is about 60 KiB; a long session stays well below this.
const MAX_BODY: usize = 8 << 20;
/// Request bodies that are in memory at once.
const READERS: usize = 8;
/// A delayed answer holds its connection, so this is also the number of answers that may wait.
const CONNECTIONS: usize = 512;
/// How long a client may take to send a request's head, or to stay silent between two requests.
const IDLE: Duration = Duration::from_mins(1);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How the server behaves before any script is set.
#[derive(Clone, Debug)]
pub struct Options {
    /// The key that every model request must carry; absent: any key, or none.
    pub api_key: Option<String>,
    /// The ids that `…/models` lists. Chat requests may name any model.
    pub models: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { api_key: None, models: vec!["gpt-4o-mini".into(), "gpt-4o".into()] }
    }
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
#[error("the model server cannot listen on {address}: choose a free port (--listen)")]
pub struct ServeError {
    address: SocketAddr,
    source: std::io::Error,
}

/// A running model server; it ends when this value is dropped.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl ModelServer {
    /// Listens on `address` (port 0: any free one) and serves in the background.
    pub async fn start(address: SocketAddr, options: Options) -> Result<Self, ServeError> {
        let fail = |source| ServeError { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let task = tokio::spawn(accept(listener, Arc::new(State::new(options))));
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct State {
    options: Options,
    readers: Semaphore,
    scripts: Mutex<Scripts>,
    journal: Mutex<Journal>,
    bots: Bots,
}

impl State {
    fn new(options: Options) -> Self {
        Self {
            options,
            readers: Semaphore::new(READERS),
            scripts: Mutex::default(),
            journal: Mutex::default(),
            bots: Bots::default(),
        }
    }

    // A panic while a lock is held would be a defect elsewhere; the lists stay usable, so poison is ignored.
    fn scripts<T>(&self, act: impl FnOnce(&mut Scripts) -> T) -> T {
        act(&mut self.scripts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn journal<T>(&self, act: impl FnOnce(&mut Journal) -> T) -> T {
        act(&mut self.journal.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let Ok((socket, _)) = listener.accept().await else {
            // Out of file descriptors, or the peer gave up: the next one may come through.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&state, request));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                .serve_connection(TokioIo::new(socket), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "connection ended early");
            }
            drop(permit);
        });
    }
}

async fn respond(state: &State, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answer = match (&method, path.as_str()) {
        (&Method::GET, "/healthz") => reply(StatusCode::OK, &json!({"ok": true})),
        (&Method::GET, "/requests") => requests(state, request.uri().query().unwrap_or_default()),
        (&Method::GET, "/scripts") => reply(StatusCode::OK, &state.scripts(|scripts| json!(scripts.all()))),
        (_, path) if path.starts_with("/scripts/") => script(state, request).await,
        (&Method::POST, path) if path.ends_with("/chat/completions") => chat(state, request).await,
        (&Method::GET, path) if path.ends_with("/models") => models(state, &request).await,
        (_, path) if path.starts_with("/bot") => bot(state, request).await,
        _ => {
            let message = format!("Unknown request URL: {method} {path}. Please check the URL for typos.");
            fail(&failure(404, message), "", None)
        }
    };
    // The path of a call of a bot has its token.
    if path != "/healthz" && !path.starts_with("/bot") {
        tracing::info!(%method, path, status = answer.status().as_u16(), "answered");
    }
    Ok(answer)
}

async fn read(state: &State, body: Incoming) -> Result<Bytes, Response<Body>> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => {
            tracing::debug!(error, readers = state.readers.available_permits(), "request body not read");
            Err(fail(&failure(413, format!("The request is larger than {MAX_BODY} bytes, or was cut off.")), "", None))
        }
    }
}

async fn chat(state: &State, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let api_key = bearer(&head.headers);
    let asked = {
        let _permit = state.readers.acquire().await;
        let bytes = match read(state, body).await {
            Ok(bytes) => bytes,
            Err(refusal) => return refusal,
        };
        serde_json::from_slice::<ChatRequest>(&bytes)
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => return fail(&failure(400, format!("We could not parse the body: {error}")), "", None),
    };
    let text = asked.text();
    let mut played = state.play(&Asked {
        path: &path,
        api_key: api_key.as_deref(),
        chat: Some(Chat { model: &asked.model, text: &text }),
    });
    let recorded = Recorded {
        method: "POST".into(),
        api_key: api_key.clone(),
        headers: headers(&head.headers),
        model: cut(&asked.model, MAX_HEADER),
        stream: asked.stream,
        text: cut(&text, MAX_TEXT),
        prompt: Prompt(cut(&asked.prompt(), MAX_PROMPT)),
        messages: asked.messages(),
        tools: asked.tools().take(MAX_TOOLS).map(|name| cut(name, MAX_HEADER)).collect(),
        path,
        status: played.status(),
        ..Recorded::default()
    };
    let stamp = state.record(recorded);
    played.0.is_due().await;
    match Turn::of(&played.0.reply, &asked) {
        Some(turn) if asked.stream => stream_events(events(&asked, &turn, stamp)),
        Some(turn) => reply(StatusCode::OK, &completion(&asked, &turn, stamp)),
        None => played.refusal(&asked.model, api_key.as_deref()),
    }
}

async fn models(state: &State, request: &Request<Incoming>) -> Response<Body> {
    let (path, api_key) = (request.uri().path(), bearer(request.headers()));
    let mut played = state.play(&Asked { path, api_key: api_key.as_deref(), chat: None });
    let stamp = state.record(Recorded {
        method: "GET".into(),
        path: path.to_owned(),
        api_key: api_key.clone(),
        headers: headers(request.headers()),
        status: played.status(),
        ..Recorded::default()
    });
    played.0.is_due().await;
    match &played.0.reply {
        Reply::Models(ids) => reply(StatusCode::OK, &model_list(ids, stamp.created)),
        Reply::Error(_) => played.refusal("", api_key.as_deref()),
        Reply::Echo | Reply::Text(_) | Reply::ToolCalls(_) | Reply::Obey => {
            reply(StatusCode::OK, &model_list(&state.options.models, stamp.created))
        }
    }
}

/// What is about to be answered, and when.
struct Played(Answer);

impl Played {
    fn status(&self) -> u16 {
        match &self.0.reply {
            Reply::Error(failure) => failure.status,
            _ => 200,
        }
    }

    fn refusal(&self, model: &str, api_key: Option<&str>) -> Response<Body> {
        match &self.0.reply {
            Reply::Error(failure) => fail(failure, model, api_key),
            _ => fail(&failure(500, "The script's reply does not answer this request.".into()), model, api_key),
        }
    }
}

impl State {
    fn play(&self, asked: &Asked<'_>) -> Played {
        if let Some(required) = &self.options.api_key
            && asked.api_key != Some(required)
        {
            return Played(Answer::at_once(Reply::Error(Failure { status: 401, ..Failure::default() })));
        }
        let scripted = self.scripts(|scripts| scripts.take(asked));
        Played(scripted.unwrap_or_else(|| Answer::at_once(Reply::default())))
    }

    /// Keeps the request before its answer is delayed: a test may ask for it while it waits.
    fn record(&self, mut request: Recorded) -> Stamp {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        request.time_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let sequence = self.journal(|journal| journal.record(request));
        Stamp { sequence, created: now.as_secs() }
    }
}

async fn script(state: &State, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let name = head.uri.path().trim_start_matches("/scripts/").to_owned();
    match head.method {
        Method::DELETE => {
            let removed = state.scripts(|scripts| scripts.remove(&name));
            reply(StatusCode::OK, &json!({"removed": removed}))
        }
        Method::PUT => {
            let _permit = state.readers.acquire().await;
            let bytes = match read(state, body).await {
                Ok(bytes) => bytes,
                Err(refusal) => return refusal,
            };
            let put = serde_json::from_slice::<Vec<Rule>>(&bytes)
                .map_err(|error| format!("script {name:?} is no list of rules: {error}"))
                .and_then(|rules| {
                    state.scripts(|scripts| scripts.put(&name, rules)).map_err(|error: ScriptError| error.to_string())
                });
            match put {
                Ok(()) => reply(StatusCode::OK, &json!({"script": name})),
                Err(message) => fail(&failure(400, message), "", None),
            }
        }
        _ => fail(&failure(405, "A script takes PUT and DELETE; GET /scripts lists all.".into()), "", None),
    }
}

async fn bot(state: &State, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let read = {
        let _permit = state.readers.acquire().await;
        read(state, body).await
    };
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(refusal) => return refusal,
    };
    let path = head.uri.path();
    let (status, body) = match (path.strip_prefix("/bots/"), path.strip_prefix("/bot")) {
        (Some(call), _) => state.bots.control(head.method.as_str(), call, &bytes),
        (None, call) => state.bots.call(call.unwrap_or_default(), &bytes).await,
    };
    reply(status, &body)
}

fn requests(state: &State, query: &str) -> Response<Body> {
    let pairs: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes())
        .map(|(key, value)| {
            let value =
                if key == "after" { value.parse::<u64>().map_or(Value::Null, Value::from) } else { json!(value) };
            (key.into_owned(), value)
        })
        .collect();
    match serde_json::from_value::<Filter>(json!(pairs)) {
        Ok(filter) => reply(StatusCode::OK, &state.journal(|journal| json!(journal.find(&filter)))),
        Err(error) => fail(&failure(400, format!("/requests: {error}")), "", None),
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
}

fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter(|(name, _)| *name != AUTHORIZATION)
        .take(MAX_HEADERS)
        .map(|(name, value)| (name.to_string(), cut(&String::from_utf8_lossy(value.as_bytes()), MAX_HEADER)))
        .collect()
}

fn failure(status: u16, message: String) -> Failure {
    Failure { status, message: Some(message), ..Failure::default() }
}

fn reply(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

fn fail(failure: &Failure, model: &str, api_key: Option<&str>) -> Response<Body> {
    let (body, retry_after) = error_body(failure, model, api_key);
    let mut response = reply(StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_REQUEST), &body);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn stream_events(events: Vec<String>) -> Response<Body> {
    let frames = stream::iter(events.into_iter().map(|event| Ok(Frame::data(Bytes::from(event)))));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/event-stream"));
    response
}
