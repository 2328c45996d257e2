//! One request of a client: refused, answered here, or passed on to the gateway.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hmac::{Hmac, Mac};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::header::{SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use hyper::{Method, Request, Response};
use serde_json::json;
use sha2::Sha256;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::answer::Answer;
use super::clients::{Client, Clients, digest};
use super::counts::{self, Counts};
use super::question;
use super::refusal::Refusal;
use super::{Limits, upstream};
use crate::log;

/// Bodies up to this size are read without waiting for others.
const SMALL_BODY: u64 = 64 * 1024;

/// Headers of the gateway's answer that are about its connection, or that are for a browser.
const NOT_PASSED_ON: [HeaderName; 6] = [CONNECTION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
const KEEP_ALIVE: &str = "keep-alive";

/// The place of one request among those of all clients, and among those of its own.
pub type Place = (OwnedSemaphorePermit, OwnedSemaphorePermit);

type Respond = Response<Either<Full<Bytes>, Answer>>;

/// What all requests share.
pub struct Relay {
    pub limits: Limits,
    upstream: SocketAddr,
    /// What the gateway is sent as `Authorization`.
    authorization: HeaderValue,
    /// What the gateway's own token is known by.
    gateway: Hmac<Sha256>,
    clients: Mutex<Arc<Clients>>,
    requests: Arc<Semaphore>,
    large_bodies: Arc<Semaphore>,
}

/// The turn of a large body, among those of all clients and among those of its own.
type Turn = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// A body with its turn, which is over when the body is no longer in memory.
struct Held {
    body: Vec<u8>,
    _turn: Option<Turn>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Who sent a request.
enum Caller {
    Client(Arc<Client>),
    /// Whoever has the token of the gateway.
    Gateway,
}

impl Relay {
    /// Without clients. `None`: the token cannot be sent in a header.
    pub fn new(upstream: SocketAddr, token: &str, limits: Limits) -> Option<Self> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        authorization.set_sensitive(true);
        Some(Self {
            limits,
            upstream,
            authorization,
            gateway: digest(token.as_bytes(), token.as_bytes())?,
            clients: Mutex::default(),
            requests: Arc::new(Semaphore::new(limits.requests)),
            large_bodies: Arc::new(Semaphore::new(limits.large_bodies)),
        })
    }

    pub fn clients(&self) -> Arc<Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_clients(&self, clients: Arc<Clients>) {
        *self.clients.lock().unwrap_or_else(PoisonError::into_inner) = clients;
    }

    /// Answers one request.
    pub async fn respond(&self, request: Request<Incoming>) -> Respond {
        let client = match self.caller(request.headers()) {
            Some(Caller::Gateway) if request.uri().path() == "/metrics" => {
                return local("text/plain; version=0.0.4", counts::text(self.clients().all()));
            }
            // The gateway's own token is for the gateway.
            None | Some(Caller::Gateway) => return Refusal::Unauthorized.response().map(Either::Left),
            Some(Caller::Client(client)) => client,
        };
        let answered = self.answer(request, &client).await;
        let refusal = match answered {
            Ok(response) => return response,
            Err(refusal) => refusal,
        };
        Counts::add(&client.counts.refused, 1);
        // Without the message: it may quote what the client sent.
        log::event(format_args!("client {}: refused: {}", client.name, refusal.code()));
        refusal.response().map(Either::Left)
    }

    /// Who sent exactly one token as `Authorization: Bearer`.
    fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (scheme, token) = values.next()?.to_str().ok()?.split_once(' ')?;
        let token = Some(token.trim().as_bytes()).filter(|token| !token.is_empty() && values.next().is_none())?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let client = self.clients().identify(token).map(Caller::Client);
        let is_gateway = digest(token, token)?.verify_slice(&self.gateway.clone().finalize().into_bytes()).is_ok();
        client.or_else(|| is_gateway.then_some(Caller::Gateway))
    }

    async fn answer(&self, request: Request<Incoming>, client: &Arc<Client>) -> Result<Respond, Refusal> {
        let (path, wanted) = match request.uri().path() {
            "/v1/chat/completions" => ("/v1/chat/completions", Method::POST),
            "/v1/responses" => ("/v1/responses", Method::POST),
            "/v1/models" => ("/v1/models", Method::GET),
            "/metrics" => ("/metrics", Method::GET),
            _ => return Err(Refusal::NotFound),
        };
        if request.method() != wanted {
            return Err(Refusal::Method(if wanted == Method::GET { "GET" } else { "POST" }));
        }
        match path {
            "/v1/models" => Ok(local("application/json", models(client))),
            "/metrics" => Ok(local("text/plain; version=0.0.4", counts::text(std::slice::from_ref(client)))),
            _ => self.ask(path, request, client).await,
        }
    }

    /// Passes a question on.
    async fn ask(&self, path: &str, request: Request<Incoming>, client: &Arc<Client>) -> Result<Respond, Refusal> {
        let place = self.place(client).ok_or(Refusal::TooManyRequests)?;
        let accept = request.headers().get(ACCEPT).cloned();
        let (body, turn) = self.body(request.into_body(), client).await?;
        let question = question::check(&body, client)?;
        drop(body);
        // Numbers may take more room in the copy.
        if question.body.len() > 2 * self.limits.body {
            return Err(Refusal::BodyTooLarge(self.limits.body));
        }
        log::event(format_args!("client {}: asks agent {}", client.name, question.agent));
        // The gateway may take its time to read it.
        let body = Bytes::from_owner(Held { body: question.body, _turn: turn });
        let mut request = Request::post(path).body(Full::new(body)).map_err(|_| Refusal::NotFound)?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(&self.upstream.to_string()).map_err(|_| Refusal::Unavailable)?);
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(accept.map(|accept| (ACCEPT, accept)));
        let (mut response, connection) = upstream::send(self.upstream, request).await?;
        Counts::add(&client.counts.forwarded, 1);
        for header in NOT_PASSED_ON {
            response.headers_mut().remove(header);
        }
        response.headers_mut().remove(KEEP_ALIVE);
        Ok(response.map(|body| Either::Right(Answer::new(body, client.clone(), (connection, place)))))
    }

    fn place(&self, client: &Client) -> Option<Place> {
        Some((client.counts.enter(self.limits.requests_of_client)?, self.requests.clone().try_acquire_owned().ok()?))
    }

    /// The turn of a large body. `None`: it does not come in time. A client waits for its own turns first, and takes none from others.
    async fn turn(&self, client: &Client) -> Option<Turn> {
        let turn = async {
            let own = client.counts.large_bodies.clone().acquire_owned().await.ok()?;
            Some((self.large_bodies.clone().acquire_owned().await.ok()?, own))
        };
        timeout(self.limits.body_timeout, turn).await.ok()?
    }

    /// Reads a body. A large one waits for its turn.
    async fn body(&self, body: Incoming, client: &Client) -> Result<(Bytes, Option<Turn>), Refusal> {
        let (most, too_large) = (self.limits.body, Refusal::BodyTooLarge(self.limits.body));
        if body.size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
            return Err(too_large);
        }
        let is_small = body.size_hint().upper().is_some_and(|size| size <= SMALL_BODY);
        let turn = if is_small { None } else { Some(self.turn(client).await.ok_or(Refusal::TooManyRequests)?) };
        match timeout(self.limits.body_timeout, Limited::new(body, most).collect()).await {
            Err(_) => Err(Refusal::BodyTimeout),
            Ok(Ok(read)) => Ok((read.to_bytes(), turn)),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large),
            Ok(Err(error)) => Err(Refusal::Invalid(format!("The body cannot be read: {error}."))),
        }
    }
}

/// The client's agents, as `OpenAI` lists models.
fn models(client: &Client) -> String {
    let model = |agent: &String| json!({"id": format!("openclaw/{agent}"), "object": "model", "created": 0, "owned_by": "openclaw"});
    json!({"object": "list", "data": client.agents.iter().map(model).collect::<Vec<_>>()}).to_string()
}

/// What the relay answers itself.
fn local(content_type: &'static str, body: String) -> Respond {
    let mut response = Response::new(Either::Left(Full::from(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
