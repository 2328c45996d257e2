//! One call in the mux master: a channel of the connection, joined to the standard streams of the client. Touches both.
//!
//! Everything is bounded. Input that the sandbox does not accept stays in the client's pipe. Output that the client does not read is
//! queued, up to 64 KiB, then in the channel's buffer, then in the socket. The last step blocks all calls of the connection, because
//! russh enlarges the window when data arrives, not when it is read. So a call whose output is not read is ended when it has delayed
//! other calls for the stall timeout.

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
use super::mux_master::{ChannelError, Master};
use super::mux_protocol::{self, Exit, Request, TRANSPORT_STATUS, Terminal};
use super::output::Output;
use super::stdio::Stdio;

/// How many bytes of input are read at once: the size of a packet in russh.
const READ_SIZE: usize = 32 * 1024;

/// How often to check whether a call delays others.
const STALL_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The extended data type of standard error (RFC 4254, section 5.2).
const STDERR: u32 = 1;

/// A shell adds this to the number of the signal that ended a program.
const SIGNAL_BASE: u8 = 128;

/// Why a call ended without an exit status of the remote command.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("the sandbox {0} refused to run the command")]
    CommandRefused(SocketAddr),
    #[error("the sandbox {0} refused to open a terminal")]
    TerminalRefused(SocketAddr),
    #[error("the sandbox {0} did not reply within {seconds} s", seconds = .1.as_secs())]
    NoReply(SocketAddr, Duration),
    #[error("the sandbox {0} ended the command without an exit status")]
    NoExitStatus(SocketAddr),
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    #[error("the output was not read for {seconds} s, which delayed other calls", seconds = .0.as_secs())]
    Stalled(Duration),
}

/// Runs a call until it ends or its client has gone away.
pub async fn run(master: Arc<Master>, request: Request, stdio: [OwnedFd; 3], stream: UnixStream) {
    let (mut client, mut reply) = stream.into_split();
    let result = tokio::select! {
        () = gone(&mut client) => return,
        result = execute(&master, &request, stdio, &mut reply) => result,
    };
    let exit = match result {
        Ok(status) => Exit { status, message: String::new() },
        Err(error) => Exit { status: TRANSPORT_STATUS, message: error.to_string() },
    };
    // If this fails, the client has gone away and needs no reply.
    let _ = mux_protocol::send_exit(&mut reply, &exit).await;
}

/// A client sends nothing after its request, so reading returns when it is gone.
async fn gone(client: &mut OwnedReadHalf) {
    let _ = client.read(&mut [0]).await;
}

async fn execute(
    master: &Arc<Master>,
    request: &Request,
    [stdin, stdout, stderr]: [OwnedFd; 3],
    reply: &mut OwnedWriteHalf,
) -> Result<u8, SessionError> {
    let input = Stdio::reader(stdin)?;
    let output = Output::new(stdout, stderr)?;
    let (connection, channel) = master.open_channel(&request.target).await?;
    let (read, write) = channel.split();
    let mut session = Session {
        address: request.target.address,
        stall_timeout: master.stall_timeout,
        connection,
        read,
        write: CommandGuard { channel: Arc::new(write), closed: false },
    };
    if let Some(terminal) = &request.terminal {
        session.open_terminal(terminal).await?;
    }
    mux_protocol::send_started(reply).await?;
    session.write.channel.exec(true, request.command.as_bytes()).await.map_err(|_| session.lost())?;
    session.relay(master, input, output).await
}

/// A channel and its connection.
struct Session {
    address: SocketAddr,
    stall_timeout: Duration,
    connection: Arc<Connection>,
    read: ChannelReadHalf,
    write: CommandGuard,
}

/// The writing half of a channel. Ends the remote command if the call ends first: with a signal too, because a command that neither
/// reads nor writes does not notice that its channel is closed.
struct CommandGuard {
    channel: Arc<ChannelWriteHalf<Msg>>,
    closed: bool,
}

impl Drop for CommandGuard {
    fn drop(&mut self) {
        if !self.closed {
            let channel = Arc::clone(&self.channel);
            tokio::spawn(async move {
                let _ = channel.signal(Sig::TERM).await;
                let _ = channel.close().await;
            });
        }
    }
}

