//! One call, seen from the holder: a channel of the connection, joined to the caller's streams. Touches both.
//!
//! Everything is bounded: what the caller sends waits in its pipe while the sandbox's window is closed; what the sandbox
//! sends waits in a queue of 64 KiB, then in the channel's, then in the socket. That last step holds up all calls of
//! the connection, because russh opens the window again when data arrives, not when it is consumed. So a call whose output
//! nobody reads is ended when it has held up others for [`STALL_LIMIT`].

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::Connection;
use super::holder::{ChannelError, Holder};
use super::message::{self, End, Request, TRANSPORT_STATUS, Terminal};
use super::output::{Output, STALL_LIMIT};
use super::stdio::Stdio;

/// How many bytes are taken from the caller at once: what russh puts into one packet.
const PIECE: usize = 32 * 1024;

/// How long a sandbox may take to say that it started a command, or made a terminal. Longer than another call may hold the
/// answer up.
const ANSWER_LIMIT: Duration = Duration::from_secs(2 * STALL_LIMIT.as_secs());

/// How often it is looked at whether a call holds up others.
const STALL_CHECK: Duration = Duration::from_secs(1);

/// The number of standard error among a channel's extended streams.
const STANDARD_ERROR: u32 = 1;

/// Added to a signal's number.
const SIGNAL_BASE: u8 = 128;

/// What ends a call other than the remote command.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("the sandbox {0} refused to run the command")]
    Refused(SocketAddr),
    #[error("the sandbox {0} refused a terminal")]
    Terminal(SocketAddr),
    #[error("the sandbox {0} did not answer within {seconds} s", seconds = ANSWER_LIMIT.as_secs())]
    Unanswered(SocketAddr),
    #[error("the sandbox {0} ended the command without an exit status")]
    Statusless(SocketAddr),
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    #[error("nobody read the output for {seconds} s, which held up other calls", seconds = STALL_LIMIT.as_secs())]
    Unread,
}

/// Runs a call until it ends or the caller is gone.
pub async fn run(holder: Arc<Holder>, request: Request, stdio: [OwnedFd; 3], stream: UnixStream) {
    let (mut caller, mut reply) = stream.into_split();
    let result = tokio::select! {
        () = gone(&mut caller) => return,
        result = execute(&holder, &request, stdio, &mut reply) => result,
    };
    let end = match result {
        Ok(status) => End { status, message: String::new() },
        Err(error) => End { status: TRANSPORT_STATUS, message: error.to_string() },
    };
    // Nobody is left to tell if this fails.
    let _ = message::send_end(&mut reply, &end).await;
}

/// The caller says nothing after its request: whatever comes is its end.
async fn gone(caller: &mut OwnedReadHalf) {
    let _ = caller.read(&mut [0]).await;
}

async fn execute(
    holder: &Arc<Holder>,
    request: &Request,
    [input, output, error]: [OwnedFd; 3],
    reply: &mut OwnedWriteHalf,
) -> Result<u8, SessionError> {
    let input = Stdio::reader(input)?;
    let output = Output::new(output, error)?;
    let (connection, channel) = holder.channel(&request.target).await?;
    let (read, write) = channel.split();
    let write = Open { write: Arc::new(write), closed: false };
    let mut session = Session { address: request.target.address, connection, read, write };
    if let Some(terminal) = &request.terminal {
        session.make_terminal(terminal).await?;
    }
    message::send_begun(reply).await?;
    session.write.write.exec(true, request.command.as_bytes()).await.map_err(|_| session.lost())?;
    session.pump(holder, input, output).await
}

/// A channel and where it leads.
struct Session {
    address: SocketAddr,
    connection: Arc<Connection>,
    read: ChannelReadHalf,
    write: Open,
}

/// The writing half of a channel, which ends the remote command when the call ends before it: by a signal too, because a
/// command that neither reads nor writes does not notice that its channel is gone.
struct Open {
    write: Arc<ChannelWriteHalf<Msg>>,
    closed: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.closed {
            let write = Arc::clone(&self.write);
            tokio::spawn(async move {
                let _ = write.signal(Sig::TERM).await;
                let _ = write.close().await;
            });
        }
    }
}

