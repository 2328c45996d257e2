//! One call, seen from the process that OpenClaw starts: it hands its streams to the holder of the connection and waits for
//! the end. Touches its files, the socket of the holder and its terminal.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::stdio::{dup2_stdin, dup2_stdout};

use super::arguments::{self, Arguments, ArgumentsError};
use super::message::{self, End, Reply, Request};
use super::rendezvous::{Rendezvous, RendezvousError};
use super::target::{Target, TargetError};
use super::terminal::{self, Raw};

/// How often a call looks for a holder. The one it found first may be about to end; the second is new.
const ATTEMPTS: usize = 3;

/// What the holder may take beyond connecting twice before it sends the command.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a call has no end.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    #[error("the background process that holds the connection cannot be asked: {0}")]
    Socket(#[source] io::Error),
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[source] io::Error),
    #[error("the background process that holds the connection does not answer; is it stopped?")]
    Silent,
    #[error("the background process that holds the connection ended {ATTEMPTS} times before it sent the command")]
    Unstarted,
    #[error("the background process that holds the connection ended in the middle of the call")]
    Abandoned,
}

/// Makes the call.
pub fn call(arguments: Vec<OsString>) -> Result<End, CallError> {
    let Arguments { configuration, terminal, host, command } = arguments::parse(arguments)?;
    let target = Target::read(&configuration, &host)?;
    let patience = PATIENCE + 2 * target.connect_timeout;
    let key = target.key();
    let request = Request { target, command, terminal: terminal.then(terminal::describe) };
    let rendezvous = Rendezvous::of_this_user()?;
    for _ in 0..ATTEMPTS {
        let Some(stream) = rendezvous.reach(&key)? else { continue };
        match ask(&stream, &request, patience)? {
            Reply::Begun => return wait(&stream, terminal),
            Reply::Ended(end) => return Ok(end),
            Reply::Nothing => {}
        }
    }
    Err(CallError::Unstarted)
}

fn ask(stream: &UnixStream, request: &Request, patience: Duration) -> Result<Reply, CallError> {
    match message::send_request(stream, request) {
        // A holder that has just ended.
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
            return Ok(Reply::Nothing);
        }
        sent => sent.map_err(CallError::Socket)?,
    }
    stream.set_read_timeout(Some(patience)).map_err(CallError::Socket)?;
    match message::receive_reply(stream) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Err(CallError::Silent)
        }
        reply => reply.map_err(CallError::Socket),
    }
}

/// Waits for the end of a call that has begun. Meanwhile standard input and output belong to the holder alone, so that
/// whoever reads the output sees its end when the remote command closes it.
fn wait(stream: &UnixStream, terminal: bool) -> Result<End, CallError> {
    let _raw = if terminal { Raw::of_standard_input().map_err(CallError::Terminal)? } else { None };
    let nothing = File::options().read(true).write(true).open("/dev/null").map_err(CallError::Socket)?;
    dup2_stdin(&nothing).and_then(|()| dup2_stdout(&nothing)).map_err(|error| CallError::Socket(error.into()))?;
    stream.set_read_timeout(None).map_err(CallError::Socket)?;
    match message::receive_reply(stream).map_err(CallError::Socket)? {
        Reply::Ended(end) => Ok(end),
        Reply::Begun | Reply::Nothing => Err(CallError::Abandoned),
    }
}