/// The state of the remote command.
#[derive(Default)]
struct RemoteCommand {
    started: bool,
    status: Option<u8>,
    channel_closed: bool,
}

impl Session {
    /// How long the sandbox may take to reply to a request: longer than another call may delay the reply.
    fn reply_timeout(&self) -> Duration {
        2 * self.stall_timeout
    }

    async fn open_terminal(&mut self, terminal: &Terminal) -> Result<(), SessionError> {
        let (columns, rows) = (terminal.columns.into(), terminal.rows.into());
        let request = self.write.channel.request_pty(true, &terminal.name, columns, rows, 0, 0, &[]).await;
        request.map_err(|_| self.lost())?;
        let reply_timeout = self.reply_timeout();
        let reply = async {
            loop {
                match self.read.wait().await {
                    Some(ChannelMsg::Success) => return Some(true),
                    Some(ChannelMsg::Failure) => return Some(false),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        match timeout(reply_timeout, reply).await {
            Ok(Some(true)) => Ok(()),
            Ok(Some(false)) => Err(SessionError::TerminalRefused(self.address)),
            Ok(None) => Err(self.lost()),
            Err(_) => Err(SessionError::NoReply(self.address, reply_timeout)),
        }
    }

    /// Copies input and output until the remote command has ended and all its output is written.
    async fn relay(&mut self, master: &Arc<Master>, input: Stdio, mut output: Output) -> Result<u8, SessionError> {
        let channel = Arc::clone(&self.write.channel);
        let mut sending = pin!(send_input(input, &channel).fuse());
        let mut command = RemoteCommand::default();
        let reply_timeout = self.reply_timeout();
        let reply_deadline = Instant::now() + reply_timeout;
        while !command.channel_closed || !output.is_empty() {
            tokio::select! {
                message = self.read.wait(), if !command.channel_closed && output.has_room() => {
                    self.handle(message, &mut command, &mut output)?;
                }
                written = output.write() => written?,
                () = &mut sending => {}
                () = sleep_until(reply_deadline), if !command.started => {
                    return Err(SessionError::NoReply(self.address, reply_timeout));
                }
                () = sleep(STALL_CHECK_INTERVAL), if !output.has_room() => {
                    if output.is_stalled_for(self.stall_timeout) && master.has_other_calls() {
                        return Err(SessionError::Stalled(self.stall_timeout));
                    }
                }
            }
        }
        match command.status {
            Some(status) => Ok(status),
            None if self.write.closed => Err(SessionError::NoExitStatus(self.address)),
            None => Err(self.lost()),
        }
    }

    fn handle(
        &mut self,
        message: Option<ChannelMsg>,
        command: &mut RemoteCommand,
        output: &mut Output,
    ) -> Result<(), SessionError> {
        match message {
            Some(ChannelMsg::Success) => command.started = true,
            Some(ChannelMsg::Failure) if !command.started => return Err(SessionError::CommandRefused(self.address)),
            Some(ChannelMsg::Data { data }) => output.stdout.push(data),
            Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => output.stderr.push(data),
            Some(ChannelMsg::Eof) => output.finish(),
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                command.status = Some(u8::try_from(exit_status).unwrap_or(TRANSPORT_STATUS));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => command.status = Some(signal_status(&signal_name)),
            Some(ChannelMsg::Close) => {
                self.write.closed = true;
                command.channel_closed = true;
            }
            None => command.channel_closed = true,
            Some(_) => {}
        }
        // A server may send output without replying to the request first.
        command.started |= command.channel_closed || !output.is_empty();
        output.note_fill_level();
        Ok(())
    }

    fn lost(&self) -> SessionError {
        ChannelError::Lost(self.address, self.connection.close_reason().to_owned()).into()
    }
}

/// Sends the input as far as the window allows, then its end.
async fn send_input(input: Stdio, channel: &ChannelWriteHalf<Msg>) {
    loop {
        let mut data = vec![0; READ_SIZE];
        // Reading from a terminal that is gone fails, and means the end as well.
        let length = input.read(&mut data).await.unwrap_or(0);
        if length == 0 {
            break;
        }
        data.truncate(length);
        if channel.data_bytes(data).await.is_err() {
            return;
        }
    }
    let _ = channel.eof().await;
}

/// The exit status that a shell reports for a command that a signal ended. OpenSSH's 255 would look like a lost connection.
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