/// What is known of the remote command.
#[derive(Default)]
struct Remote {
    started: bool,
    status: Option<u8>,
    /// Nothing more comes.
    over: bool,
}

impl Session {
    async fn make_terminal(&mut self, terminal: &Terminal) -> Result<(), SessionError> {
        let (columns, rows) = (terminal.columns.into(), terminal.rows.into());
        let asked = self.write.write.request_pty(true, &terminal.name, columns, rows, 0, 0, &[]).await;
        asked.map_err(|_| self.lost())?;
        let answer = async {
            loop {
                match self.read.wait().await {
                    Some(ChannelMsg::Success) => return Some(true),
                    Some(ChannelMsg::Failure) => return Some(false),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        match timeout(ANSWER_LIMIT, answer).await {
            Ok(Some(true)) => Ok(()),
            Ok(Some(false)) => Err(SessionError::Terminal(self.address)),
            Ok(None) => Err(self.lost()),
            Err(_) => Err(SessionError::Unanswered(self.address)),
        }
    }

    /// Moves bytes until the remote command has ended and all its output is written.
    async fn pump(&mut self, holder: &Arc<Holder>, input: Stdio, mut output: Output) -> Result<u8, SessionError> {
        let write = Arc::clone(&self.write.write);
        let mut feeding = pin!(feed(input, &write).fuse());
        let mut remote = Remote::default();
        let answer_limit = Instant::now() + ANSWER_LIMIT;
        while !remote.over || !output.is_empty() {
            tokio::select! {
                message = self.read.wait(), if !remote.over && output.has_room() => {
                    self.take(message, &mut remote, &mut output)?;
                }
                written = output.write() => written?,
                () = &mut feeding => {}
                () = sleep_until(answer_limit), if !remote.started => {
                    return Err(SessionError::Unanswered(self.address));
                }
                () = sleep(STALL_CHECK), if !output.has_room() => {
                    if output.is_stalled() && holder.has_other_calls() {
                        return Err(SessionError::Unread);
                    }
                }
            }
        }
        match remote.status {
            Some(status) => Ok(status),
            None if self.write.closed => Err(SessionError::Statusless(self.address)),
            None => Err(self.lost()),
        }
    }

    fn take(
        &mut self,
        message: Option<ChannelMsg>,
        remote: &mut Remote,
        output: &mut Output,
    ) -> Result<(), SessionError> {
        match message {
            Some(ChannelMsg::Success) => remote.started = true,
            Some(ChannelMsg::Failure) if !remote.started => return Err(SessionError::Refused(self.address)),
            Some(ChannelMsg::Data { data }) => output.normal.push(data),
            Some(ChannelMsg::ExtendedData { data, ext: STANDARD_ERROR }) => output.error.push(data),
            Some(ChannelMsg::Eof) => output.finish(),
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                remote.status = Some(u8::try_from(exit_status).unwrap_or(TRANSPORT_STATUS));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => remote.status = Some(signal_status(&signal_name)),
            Some(ChannelMsg::Close) => {
                self.write.closed = true;
                remote.over = true;
            }
            None => remote.over = true,
            Some(_) => {}
        }
        // A server that sends output before its answer has answered.
        remote.started |= remote.over || !output.is_empty();
        output.note_room();
        Ok(())
    }

    fn lost(&self) -> SessionError {
        ChannelError::Lost(self.address, self.connection.reason().to_owned()).into()
    }
}

/// Sends what the caller writes, as far as the window allows, and its end.
async fn feed(input: Stdio, write: &ChannelWriteHalf<Msg>) {
    loop {
        let mut piece = vec![0; PIECE];
        // A terminal that is gone says so by an error: nothing more comes either.
        let read = input.read(&mut piece).await.unwrap_or(0);
        if read == 0 {
            break;
        }
        piece.truncate(read);
        if write.data_bytes(piece).await.is_err() {
            return;
        }
    }
    let _ = write.eof().await;
}

/// The status that a shell gives a command which a signal ended; OpenSSH's 255 would look like a lost connection.
fn signal_status(signal: &Sig) -> u8 {
    let number = match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::USR1 => 10,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        Sig::Custom(_) => TRANSPORT_STATUS - SIGNAL_BASE,
    };
    SIGNAL_BASE + number
}
