//! `creel-shell serve`: the SSH server of one sandbox Pod. Touches the network of its Pod, processes and a few files.
//!
//! | module        | does                                                                     |
//! |---------------|--------------------------------------------------------------------------|
//! | `keys`        | the key of the server, the keys of its clients, its configuration of SSH |
//! | `connection`  | what a client may request                                                |
//! | `call`        | a program whose input and output are a channel                           |
//! | `program`     | starts programs, and ends them with all their processes                  |
//! | `stdin`       | buffers input for a program, and limits how much a client may send       |
//! | `calls`       | how many calls are running, and the phases of the shutdown               |
//! | `environment` | which variables a client may set                                         |
//! | `removal`     | recognizes OpenClaw's removal of a sandbox                               |
//! | `signal`      | names and numbers of signals                                             |
//! | `waiting`     | the connections whose clients have not logged in yet                     |
//!
//! One thread: a sandbox has few calls at a time, and idle threads would take most of the server's memory.

mod call;
mod calls;
mod connection;
mod environment;
mod keys;
mod program;
mod removal;
mod signal;
mod stdin;
mod waiting;

use std::fs;
use std::future::pending;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use russh::Disconnect;
use russh::server::{Config, run_stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal as listen_for};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::log;
use calls::Calls;
use connection::{Connection, LOGIN_GRACE_TIME, Shared};
pub use keys::KeyError;
use waiting::{LoggedIn, Waiting};

/// Connections open at the same time, authenticated or not.
const MAX_CONNECTIONS: u16 = 64;

/// How many of them may be unauthenticated.
const MAX_UNAUTHENTICATED: usize = 16;

/// How often the drain file is read, and how long the server must have been idle before it exits.
const DRAIN_INTERVAL: Duration = Duration::from_secs(1);

/// How long ended calls may take to disappear.
const HANG_UP_TIMEOUT: Duration = Duration::from_secs(4);

/// How long clients may take to read the last output and to disconnect, after the last call has ended.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// How long connections may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// After a failure to accept, which lasts as long as too many files are open.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// The arguments of `serve`.
#[derive(Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub host_key: PathBuf,
    pub authorized_keys: Vec<String>,
    /// When it contains `true`, the server exits as soon as it is idle.
    pub drain_file: Option<PathBuf>,
    pub keep_workspaces: Vec<PathBuf>,
    /// How long calls may continue after SIGTERM.
    pub grace: Duration,
}

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("cannot listen on --listen {address}: {source}; is another server running?")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
}

/// Serves until SIGTERM, or until the drain file contains `true` and the server is idle.
pub fn serve(settings: &Settings) -> Result<(), ServeError> {
    let config = Arc::new(keys::config(keys::host_key(&settings.host_key)?));
    let authorized =
        settings.authorized_keys.iter().map(|line| keys::authorized_key(line)).collect::<Result<_, _>>()?;
    let shared = Shared { authorized, keeps_workspace: !settings.keep_workspaces.is_empty(), calls: Calls::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Runtime)?;
    runtime.block_on(run(settings, config, Arc::new(shared)))
}

async fn run(settings: &Settings, config: Arc<Config>, shared: Arc<Shared>) -> Result<(), ServeError> {
    let address = settings.listen;
    let mut terminate = listen_for(SignalKind::terminate()).map_err(ServeError::Runtime)?;
    let mut interrupt = listen_for(SignalKind::interrupt()).map_err(ServeError::Runtime)?;
    let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
    let local = listener.local_addr().unwrap_or(address);
    log::event(format_args!("listening on {local}"));
    let calls = shared.calls.clone();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS.into()));
    tokio::select! {
        () = accept(listener, permits.clone(), config, shared) => {}
        () = drained(settings.drain_file.as_deref(), &calls) => log::event(format_args!("drained: no call is running")),
        _ = terminate.recv() => stop(&calls, settings.grace, &permits).await,
        _ = interrupt.recv() => stop(&calls, settings.grace, &permits).await,
    }
    calls.close();
    all_disconnected(&permits, CLOSE_TIMEOUT).await;
    Ok(())
}

/// Waits until there is no connection, at most for `limit`.
async fn all_disconnected(permits: &Semaphore, limit: Duration) {
    let _ = timeout(limit, permits.acquire_many(MAX_CONNECTIONS.into())).await;
}

