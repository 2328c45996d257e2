//! The background process: it holds the connection to one target and runs the calls of the Pod over it. Touches its socket,
//! the network, and the streams of the calls.
//!
//! It belongs to no session, holds no pipe, directory or environment of the call that started it, and is no child of it:
//! OpenClaw kills a call together with its descendants. It ends when it has been idle for a while, or as soon as its
//! connection is lost and no call is left.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
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
use super::message;
use super::rendezvous::{self, Rendezvous, RendezvousError};
use super::session;
use super::target::Target;

/// How long a connection is kept without a call. A conversation's calls come seconds apart; after it, nothing is left.
pub const IDLE: Duration = Duration::from_mins(1);

/// How many calls run at once; more wait at the socket.
const CALLS_LIMIT: usize = 100;

/// What the process is to hold.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The directory of the socket.
    #[arg(long)]
    directory: PathBuf,
    /// The name of the connection.
    #[arg(long)]
    key: String,
    /// Seconds without a call after which it ends.
    #[arg(long, default_value_t = IDLE.as_secs())]
    idle: u64,
    /// Hold, instead of starting the process that does and leaving it behind.
    #[arg(long)]
    resident: bool,
}

/// Why there is no background process.
#[derive(Debug, thiserror::Error)]
pub enum HolderError {
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    #[error("standard input is not a listening socket: {0}")]
    Listener(#[source] io::Error),
    #[error("the process cannot leave its caller's session: {0}")]
    Detach(#[source] io::Error),
    #[error("the process that stays cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("the process cannot wait for calls: {0}")]
    Runtime(#[source] io::Error),
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

/// Runs `creel-shell hold`.
#[must_use]
pub fn main(arguments: &Arguments) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), HolderError> {
    if !arguments.resident {
        return detach(arguments);
    }
    let rendezvous = Rendezvous::open(&arguments.directory)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(HolderError::Runtime)?;
    runtime.block_on(async {
        let listener = listener().map_err(HolderError::Listener)?;
        let holder = Arc::new(Holder { key: arguments.key.clone(), current: Mutex::default() });
        serve(&listener, &holder, Duration::from_secs(arguments.idle)).await;
        // Whoever came between the last look and this finds nobody and starts a new one, or is still served.
        rendezvous.remove(&arguments.key)?;
        let mut last = JoinSet::new();
        while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
            last.spawn(answer(Arc::clone(&holder), stream));
        }
        last.join_all().await;
        Ok(())
    })
}

/// Leaves the caller's session and its children: the process that stays has no parent but the first of its Pod.
fn detach(arguments: &Arguments) -> Result<(), HolderError> {
    rustix::process::setsid().map_err(|error| HolderError::Detach(error.into()))?;
    let mut resident = rendezvous::holder(&arguments.directory, &arguments.key).map_err(HolderError::Start)?;
    resident.arg("--resident").arg("--idle").arg(arguments.idle.to_string());
    resident.spawn().map(drop).map_err(HolderError::Start)
}

fn listener() -> io::Result<UnixListener> {
    let listener = std::os::unix::net::UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Accepts calls until there is no reason to stay.
async fn serve(listener: &UnixListener, holder: &Arc<Holder>, idle: Duration) {
    let mut calls = JoinSet::new();
    let mut idle_since = Instant::now();
    let mut called = false;
    loop {
        let connection = holder.established().await;
        if called && calls.is_empty() && connection.is_none() {
            return;
        }
        tokio::select! {
            accepted = listener.accept(), if calls.len() < CALLS_LIMIT => match accepted {
                Ok((stream, _)) => {
                    called = true;
                    calls.spawn(answer(Arc::clone(holder), stream));
                }
                // Out of descriptors: those of a call that ends will do.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = calls.join_next() => idle_since = Instant::now(),
            () = lost(connection.as_deref()), if calls.is_empty() => {}
            () = sleep_until(idle_since + idle), if calls.is_empty() => return,
        }
    }
}

async fn lost(connection: Option<&Connection>) {
    match connection {
        Some(connection) => connection.lost().await,
        None => std::future::pending().await,
    }
}

async fn answer(holder: Arc<Holder>, mut stream: UnixStream) {
    // A call that is killed while it asks is no call.
    if let Ok((request, stdio)) = message::receive_request(&mut stream).await
        && request.target.key() == holder.key
    {
        session::run(holder, request, stdio, stream).await;
    }
}

type Attempt = Shared<BoxFuture<'static, Result<Arc<Connection>, Arc<ConnectionError>>>>;

/// The connection, shared by all calls.
pub struct Holder {
    key: String,
    current: Mutex<Option<Attempt>>,
}

impl Holder {
    /// A channel for a call. A connection that turns out to be lost, does not answer any more, or takes no further call (the
    /// server limits those of a connection) is replaced once: the command has not been sent yet. Calls that run on the one
    /// that is replaced keep it, and it ends with the last of them.
    pub async fn channel(&self, target: &Target) -> Result<(Arc<Connection>, Channel<Msg>), ChannelError> {
        let mut result = Err(ChannelError::Lost(target.address, String::new()));
        for _ in 0..2 {
            let connection = self.connection(target).await?;
            result = match timeout(target.connect_timeout, connection.open_channel()).await {
                Ok(Ok(channel)) => return Ok((connection, channel)),
                Ok(Err(russh::Error::ChannelOpenFailure(_))) => Err(ChannelError::Refused(target.address)),
                Ok(Err(_)) => Err(ChannelError::Lost(target.address, connection.reason().to_owned())),
                Err(_) => Err(ChannelError::Lost(target.address, "it does not answer".to_owned())),
            };
            self.forget(&connection).await;
        }
        result
    }

    /// The connection that there is, or the one that all who ask now wait for. Connecting is a task of its own: it goes on
    /// when the call that started it is killed.
    async fn connection(&self, target: &Target) -> Result<Arc<Connection>, Arc<ConnectionError>> {
        let attempt = {
            let mut current = self.current.lock().await;
            let usable = current.take().filter(|attempt| match attempt.peek() {
                Some(Ok(connection)) => !connection.is_lost(),
                Some(Err(_)) => false,
                None => true,
            });
            current.insert(usable.unwrap_or_else(|| start(target.clone()))).clone()
        };
        attempt.await
    }

    async fn forget(&self, connection: &Arc<Connection>) {
        let mut current = self.current.lock().await;
        if matches!(current.as_ref().and_then(Shared::peek), Some(Ok(other)) if Arc::ptr_eq(other, connection)) {
            *current = None;
        }
    }

    /// Whether a call is not alone: each holds the holder, and so does the process itself.
    pub fn has_other_calls(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 2
    }

    /// The connection, if there is one that is not lost.
    async fn established(&self) -> Option<Arc<Connection>> {
        let current = self.current.lock().await;
        let connection = current.as_ref()?.peek()?.as_ref().ok()?;
        (!connection.is_lost()).then(|| Arc::clone(connection))
    }
}

fn start(target: Target) -> Attempt {
    let address = target.address;
    let task = tokio::spawn(async move { Connection::open(&target).await });
    async move {
        let opened = task.await.unwrap_or_else(|error| Err(ConnectionError::Handshake(address, error.to_string())));
        opened.map(Arc::new).map_err(Arc::new)
    }
    .boxed()
    .shared()
}
