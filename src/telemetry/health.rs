//! Serves `/livez` (the process runs, and its work goes on), `/readyz` (CRDs found, stores filled; says what is missing) and `/metrics`.
//! Touches the network: listens.
//!
//! Every Pod of the cluster may connect, and the kubelet restarts an operator that does not answer it. So each connection has little
//! time, and there is always a place for a new one.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::metrics::Metrics;

/// So many connections at once; a new one takes the place of an older one.
const CONNECTIONS: usize = 64;

/// From its acceptance to the end of the response: whoever asks for something asks at once.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Enough for the request of any probe or scraper, and the least that hyper allows.
const BUFFER: usize = 8192;

/// A failure that lasts must not turn into a busy loop.
const AFTER_A_FAILURE: Duration = Duration::from_millis(100);

/// Work that was not seen to go on for so long does not go on any more. What Creel computes at once takes seconds.
const PATIENCE: Duration = Duration::from_mins(2);

/// How the operator is.
#[derive(Debug)]
pub struct Health {
    missing: Mutex<Option<String>>,
    beat: Mutex<Option<Instant>>,
}

impl Default for Health {
    fn default() -> Self {
        let missing = Some("the operator has not started yet".to_owned());
        Self { missing: Mutex::new(missing), beat: Mutex::new(None) }
    }
}

impl Health {
    /// Says what is missing before the operator can work; `None`: nothing.
    pub fn set_missing(&self, missing: Option<String>) {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = missing;
    }