/// Lets running calls continue for `grace`, then ends them. Then waits a moment for their clients: one that is disconnected before it has
/// read the last output loses it.
async fn stop(calls: &Calls, grace: Duration, permits: &Semaphore) {
    calls.stop();
    log::event(format_args!(
        "stopping: {} calls are running and may continue for {} s",
        calls.count(),
        grace.as_secs()
    ));
    if calls.count() == 0 {
        return;
    }
    if !calls.ended(grace).await {
        log::event(format_args!("stopping: ending {} calls", calls.count()));
        calls.hang_up();
        calls.ended(HANG_UP_TIMEOUT).await;
    }
    all_disconnected(permits, DRAIN_TIMEOUT).await;
}

/// Waits until the drain file contains `true` and no call has run for a while.
async fn drained(file: Option<&Path>, calls: &Calls) {
    let Some(file) = file else { return pending().await };
    let mut was_draining = false;
    loop {
        let draining = fs::read_to_string(file).is_ok_and(|content| content.trim() == "true");
        if draining && !was_draining {
            log::event(format_args!("draining: {} calls are running", calls.count()));
        }
        was_draining = draining;
        if draining && calls.idle_for(DRAIN_INTERVAL).await {
            return calls.stop();
        }
        sleep(DRAIN_INTERVAL).await;
    }
}

async fn accept(listener: TcpListener, permits: Arc<Semaphore>, config: Arc<Config>, shared: Arc<Shared>) {
    let mut waiting = Waiting::new(MAX_UNAUTHENTICATED);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                log::event(format_args!("cannot accept a connection: {error}"));
                sleep(ACCEPT_RETRY_INTERVAL).await;
                continue;
            }
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            log::event(format_args!("{peer} refused: {MAX_CONNECTIONS} connections are open"));
            continue;
        };
        let Ok((stream, socket)) = split(stream) else { continue };
        let authenticated = LoggedIn::default();
        // Only its own task keeps a connection open.
        let displaced = waiting.admit(peer.ip(), authenticated.clone(), Arc::downgrade(&socket));
        if let Some(displaced) = displaced.and_then(|displaced| displaced.upgrade()) {
            log::event(format_args!("{MAX_UNAUTHENTICATED} connections have not logged in: closing one"));
            let _ = displaced.shutdown(Shutdown::Both);
            // It ends in its own task, and with it its permit.
            yield_now().await;
        }
        let (config, shared) = (config.clone(), shared.clone());
        tokio::spawn(async move {
            // Probes connect and send nothing: not worth a line.
            let _ = connection((stream, &socket), peer, authenticated, config, shared).await;
            drop(permit);
        });
    }
}

/// The connection, and a handle to end it: russh offers no other way where the client sends nothing.
fn split(stream: TcpStream) -> io::Result<(TcpStream, Arc<std::net::TcpStream>)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let socket = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, Arc::new(socket)))
}

async fn connection(
    (stream, socket): (TcpStream, &std::net::TcpStream),
    peer: SocketAddr,
    authenticated: LoggedIn,
    config: Arc<Config>,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let calls = shared.calls.clone();
    let handler = Connection::new(shared, peer, authenticated.clone());
    let session = tokio::select! {
        session = timeout(LOGIN_GRACE_TIME, run_stream(config, stream, handler)) => session?,
        () = calls.closed() => return Ok(()),
    };
    let mut session = session.map_err(io::Error::other)?;
    let handle = session.handle();
    let session = async {
        if timeout(LOGIN_GRACE_TIME, &mut session).await.is_err() {
            if !authenticated.load(Ordering::Relaxed) {
                let seconds = LOGIN_GRACE_TIME.as_secs();
                log::event(format_args!("{peer} disconnected: it did not log in within {seconds} s"));
                let _ = socket.shutdown(Shutdown::Both);
            }
            let _ = session.await;
        }
    };
    let disconnect = async {
        calls.closed().await;
        let reason = "the sandbox is stopping".to_owned();
        let _ = handle.disconnect(Disconnect::ByApplication, reason, String::new()).await;
        pending::<()>().await;
    };
    tokio::select! {
        () = session => {}
        () = disconnect => {}
    }
    if authenticated.load(Ordering::Relaxed) {
        log::event(format_args!("{peer} disconnected"));
    }
    Ok(())
}
