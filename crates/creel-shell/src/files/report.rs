//! How the files are, for the operator: `GET /files` with the gateway's token. Touches a port.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::keep::{KEPT, hash};
use super::place::Place;
use crate::log;

/// Connections at the same time: one operator asks.
const CONNECTIONS: usize = 8;
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(1);

/// How all files are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// That of the document that they are in line with.
    pub revision: String,
    pub agents: HashMap<String, Vec<FileReport>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    pub path: String,
    #[serde(flatten)]
    pub state: State,
}

/// How one file is. Times are in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state")]
pub enum State {
    /// It is as its source.
    InStep { hash: String },
    /// The agent made something else of it.
    Evolved { hash: String, since: i64 },
    /// It is as its source, and what the agent made of it is kept beside it.
    Conflict { hash: String, since: i64, kept: String },
    /// It cannot be brought in line.
    Fault { message: String },
}

impl State {
    #[must_use]
    pub fn in_step(content: &str) -> Self {
        Self::InStep { hash: hash(content.as_bytes()) }
    }

    /// Whether it no longer holds although the file did not change.
    pub(super) fn is_outdated(&self, place: &Place<'_>) -> bool {
        matches!(self, Self::Conflict { .. }) && !place.is_beside(KEPT)
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InStep { .. } => formatter.write_str("in step"),
            Self::Evolved { .. } => formatter.write_str("evolved"),
            Self::Conflict { .. } => formatter.write_str("put back; the agent's version is kept beside it"),
            Self::Fault { message } => formatter.write_str(message),
        }
    }
}

/// Serves the report for ever. What stands in the way of that is logged; the files are kept in line all the same.
pub(super) fn serve(listen: SocketAddr, token: &str, report: &Shared) {
    let expected = Sha256::digest(format!("Bearer {token}"));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return log::event(format_args!("cannot serve the report: {error}")),
    };
    runtime.block_on(async {
        let listener = loop {
            match TcpListener::bind(listen).await {
                Ok(listener) => break listener,
                Err(error) => log::event(format_args!("cannot serve the report on {listen}: {error}")),
            }
            sleep(10 * RETRY).await;
        };
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(RETRY).await;
                continue;
            };
            let Ok(permit) = permits.clone().try_acquire_owned() else { continue };
            let report = report.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let response = answer(&request, expected.as_slice(), &report);
                    async move { Ok::<_, Infallible>(response) }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .keep_alive(false)
                    .max_buf_size(16 * 1024);
                let _ = timeout(CONNECTION_TIMEOUT, http.serve_connection(TokioIo::new(stream), service)).await;
                drop(permit);
            });
        }
    });
}

fn answer(request: &Request<Incoming>, expected: &[u8], report: &Shared) -> Response<Full<Bytes>> {
    // Hashes are compared: how long that takes tells nothing about the token.
    let sent = request.headers().get(AUTHORIZATION).map(|value| Sha256::digest(value.as_bytes()));
    let (status, body) = match (request.method(), request.uri().path()) {
        _ if sent.is_none_or(|sent| sent.as_slice() != expected) => (StatusCode::UNAUTHORIZED, Arc::from("")),
        (&Method::GET, "/files") => (StatusCode::OK, report.get()),
        _ => (StatusCode::NOT_FOUND, Arc::from("")),
    };
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = status;
    response
}
