//! `creel-shell serve`: the SSH server of one sandbox Pod. Touches the network of its Pod, processes and a few files.
//!
//! | room          | does                                                                  |
//! |---------------|-----------------------------------------------------------------------|
//! | `keys`        | the server's key, its clients' keys, and how it speaks                |
//! | `connection`  | what a client may ask for                                             |
//! | `call`        | a program whose input and output are a channel                        |
//! | `program`     | starts programs and ends them with all that they started              |
//! | `stdin`       | input that waits for a program, and how much more may come            |
//! | `calls`       | how many run, and when they and their connections are to end          |
//! | `environment`, `removal`, `signal`, `log` | small things, one each            |
//!
//! One thread: a sandbox has few calls at a time, and the memory of idle threads would be most of what the server needs.

mod call;
mod calls;
mod connection;
mod environment;
mod keys;
mod log;
mod program;
mod removal;
mod signal;
mod stdin;

use std::fs;
use std::future::pending;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::Disconnect;
use russh::server::{Config, run_stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal as handle};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use calls::Calls;
use connection::{Connection, LOGIN_GRACE, Shared};
pub use keys::KeyError;

/// Connections at one time, authenticated or not.
const CONNECTIONS: u16 = 64;

/// How often the drain file is read, and how long no call may have run before a drained server ends.
const DRAIN: Duration = Duration::from_secs(1);

/// What the calls have, once hung up, to be gone.
const LAST: Duration = Duration::from_secs(4);

/// What clients have, once the last call has ended, to leave by themselves.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the connections have, once closed, to be gone.
const GOODBYE: Duration = Duration::from_secs(1);

/// After a failure to accept, which lasts as long as there are too many open files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// What `serve` is told.
#[derive(Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub host_key: PathBuf,
    pub authorized_keys: Vec<String>,
    /// Once its content is `true`, the server ends as soon as it is idle.
    pub drain_file: Option<PathBuf>,
    pub keep_workspaces: Vec<PathBuf>,
    /// How long calls may go on after SIGTERM.
    pub grace: Duration,
}

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("--listen {address} cannot be listened on: {source}; is another server there?")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the runtime cannot be started: {0}")]
    Runtime(#[source] io::Error),
}

/// Serves until SIGTERM, or until it is told to drain and is idle.
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
    let mut terminate = handle(SignalKind::terminate()).map_err(ServeError::Runtime)?;
    let mut interrupt = handle(SignalKind::interrupt()).map_err(ServeError::Runtime)?;
    let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
    let local = listener.local_addr().unwrap_or(address);
    log::event(format_args!("listening on {local}"));
    let calls = shared.calls.clone();
    let room = Arc::new(Semaphore::new(CONNECTIONS.into()));
    tokio::select! {
        () = accept(listener, room.clone(), config, shared) => {}
        () = drained(settings.drain_file.as_deref(), &calls) => log::event(format_args!("drained: no call runs")),
        _ = terminate.recv() => stop(&calls, settings.grace, &room).await,
        _ = interrupt.recv() => stop(&calls, settings.grace, &room).await,
    }
    calls.close();
    empty(&room, GOODBYE).await;
    Ok(())
}

/// Waits until there is no connection, at most for `limit`.
async fn empty(room: &Semaphore, limit: Duration) {
    let _ = timeout(limit, room.acquire_many(CONNECTIONS.into())).await;
}

/// Lets the calls that run go on for `grace`, then ends them. Their last words take a moment: a client that is disconnected
/// before it has passed them on loses them.
async fn stop(calls: &Calls, grace: Duration, room: &Semaphore) {
    calls.stop();
    log::event(format_args!("stopping: {} calls run and may go on for {} s", calls.count(), grace.as_secs()));
    if calls.count() == 0 {
        return;
    }
    if !calls.ended(grace).await {
        log::event(format_args!("stopping: {} calls are ended", calls.count()));
        calls.hang_up();
        calls.ended(LAST).await;
    }
    empty(room, LAST_WORDS).await;
}

/// Waits until the server is told to drain and no call has run for a while.
async fn drained(file: Option<&Path>, calls: &Calls) {
    let Some(file) = file else { return pending().await };
    let mut told = false;
    loop {
        let tells = fs::read_to_string(file).is_ok_and(|content| content.trim() == "true");
        if tells && !told {
            log::event(format_args!("draining: {} calls run", calls.count()));
        }
        told = tells;
        if tells && calls.quiet(DRAIN).await {
            return calls.stop();
        }
        sleep(DRAIN).await;
    }
}

async fn accept(listener: TcpListener, room: Arc<Semaphore>, config: Arc<Config>, shared: Arc<Shared>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                log::event(format_args!("a connection could not be accepted: {error}"));
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let Ok(place) = room.clone().try_acquire_owned() else {
            log::event(format_args!("{peer} was refused: there are {CONNECTIONS} connections"));
            continue;
        };
        let (config, shared) = (config.clone(), shared.clone());
        tokio::spawn(async move {
            // Probes connect and say nothing: not worth a line.
            let _ = connection(stream, peer, config, shared).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, config: Arc<Config>, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    // russh gives no other way to end a connection whose client says nothing.
    let socket = stream.try_clone()?;
    let authenticated = Arc::new(AtomicBool::new(false));
    let calls = shared.calls.clone();
    let handler = Connection::new(shared, peer, authenticated.clone());
    let session = tokio::select! {
        session = timeout(LOGIN_GRACE, run_stream(config, TcpStream::from_std(stream)?, handler)) => session?,
        () = calls.closed() => return Ok(()),
    };
    let mut session = session.map_err(io::Error::other)?;
    let handle = session.handle();
    let session = async {
        if timeout(LOGIN_GRACE, &mut session).await.is_err() {
            if !authenticated.load(Ordering::Relaxed) {
                log::event(format_args!("{peer} was dropped: it did not log in within {} s", LOGIN_GRACE.as_secs()));
                let _ = socket.shutdown(Shutdown::Both);
            }
            let _ = session.await;
        }
    };
    let farewell = async {
        calls.closed().await;
        let reason = "the sandbox is stopping".to_owned();
        let _ = handle.disconnect(Disconnect::ByApplication, reason, String::new()).await;
        pending::<()>().await;
    };
    tokio::select! {
        () = session => {}
        () = farewell => {}
    }
    if authenticated.load(Ordering::Relaxed) {
        log::event(format_args!("{peer} disconnected"));
    }
    Ok(())
}
