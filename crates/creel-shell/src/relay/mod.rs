//! `creel-shell relay`: what programs call instead of the gateway, each with a token of its own that opens the HTTP APIs for its own agents
//! and nothing else. Touches the network of its Pod and two files.
//!
//! | module     | does                                                                       | touches     |
//! |------------|----------------------------------------------------------------------------|-------------|
//! | `clients`  | who may use which agents; which client a token belongs to                  | nothing     |
//! | `watch`    | reads the file of the clients again when it changes                        | disk        |
//! | `service`  | one request: refuse it, answer it, or pass it on                           | nothing     |
//! | `question` | what of a request's body is passed on                                      | nothing     |
//! | `upstream` | one connection to the gateway for one request                              | network     |
//! | `answer`   | passes the gateway's answer on as it comes, and counts                     | nothing     |
//! | `counts`   | requests and tokens of each client, as Prometheus reads them               | nothing     |
//! | `refusal`  | errors, as programs know them from `OpenAI`                                | nothing     |
//!
//! The relay trusts nothing of a client: what the gateway receives is put together here, from its body and the few headers that matter.
//! One thread: it waits for the gateway nearly all of the time.

mod answer;
pub mod clients;
mod counts;
mod question;
mod refusal;
mod service;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod upstream;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal as listen_for};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::{TOKEN_VARIABLE, log};
use service::Relay;

/// After a failure to accept, which lasts as long as too many files are open.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// For the head of a request, and for what is passed on at once.
const BUFFER: usize = 64 * 1024;

/// The arguments of `relay`.
#[derive(Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    /// Where the gateway listens.
    pub upstream: SocketAddr,
    /// The file with the clients.
    pub clients: PathBuf,
    /// The file with the key of the digests in it.
    pub key: PathBuf,
}

/// What bounds the relay's memory, and the work that clients can give the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at the same time.
    pub connections: usize,
    /// Requests that the gateway answers at the same time.
    pub requests: usize,
    /// The same, of one client.
    pub requests_of_client: usize,
    /// The bytes of one body.
    pub body: usize,
    /// Bodies of more than a few kilobytes that are in memory at the same time; others wait.
    pub large_bodies: usize,
    /// How long a client may take to send the head of a request, and how long a connection stays open without one.
    pub head_timeout: Duration,
    /// How long a client may take to send a body, and how long a large one waits for its turn.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            requests: 64,
            requests_of_client: 16,
            body: 8 * 1024 * 1024,
            large_bodies: 4,
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_mins(1),
        }
    }
}

/// Why the relay cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("the variable {TOKEN_VARIABLE} must hold the token of the gateway")]
    Token,
    #[error("cannot listen on --listen {address}: {source}; is another relay running?")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
}

/// Relays until SIGTERM. `token`: that of the gateway.
pub fn relay(settings: &Settings, token: Option<String>) -> Result<(), RelayError> {
    let token = token.filter(|token| !token.is_empty()).ok_or(RelayError::Token)?;
    let relay = Relay::new(settings.upstream, &token, Limits::default()).ok_or(RelayError::Token)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RelayError::Runtime)?;
    runtime.block_on(run(settings, Arc::new(relay)))
}

async fn run(settings: &Settings, relay: Arc<Relay>) -> Result<(), RelayError> {
    let address = settings.listen;
    let mut terminate = listen_for(SignalKind::terminate()).map_err(RelayError::Runtime)?;
    let mut interrupt = listen_for(SignalKind::interrupt()).map_err(RelayError::Runtime)?;
    let listener = TcpListener::bind(address).await.map_err(|source| RelayError::Listen { address, source })?;
    log::event(format_args!("listening on {}", listener.local_addr().unwrap_or(address)));
    // The gateway ends before its relay: what it still had to say has been passed on.
    tokio::select! {
        () = accept(listener, relay.clone()) => {}
        () = watch::watch(&settings.clients, &settings.key, &relay) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn accept(listener: TcpListener, relay: Arc<Relay>) {
    let permits = Arc::new(Semaphore::new(relay.limits.connections));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                log::event(format_args!("cannot accept a connection: {error}"));
                sleep(ACCEPT_RETRY_INTERVAL).await;
                continue;
            }
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else { continue };
        let relay = relay.clone();
        tokio::spawn(async move {
            serve(stream, relay).await;
            drop(permit);
        });
    }
}

/// Serves one connection. A client that goes away takes its request with it, and so the connection to the gateway.
async fn serve(stream: TcpStream, relay: Arc<Relay>) {
    let _ = stream.set_nodelay(true);
    let limits = relay.limits;
    let service = service_fn(move |request| {
        let relay = relay.clone();
        async move { Ok::<_, std::convert::Infallible>(relay.respond(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_buf_size(BUFFER);
    // Clients that go away are no news.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}
