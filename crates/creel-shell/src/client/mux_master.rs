//! The background process that holds the connection to one target and runs the calls of the Pod over it. Touches its socket, the
//! network, and the standard streams of the calls.
//!
//! It has a session of its own, keeps no pipe, directory or environment of the call that started it, and is not a child of it:
//! OpenClaw kills a call together with its descendants. It exits when it has been idle for a while, or as soon as its connection is
//! lost and no call is running.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use russh::Channel;
use russh::client::Msg;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{Connection, ConnectionError};
use super::control_socket::{self, ControlDirectory, ControlSocketError};
use super::core_dumps;
use super::mux_protocol;
use super::session;
use super::target::Target;

/// How long an idle connection is kept. The calls of a conversation come seconds apart; after it, nothing should be left.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a call whose output is not read may delay other calls.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How many calls run at the same time; more wait at the socket.
const MAX_CALLS: usize = 100;

/// After a failure to accept, which lasts as long as too many files are open.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The directory of the socket.
    #[arg(long)]
    directory: PathBuf,
    /// The name of the connection.
    #[arg(long, value_name = "ID")]
    connection: String,
    /// Seconds without a call after which the process exits.
    #[arg(long, value_name = "SECONDS", default_value_t = IDLE_TIMEOUT.as_secs())]
    idle_timeout: u64,
    /// Seconds for which a call whose output is not read may delay other calls.
    #[arg(long, value_name = "SECONDS", default_value_t = STALL_TIMEOUT.as_secs())]
    stall_timeout: u64,
    /// Do not continue in a background process.
    #[arg(long)]
    foreground: bool,
}

