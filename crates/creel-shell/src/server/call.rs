//! One call: a program whose input and output are an SSH channel. Touches the channel and the program.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

use russh::ChannelWriteHalf;
use russh::server::{Handle, Msg};
use rustix::process::Signal;
use rustix::termios::Winsize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Notify, mpsc};

use super::calls::{Calls, RunningCall};
use super::program::{Environment, Process, ProcessControl, Program, Stdin, Terminal};
use super::signal;
use super::stdin::{self, Receiver, Sender, WindowExceeded};
use crate::log;

/// Read from a program at once; also the usual size of a packet.
const READ_SIZE: usize = 32 * 1024;

/// Signals and window sizes that may be queued; more are dropped.
const EVENT_QUEUE: usize = 16;

/// The extended data type of standard error (RFC 4254, section 5.2).
const STDERR: u32 = 1;

/// The exit status of a shell for a command that exists and cannot be executed.
pub const CANNOT_EXECUTE: u32 = 126;

/// The server's side of a channel.
pub struct ReplyChannel {
    pub channel: ChannelWriteHalf<Msg>,
    pub session: Handle,
}

/// What a client can request for a running call.
pub enum Event {
    Signal(Signal),
    Resize(Winsize),
}

/// A running call. Dropping it ends its program.
pub struct Call {
    input: Sender,
    events: mpsc::Sender<Event>,
}

/// What a call runs.
pub struct CallRequest {
    pub program: Program,
    pub terminal: Option<Terminal>,
    pub environment: Environment,
}

impl Call {
    /// Starts a call in the background. `input_consumed` is notified each time its program has read input.
    #[must_use]
    pub fn start(
        request: CallRequest,
        reply: ReplyChannel,
        calls: Calls,
        running: RunningCall,
        input_consumed: Arc<Notify>,
    ) -> Self {
        let (input, receiver) = stdin::channel(input_consumed);
        let (events, event_queue) = mpsc::channel(EVENT_QUEUE);
        tokio::spawn(async move {
            let started = Instant::now();
            let outcome = run(&request, &reply, receiver, event_queue, &calls).await;
            log::event(format_args!("call {outcome} after {} ms", started.elapsed().as_millis()));
            drop(running);
        });
        Self { input, events }
    }

    pub fn send_input(&self, data: &[u8]) -> Result<(), WindowExceeded> {
        self.input.send(data)
    }

    pub fn end_input(&self) {
        self.input.end();
    }

    /// Bytes of input that the program has not read yet; none after it has ended.
    #[must_use]
    pub fn buffered_input(&self) -> usize {
        if self.has_ended() { 0 } else { self.input.buffered() }
    }

    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.events.is_closed()
    }

    pub fn send_event(&self, event: Event) {
        let _ = self.events.try_send(event);
    }
}

/// Replies with a message on standard error and an exit status, in place of a program.
pub async fn reply_without_running(reply: &ReplyChannel, status: u32, message: &str) {
    let _ = reply.channel.extended_data_bytes(STDERR, message.as_bytes().to_vec()).await;
    let _ = reply.channel.exit_status(status).await;
    let _ = reply.channel.eof().await;
    let _ = reply.channel.close().await;
}

/// Runs the program until it ends, its client goes away or the server ends it. Returns the outcome for the log.
async fn run(
    request: &CallRequest,
    reply: &ReplyChannel,
    input: Receiver,
    events: mpsc::Receiver<Event>,
    calls: &Calls,
) -> String {
    let started = request.program.start(request.terminal.as_ref(), &request.environment);
    let (mut process, control) = match started.and_then(|process| process.control().map(|control| (process, control))) {
        Ok(both) => both,
        Err(error) => {
            let message = format!("creel-shell: cannot start /bin/sh: {error}\n");
            reply_without_running(reply, CANNOT_EXECUTE, &message).await;
            return format!("failed: cannot start /bin/sh: {error}");
        }
    };
    let copy_input = copy_input(input, process.stdin.take());
    let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
    let reason = tokio::select! {
        status = relay(&mut process, reply, stdout, stderr) => return describe(status),
        reason = interrupted(events, &control, calls) => reason,
        never = copy_input => match never {},
    };
    process.hang_up().await;
    let _ = reply.channel.close().await;
    reason.to_owned()
}

/// Copies the output and reports how the program ended. The status is sent without waiting for the output, which background processes
/// of the program may hold open for longer. The end of the output is sent after the status: a client whose input has ended, too, closes
/// the channel at that point and would not get the status.
async fn relay(process: &mut Process, reply: &ReplyChannel, stdout: Output, stderr: Output) -> io::Result<ExitStatus> {
    let outputs = async { tokio::join!(copy_output(stdout, reply, None), copy_output(stderr, reply, Some(STDERR))) };
    let ended = async {
        let status = process.wait().await;
        if let Ok(status) = status {
            send_status(status, reply).await;
        }
        status
    };
    let (_, status) = tokio::join!(outputs, ended);
    let _ = reply.channel.eof().await;
    let _ = reply.channel.close().await;
    status
}

type Output = Option<Box<dyn AsyncRead + Send + Unpin>>;

/// Copies one output until its end. The channel accepts no more than the client's window allows; meanwhile the program waits.
async fn copy_output(from: Output, reply: &ReplyChannel, extended_type: Option<u32>) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; READ_SIZE];
    // Where a pipe ends, reading from a terminal without a program on it fails.
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let data = buffer[..length].to_vec();
        let sent = match extended_type {
            None => reply.channel.data_bytes(data).await,
            Some(extended_type) => reply.channel.extended_data_bytes(extended_type, data).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Copies the input until its end. If the program no longer reads, the rest is dropped, so that the client can send it.
async fn copy_input(from: Receiver, to: Option<Stdin>) -> Infallible {
    let mut to = to;
    while let Some(data) = from.receive().await {
        if let Some(stdin) = &mut to
            && stdin.write(&data).await.is_err()
        {
            to = None;
        }
    }
    if let Some(stdin) = to {
        stdin.end().await;
    }
    pending().await
}

/// Handles the client's requests until the client goes away or the server ends the call. Returns which.
async fn interrupted(mut events: mpsc::Receiver<Event>, control: &ProcessControl, calls: &Calls) -> &'static str {
    let client_gone = async {
        while let Some(event) = events.recv().await {
            match event {
                Event::Signal(signal) => control.signal(signal),
                Event::Resize(size) => control.resize(size),
            }
        }
    };
    tokio::select! {
        () = client_gone => "ended: the client has gone away",
        () = calls.hung_up() => "ended: the server is stopping",
    }
}

async fn send_status(status: ExitStatus, reply: &ReplyChannel) {
    let _ = match (status.code(), status.signal()) {
        (_, Some(signal)) => {
            let name = signal::name(signal);
            reply
                .session
                .exit_signal_request(reply.channel.id(), name, status.core_dumped(), String::new(), String::new())
                .await
        }
        (code, None) => {
            let code = code.and_then(|code| u32::try_from(code).ok()).unwrap_or(u32::MAX);
            reply.channel.exit_status(code).await.map_err(drop)
        }
    };
}

fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("ended: {status}"),
        Err(error) => format!("failed: cannot wait for its program: {error}"),
    }
}
