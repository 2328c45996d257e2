//! One call, in the process that OpenClaw starts: it passes its standard streams to the mux master and waits for the exit status.
//! Touches its files, the control socket and its terminal.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::stdio::{dup2_stdin, dup2_stdout};

use super::arguments::{self, Arguments, ArgumentsError};
use super::control_socket::{ControlDirectory, ControlSocketError};
use super::mux_protocol::{self, Exit, Reply, Request};
use super::target::{Target, TargetError};
use super::terminal::{self, RawMode};

/// How often to look for a mux master. The first one may be about to exit; the second one is new.
const ATTEMPTS: usize = 3;

/// How long the mux master may take to send the command, in addition to connecting twice.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a call has no exit status.
#[derive(Debug, thiserror::Error)]
pub enum MuxClientError {
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    ControlSocket(#[from] ControlSocketError),
    #[error("cannot communicate with the background process that holds the connection: {0}")]
    Socket(#[source] io::Error),
    #[error("cannot use the terminal: {0}")]
    Terminal(#[source] io::Error),
    #[error("the background process that holds the connection does not reply; is it stopped?")]
    NoReply,
    #[error("the background process that holds the connection exited {ATTEMPTS} times before it sent the command")]
    NotStarted,
    #[error("the background process that holds the connection exited during the call")]
    MasterExited,
}

/// Runs the call.
pub fn run(arguments: Vec<OsString>) -> Result<Exit, MuxClientError> {
    let Arguments { config, terminal, host, command } = arguments::parse(arguments)?;
    let target = Target::read(&config, &host)?;
    let timeout = START_TIMEOUT + 2 * target.connect_timeout;
    let id = target.connection_id();
    let request = Request { target, command, terminal: terminal.then(terminal::describe) };
    let directory = ControlDirectory::of_this_user()?;
    for _ in 0..ATTEMPTS {
        let Some(stream) = directory.connect_or_start(&id)? else { continue };
        match start(&stream, &request, timeout)? {
            Reply::Started => return wait(&stream, terminal),
            Reply::Exited(exit) => return Ok(exit),
            Reply::Closed => {}
        }
    }
    Err(MuxClientError::NotStarted)
}

fn start(stream: &UnixStream, request: &Request, timeout: Duration) -> Result<Reply, MuxClientError> {
    match mux_protocol::send_request(stream, request) {
        // The mux master has just exited.
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
            return Ok(Reply::Closed);
        }
        sent => sent.map_err(MuxClientError::Socket)?,
    }
    stream.set_read_timeout(Some(timeout)).map_err(MuxClientError::Socket)?;
    match mux_protocol::receive_reply(stream) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Err(MuxClientError::NoReply)
        }
        reply => reply.map_err(MuxClientError::Socket),
    }
}

/// Waits for the end of a call that has started. Meanwhile only the mux master has standard input and output open, so that the reader
/// of the output sees its end when the remote command closes it.
fn wait(stream: &UnixStream, terminal: bool) -> Result<Exit, MuxClientError> {
    let _raw_mode = if terminal { RawMode::of_standard_input().map_err(MuxClientError::Terminal)? } else { None };
    let null = File::options().read(true).write(true).open("/dev/null").map_err(MuxClientError::Socket)?;
    dup2_stdin(&null).and_then(|()| dup2_stdout(&null)).map_err(|error| MuxClientError::Socket(error.into()))?;
    stream.set_read_timeout(None).map_err(MuxClientError::Socket)?;
    match mux_protocol::receive_reply(stream).map_err(MuxClientError::Socket)? {
        Reply::Exited(exit) => Ok(exit),
        Reply::Started | Reply::Closed => Err(MuxClientError::MasterExited),
    }
}