/// Why there is no mux master.
#[derive(Debug, thiserror::Error)]
pub enum MuxMasterError {
    #[error(transparent)]
    ControlSocket(#[from] ControlSocketError),
    #[error("standard input is not a listening socket: {0}")]
    Listener(#[source] io::Error),
    #[error("cannot leave the session of the calling process: {0}")]
    Session(#[source] io::Error),
    #[error("cannot start the background process: {0}")]
    Start(#[source] io::Error),
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("cannot forbid core dumps: {0}")]
    CoreDumps(#[source] io::Error),
}

/// Why a call got no channel.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChannelError {
    #[error(transparent)]
    Connection(#[from] Arc<ConnectionError>),
    #[error("the sandbox {0} refused another session")]
    Refused(SocketAddr),
    #[error("the connection to the sandbox {0} was lost: {1}")]
    Lost(SocketAddr, String),
}

/// Runs `creel-shell mux`.
pub fn run(arguments: &Arguments) -> Result<(), MuxMasterError> {
    if !arguments.foreground {
        return continue_in_background(arguments);
    }
    core_dumps::forbid().map_err(MuxMasterError::CoreDumps)?;
    let directory = ControlDirectory::open(&arguments.directory)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MuxMasterError::Runtime)?;
    runtime.block_on(async {
        let listener = listener().map_err(MuxMasterError::Listener)?;
        let master = Arc::new(Master {
            connection_id: arguments.connection.clone(),
            stall_timeout: Duration::from_secs(arguments.stall_timeout),
            current: Mutex::default(),
        });
        serve(&listener, &master, Duration::from_secs(arguments.idle_timeout)).await;
        // A call that connected before this is still served. A later one finds no socket and starts a new mux master.
        directory.remove(&arguments.connection)?;
        let mut last = JoinSet::new();
        while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
            last.spawn(serve_call(Arc::clone(&master), stream));
        }
        last.join_all().await;
        Ok(())
    })
}

/// Starts the same program again, in a new session, as a child of the first process of the Pod.
fn continue_in_background(arguments: &Arguments) -> Result<(), MuxMasterError> {
    rustix::process::setsid().map_err(|error| MuxMasterError::Session(error.into()))?;
    let mut command =
        control_socket::mux_master(&arguments.directory, &arguments.connection).map_err(MuxMasterError::Start)?;
    command.arg("--foreground").arg("--idle-timeout").arg(arguments.idle_timeout.to_string());
    command.arg("--stall-timeout").arg(arguments.stall_timeout.to_string());
    command.spawn().map(drop).map_err(MuxMasterError::Start)
}

fn listener() -> io::Result<UnixListener> {
    let listener = std::os::unix::net::UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Accepts calls until the process can exit.
async fn serve(listener: &UnixListener, master: &Arc<Master>, idle_timeout: Duration) {
    let mut calls = JoinSet::new();
    let mut idle_since = Instant::now();
    let mut had_a_call = false;
    loop {
        let connection = master.established().await;
        if had_a_call && calls.is_empty() && connection.is_none() {
            return;
        }
        tokio::select! {
            accepted = listener.accept(), if calls.len() < MAX_CALLS => match accepted {
                Ok((stream, _)) => {
                    had_a_call = true;
                    calls.spawn(serve_call(Arc::clone(master), stream));
                }
                Err(_) => tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await,
            },
            Some(_) = calls.join_next() => idle_since = Instant::now(),
            () = lost(connection.as_deref()), if calls.is_empty() => {}
            () = sleep_until(idle_since + idle_timeout), if calls.is_empty() => return,
        }
    }
}

async fn lost(connection: Option<&Connection>) {
    match connection {
        Some(connection) => connection.lost().await,
        None => std::future::pending().await,
    }
}

async fn serve_call(master: Arc<Master>, mut stream: UnixStream) {
    // A client that is killed while it sends its request needs no reply.
    if let Ok((request, stdio)) = mux_protocol::receive_request(&mut stream).await
        && request.target.connection_id() == master.connection_id
    {
        session::run(master, request, stdio, stream).await;
    }
}

type Attempt = Shared<BoxFuture<'static, Result<Arc<Connection>, Arc<ConnectionError>>>>;

/// The connection that all calls share.
pub struct Master {
    connection_id: String,
    /// How long a call whose output is not read may delay other calls.
    pub stall_timeout: Duration,
    current: Mutex<Option<Attempt>>,
}

impl Master {
    /// Opens a channel for a call. A connection that is lost, does not answer, or takes no further call (the server limits the calls of
    /// a connection) is replaced once: the command has not been sent yet. Calls that are running keep the old connection, which ends
    /// with the last of them.
    pub async fn open_channel(&self, target: &Target) -> Result<(Arc<Connection>, Channel<Msg>), ChannelError> {
        let mut result = Err(ChannelError::Lost(target.address, String::new()));
        for _ in 0..2 {
            let connection = self.connection(target).await?;
            result = match timeout(target.connect_timeout, connection.open_channel()).await {
                Ok(Ok(channel)) => return Ok((connection, channel)),
                Ok(Err(russh::Error::ChannelOpenFailure(_))) => Err(ChannelError::Refused(target.address)),
                Ok(Err(_)) => Err(ChannelError::Lost(target.address, connection.close_reason().to_owned())),
                Err(_) => Err(ChannelError::Lost(target.address, "it does not answer".to_owned())),
            };
            self.discard(&connection).await;
        }
        result
    }

    /// The current connection, or a new one that all calls wait for. Connecting is a task of its own: it continues when the call that
    /// started it is killed.
    async fn connection(&self, target: &Target) -> Result<Arc<Connection>, Arc<ConnectionError>> {
        let attempt = {
            let mut current = self.current.lock().await;
            let usable = current.take().filter(|attempt| match attempt.peek() {
                Some(Ok(connection)) => !connection.is_lost(),
                Some(Err(_)) => false,
                None => true,
            });
            current.insert(usable.unwrap_or_else(|| connect(target.clone()))).clone()
        };
        attempt.await
    }

    async fn discard(&self, connection: &Arc<Connection>) {
        let mut current = self.current.lock().await;
        if matches!(current.as_ref().and_then(Shared::peek), Some(Ok(other)) if Arc::ptr_eq(other, connection)) {
            *current = None;
        }
    }

    /// Whether other calls are running than the one that asks: each holds a reference, and so does the process itself.
    pub fn has_other_calls(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 2
    }

    /// The connection, if there is one and it is not lost.
    async fn established(&self) -> Option<Arc<Connection>> {
        let current = self.current.lock().await;
        let connection = current.as_ref()?.peek()?.as_ref().ok()?;
        (!connection.is_lost()).then(|| Arc::clone(connection))
    }
}

fn connect(target: Target) -> Attempt {
    let address = target.address;
    let task = tokio::spawn(async move { Connection::open(&target).await });
    async move {
        let opened = task.await.unwrap_or_else(|error| Err(ConnectionError::Handshake(address, error.to_string())));
        opened.map(Arc::new).map_err(Arc::new)
    }
    .boxed()
    .shared()
}
