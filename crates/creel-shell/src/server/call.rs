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

use super::calls::{Calls, Running};
use super::program::{Control, Environment, Input, Program, Started, Terminal};
use super::stdin::{self, Inlet, Outlet, Overrun};
use super::{log, signal};

/// Read from a program at once; also the usual size of a packet.
const CHUNK: usize = 32 * 1024;

/// Signals and sizes that may wait; more are dropped.
const EVENTS: usize = 16;

/// The number of SSH's extended data that stands for standard error (RFC 4254, 5.2).
const STDERR: u32 = 1;

/// A shell's status for a command that was found and could not be run.
pub const CANNOT_RUN: u32 = 126;

/// The server's side of a channel.
pub struct Line {
    pub channel: ChannelWriteHalf<Msg>,
    pub session: Handle,
}

/// What happens to a running call from outside.
pub enum Event {
    Signal(Signal),
    Resize(Winsize),
}

/// A running call; when it is dropped, its program is ended.
pub struct Call {
    input: Inlet,
    events: mpsc::Sender<Event>,
}

/// What a call needs to start.
pub struct Setup {
    pub program: Program,
    pub terminal: Option<Terminal>,
    pub environment: Environment,
}

impl Call {
    /// Starts a call in the background. `drained` is told whenever its program has read some input.
    #[must_use]
    pub fn start(setup: Setup, line: Line, calls: Calls, running: Running, drained: Arc<Notify>) -> Self {
        let (input, outlet) = stdin::pipe(drained);
        let (events, inbox) = mpsc::channel(EVENTS);
        tokio::spawn(async move {
            let began = Instant::now();
            let outcome = run(&setup, &line, outlet, inbox, &calls).await;
            log::event(format_args!("call {outcome} after {} ms", began.elapsed().as_millis()));
            drop(running);
        });
        Self { input, events }
    }

    pub fn push(&self, data: &[u8]) -> Result<(), Overrun> {
        self.input.push(data)
    }

    pub fn end_input(&self) {
        self.input.end();
    }

    /// Bytes that wait for the program; none once it has ended.
    #[must_use]
    pub fn waiting(&self) -> usize {
        if self.has_ended() { 0 } else { self.input.waiting() }
    }

    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.events.is_closed()
    }

    pub fn send(&self, event: Event) {
        let _ = self.events.try_send(event);
    }
}

/// Says `message` on standard error, and that the call ended with `status`.
pub async fn answer(line: &Line, status: u32, message: &str) {
    let _ = line.channel.extended_data_bytes(STDERR, message.as_bytes().to_vec()).await;
    let _ = line.channel.exit_status(status).await;
    let _ = line.channel.eof().await;
    let _ = line.channel.close().await;
}

async fn run(setup: &Setup, line: &Line, input: Outlet, inbox: mpsc::Receiver<Event>, calls: &Calls) -> String {
    let started = setup.program.start(setup.terminal.as_ref(), &setup.environment);
    let (mut started, control) = match started.and_then(|started| started.control().map(|control| (started, control))) {
        Ok(both) => both,
        Err(error) => {
            answer(line, CANNOT_RUN, &format!("creel-shell: /bin/sh cannot be started: {error}\n")).await;
            return format!("could not be started: {error}");
        }
    };
    let feed = feed(input, started.input.take());
    let (output, errors) = (started.output.take(), started.errors.take());
    let reason = tokio::select! {
        status = relay(&mut started, line, output, errors) => return describe(status),
        reason = left(inbox, &control, calls) => reason,
        never = feed => match never {},
    };
    started.hang_up().await;
    let _ = line.channel.close().await;
    reason.to_owned()
}

/// Moves the output and tells how the program ended. The status does not wait for the output, which may be held open for
/// longer by what the program leaves behind. The end of the output does wait for the status: a client whose input has
/// ended, too, closes the channel at that, and would never get it.
async fn relay(started: &mut Started, line: &Line, output: Source, errors: Source) -> io::Result<ExitStatus> {
    let outputs = async { tokio::join!(pump(output, line, None), pump(errors, line, Some(STDERR))) };
    let ended = async {
        let status = started.wait().await;
        if let Ok(status) = status {
            report(status, line).await;
        }
        status
    };
    let (_, status) = tokio::join!(outputs, ended);
    let _ = line.channel.eof().await;
    let _ = line.channel.close().await;
    status
}

type Source = Option<Box<dyn AsyncRead + Send + Unpin>>;

/// Moves one output until its end. The channel takes no more than the client's window, and the program waits.
async fn pump(from: Source, line: &Line, kind: Option<u32>) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; CHUNK];
    // A terminal without a program on it answers with an error, where a pipe has an end.
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let data = buffer[..length].to_vec();
        let sent = match kind {
            None => line.channel.data_bytes(data).await,
            Some(kind) => line.channel.extended_data_bytes(kind, data).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Moves the input until its end. A program that no longer reads must not keep its client from sending: the rest is
/// thrown away.
async fn feed(from: Outlet, to: Option<Input>) -> Infallible {
    let mut to = to;
    while let Some(data) = from.next().await {
        if let Some(input) = &mut to
            && input.write(&data).await.is_err()
        {
            to = None;
        }
    }
    if let Some(input) = to {
        input.end().await;
    }
    pending().await
}

/// Does what the client asks for until it leaves or the server ends; says which.
async fn left(mut inbox: mpsc::Receiver<Event>, control: &Control, calls: &Calls) -> &'static str {
    let gone = async {
        while let Some(event) = inbox.recv().await {
            match event {
                Event::Signal(signal) => control.signal(signal),
                Event::Resize(size) => control.resize(size),
            }
        }
    };
    tokio::select! {
        () = gone => "was left by its client and was ended",
        () = calls.hung_up() => "was ended with the server",
    }
}

async fn report(status: ExitStatus, line: &Line) {
    let _ = match (status.code(), status.signal()) {
        (_, Some(signal)) => {
            let name = signal::name(signal);
            line.session
                .exit_signal_request(line.channel.id(), name, status.core_dumped(), String::new(), String::new())
                .await
        }
        (code, None) => {
            let code = code.and_then(|code| u32::try_from(code).ok()).unwrap_or(u32::MAX);
            line.channel.exit_status(code).await.map_err(drop)
        }
    };
}

fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("ended ({status})"),
        Err(error) => format!("was lost: {error}"),
    }
}
