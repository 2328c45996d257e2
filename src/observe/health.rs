//! Serves `/livez` (the process runs), `/readyz` (CRDs found, stores filled; says what is missing) and `/metrics`. Touches the
//! network: listens.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::metrics::Metrics;

/// So many callers at once; more wait.
const AT_ONCE: usize = 32;

/// What is missing before the operator can work; `None`: nothing.
#[derive(Debug)]
pub struct Readiness {
    missing: Mutex<Option<&'static str>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { missing: Mutex::new(Some("the operator has not started")) }
    }
}

impl Readiness {
    /// Says what is missing now.
    pub fn set(&self, missing: Option<&'static str>) {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = missing;
    }

    fn get(&self) -> Option<&'static str> {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until the process ends.
pub async fn serve(listen: SocketAddr, readiness: Arc<Readiness>, metrics: Arc<Metrics>) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let (stream, _) = listener.accept().await?;
        let (readiness, metrics, places) = (Arc::clone(&readiness), Arc::clone(&metrics), Arc::clone(&places));
        tokio::spawn(async move {
            let Ok(_place) = places.acquire().await else { return };
            let service = service_fn(|request| {
                let response = answer(&request, &readiness, &metrics);
                async { Ok::<_, Infallible>(response) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(%error, "a health connection broke off");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, readiness: &Readiness, metrics: &Metrics) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/livez" => respond(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match readiness.get() {
            None => respond(StatusCode::OK, "ok\n".to_owned()),
            Some(missing) => respond(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n")),
        },
        "/metrics" => respond(StatusCode::OK, metrics.text()),
        _ => respond(StatusCode::NOT_FOUND, "the paths are /livez, /readyz and /metrics\n".to_owned()),
    }
}

fn respond(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}