    /// What is missing, as `/readyz` names it.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The work goes on. It says so every few seconds from now on: what answers the kubelet has a thread of its own, and would not notice.
    pub fn beat(&self) {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_stuck(&self, now: Instant) -> bool {
        let beat = *self.beat.lock().unwrap_or_else(PoisonError::into_inner);
        beat.is_some_and(|beat| now.saturating_duration_since(beat) > PATIENCE)
    }
}

/// Answers whoever connects until the process ends.
pub async fn serve(listener: TcpListener, health: Arc<Health>, metrics: Arc<Metrics>) -> ! {
    let mut connections = Connections::default();
    loop {
        let accepted = listener.accept().await;
        connections.take(accepted, &health, &metrics).await;
    }
}

/// The connections that are open and from where, oldest first.
#[derive(Default)]
struct Connections(Vec<(IpAddr, AbortHandle)>);

impl Connections {
    /// Answers on the connection. One that can't be accepted (its caller has gone, no file descriptor is free) is not the end of the
    /// operator: the next one may be.
    async fn take<S>(
        &mut self,
        accepted: std::io::Result<(S, SocketAddr)>,
        health: &Arc<Health>,
        metrics: &Arc<Metrics>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match accepted {
            Ok((stream, peer)) => {
                self.make_room();
                let answered = serve_connection(stream, Arc::clone(health), Arc::clone(metrics));
                self.0.push((peer.ip(), tokio::spawn(answered).abort_handle()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a health connection");
                tokio::time::sleep(AFTER_A_FAILURE).await;
            }
        }
    }

    /// Closes connections until there is room for one more.
    fn make_room(&mut self) {
        self.0.retain(|(_, connection)| !connection.is_finished());
        while self.0.len() >= CONNECTIONS {
            let (_, closed) = self.0.remove(self.crowding());
            closed.abort();
        }
    }

    /// The oldest connection of the address with the most connections: one that floods the port closes its own.
    fn crowding(&self) -> usize {
        let count = |place: &usize| self.0.iter().filter(|(address, _)| *address == self.0[*place].0).count();
        // The last of several that are equal.
        (0..self.0.len()).rev().max_by_key(count).unwrap_or_default()
    }
}

async fn serve_connection<S>(stream: S, health: Arc<Health>, metrics: Arc<Metrics>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request| {
        let response = answer(&request, &health, &metrics);
        async { Ok::<_, Infallible>(response) }
    });
    // No timer: the time limit below includes the headers.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .keep_alive(false)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(TIME_LIMIT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a health connection failed"),
        Err(_elapsed) => tracing::debug!("a health connection took too long"),
    }
}

fn answer(request: &Request<Incoming>, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/livez" if health.is_stuck(Instant::now()) => {
            respond(StatusCode::INTERNAL_SERVER_ERROR, "the watches and controllers are stuck\n".to_owned())
        }
        "/livez" => respond(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match health.missing() {
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
    use futures::{StreamExt as _, future, stream};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::net::TcpStream;

    use super::*;

    const REQUEST: &[u8] = b"GET /livez HTTP/1.1\r\nHost: creel\r\n\r\n";

    async fn serving() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::default(), Arc::default()));
        address
    }

    async fn connected(address: SocketAddr, count: usize) -> Vec<TcpStream> {
        // One after the other: more at once than the kernel has room for wait a second for the next try.
        let connections = stream::iter(0..count).then(async |_| TcpStream::connect(address).await.unwrap());
        connections.collect().await
    }

    /// `/livez` answers in the time that the kubelet waits for it.
    async fn assert_alive(address: SocketAddr) {
        let probe = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(REQUEST).await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            said
        };
        let said = tokio::time::timeout(Duration::from_secs(1), probe).await;
        assert!(said.as_ref().is_ok_and(|said| said.starts_with("HTTP/1.1 200 OK")), "{said:?}");
    }

    #[tokio::test]
    async fn hundreds_of_idle_connections_do_not_keep_the_kubelet_from_an_answer() {
        let address = serving().await;
        let _idle = connected(address, 400).await;
        assert_alive(address).await;
    }

    #[tokio::test]
    async fn requests_that_never_end_do_not_keep_the_kubelet_from_an_answer() {
        let address = serving().await;
        let endless = connected(address, 200).await.into_iter().map(|mut stream| async move {
            // Until the operator closes the connection.
            while stream.write_all(b"X-Slow: 1\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let probes = async {
            for _ in 0..20 {
                assert_alive(address).await;
            }
        };
        let endless = std::pin::pin!(future::join_all(endless));
        future::select(endless, std::pin::pin!(probes)).await;
        assert_alive(address).await;
    }

    #[tokio::test]
    async fn a_silent_connection_is_closed_within_seconds() {
        let address = serving().await;
        let (mut silent, started) = (TcpStream::connect(address).await.unwrap(), Instant::now());
        let closed = tokio::time::timeout(TIME_LIMIT * 10, silent.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok(), "still open after {:?}", started.elapsed());
        assert!(started.elapsed() >= TIME_LIMIT);
    }

    #[test]
    fn work_that_was_begun_and_does_not_go_on_is_stuck() {
        let (health, later) = (Health::default(), Instant::now() + PATIENCE * 2);
        assert!(!health.is_stuck(later), "a replica that does not lead has no work");
        health.beat();
        assert!(!health.is_stuck(Instant::now()));
        assert!(health.is_stuck(later));
    }

    #[tokio::test]
    async fn the_address_with_the_most_connections_loses_its_oldest() {
        let open = |last: u8| (IpAddr::from([10, 0, 0, last]), tokio::spawn(future::pending::<()>()).abort_handle());
        let kubelet = std::iter::once(open(1));
        let mut connections = Connections(kubelet.chain((1..CONNECTIONS).map(|_| open(2))).collect());
        let oldest = connections.0[1].1.id();
        connections.make_room();
        assert_eq!(connections.0.len(), CONNECTIONS - 1);
        assert_eq!(connections.0[0].0, IpAddr::from([10, 0, 0, 1]), "the kubelet's own stays");
        assert!(connections.0.iter().all(|(_, connection)| connection.id() != oldest));
    }

    #[tokio::test]
    async fn a_connection_that_cannot_be_accepted_ends_nothing() {
        let (mut caller, connection) = duplex(4096);
        let peer = SocketAddr::from(([10, 0, 0, 1], 1));
        let refused: std::io::Result<(DuplexStream, SocketAddr)> = Err(std::io::ErrorKind::ConnectionAborted.into());
        let mut connections = Connections::default();
        for accepted in [refused, Ok((connection, peer))] {
            connections.take(accepted, &Arc::default(), &Arc::default()).await;
        }
        caller.write_all(REQUEST).await.unwrap();
        let mut said = String::new();
        caller.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    }
}
