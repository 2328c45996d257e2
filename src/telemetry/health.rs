//! Serves `/livez` (the process runs), `/readyz` (CRDs found, stores filled; says what is missing) and `/metrics`. Touches the
//! network: listens.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::metrics::Metrics;

/// So many callers at once; more wait.
const AT_ONCE: usize = 32;

/// A failure that lasts must not turn into a busy loop.
const AFTER_A_FAILURE: Duration = Duration::from_millis(100);

/// What is missing before the operator can work; `None`: nothing.
#[derive(Debug)]
pub struct Readiness {
    missing: Mutex<Option<&'static str>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { missing: Mutex::new(Some("the operator has not started yet")) }
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
    answer_all(async || listener.accept().await.map(|(stream, _)| stream), readiness, metrics).await
}

/// Answers whoever connects. A connection that can't be taken (its caller has gone, no file descriptor is free) is not the end of the
/// operator: the next one may be.
async fn answer_all<S>(
    accept: impl AsyncFn() -> std::io::Result<S>,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
) -> !
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let stream = match accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a health connection");
                tokio::time::sleep(AFTER_A_FAILURE).await;
                continue;
            }
        };
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
                tracing::debug!(%error, "a health connection failed");
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_cannot_be_taken_ends_nothing() {
        let (mut caller, connection) = duplex(4096);
        let refused = || Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted));
        let connections: Mutex<Vec<std::io::Result<DuplexStream>>> = Mutex::new(vec![Ok(connection), refused()]);
        let accept = async || match connections.lock().await.pop() {
            Some(next) => next,
            None => std::future::pending().await,
        };
        let asked = async {
            caller.write_all(b"GET /livez HTTP/1.1\r\nHost: creel\r\n\r\n").await.unwrap();
            let mut said = String::new();
            caller.read_to_string(&mut said).await.unwrap();
            said
        };
        let said = tokio::select! {
            said = asked => said,
            never = answer_all(accept, Arc::default(), Arc::default()) => never,
        };
        assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    }
}
