//! Starts what a call asks for and ends it with all that it started. Touches processes and terminals.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use rustix::termios::{LocalModes, SpecialCodeIndex, Winsize, tcgetattr, tcsetwinsize};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

/// What a call runs; both with `/bin/sh`, as there is no user whose shell could be looked up.
pub enum Program {
    Shell,
    Command(Vec<u8>),
}

/// The terminal that a client asks for.
pub struct Terminal {
    /// The value of `TERM`.
    pub kind: String,
    pub size: Winsize,
}

/// The parts of a program's environment that a call brings along.
pub type Environment = Vec<(String, String)>;

/// Between SIGHUP and SIGKILL.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked whether a process group is gone; the kernel tells that only of children.
const LOOK: Duration = Duration::from_millis(50);

/// A started program, the leader of a process group of its own.
pub struct Started {
    child: Child,
    group: Pid,
    terminal: Option<OwnedFd>,
    /// Taken by whoever moves the bytes.
    pub input: Option<Input>,
    pub output: Option<Box<dyn AsyncRead + Send + Unpin>>,
    pub errors: Option<Box<dyn AsyncRead + Send + Unpin>>,
}

/// A program's standard input.
pub struct Input {
    pipe: Box<dyn AsyncWrite + Send + Unpin>,
    terminal: Option<OwnedFd>,
}

impl Input {
    pub async fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.pipe.write_all(data).await
    }

    /// Ends the input. On a terminal that is what the user types for it, and only where lines are edited: in raw mode it
    /// would be data.
    pub async fn end(mut self) {
        let Some(attributes) = self.terminal.as_ref().and_then(|terminal| tcgetattr(terminal).ok()) else {
            return;
        };
        if attributes.local_modes.contains(LocalModes::ICANON) {
            let _ = self.pipe.write_all(&[attributes.special_codes[SpecialCodeIndex::VEOF]]).await;
        }
    }
}

impl Program {
    fn arguments(&self) -> Vec<&OsStr> {
        match self {
            Self::Shell => Vec::new(),
            Self::Command(command) => vec![OsStr::new("-c"), OsStr::from_bytes(command)],
        }
    }

    /// Starts the program, with pipes or on a terminal.
    pub fn start(&self, terminal: Option<&Terminal>, environment: &Environment) -> io::Result<Started> {
        match terminal {
            None => self.start_with_pipes(environment),
            Some(terminal) => self.start_on(terminal, environment),
        }
    }

    fn start_with_pipes(&self, environment: &Environment) -> io::Result<Started> {
        let mut child = tokio::process::Command::new(SHELL)
            .args(self.arguments())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().map(|pipe| Input { pipe: Box::new(pipe), terminal: None });
        let output = child.stdout.take().map(boxed);
        let errors = child.stderr.take().map(boxed);
        Ok(Started { group: group(&child)?, child, terminal: None, input, output, errors })
    }

    fn start_on(&self, terminal: &Terminal, environment: &Environment) -> io::Result<Started> {
        let (pty, inside) = pty_process::open().map_err(io::Error::other)?;
        tcsetwinsize(&pty, terminal.size)?;
        let child = pty_process::Command::new(SHELL)
            .args(self.arguments())
            .env("TERM", &terminal.kind)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true)
            .spawn(inside)
            .map_err(io::Error::other)?;
        let control = pty.as_fd().try_clone_to_owned()?;
        let (output, input) = pty.into_split();
        let input = Input { pipe: Box::new(input), terminal: Some(control.try_clone()?) };
        Ok(Started {
            group: group(&child)?,
            child,
            terminal: Some(control),
            input: Some(input),
            output: Some(boxed(output)),
            errors: None,
        })
    }
}

const SHELL: &str = "/bin/sh";

fn boxed(from: impl AsyncRead + Send + Unpin + 'static) -> Box<dyn AsyncRead + Send + Unpin> {
    Box::new(from)
}

fn group(child: &Child) -> io::Result<Pid> {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    id.ok_or_else(|| io::Error::other("the program has ended before it began"))
}

impl Started {
    /// Waits until the program itself ends; what it started may go on.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// What signals and sizes are sent to while someone waits.
    pub fn control(&self) -> io::Result<Control> {
        Ok(Control { group: self.group, terminal: self.terminal.as_ref().map(OwnedFd::try_clone).transpose()? })
    }

    /// Ends the whole process group: SIGHUP, and SIGKILL if that is not enough.
    pub async fn hang_up(mut self) {
        // The processes of a terminal are told by its end, also those in groups of their own.
        drop((self.terminal.take(), self.input.take(), self.output.take(), self.errors.take()));
        let _ = kill_process_group(self.group, Signal::HUP);
        let deadline = Instant::now() + PATIENCE;
        let _ = timeout(PATIENCE, self.child.wait()).await;
        while test_kill_process_group(self.group).is_ok() && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait().await;
    }
}

/// A running program's process group and terminal.
pub struct Control {
    group: Pid,
    terminal: Option<OwnedFd>,
}

impl Control {
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }

    pub fn resize(&self, size: Winsize) {
        if let Some(terminal) = &self.terminal {
            let _ = tcsetwinsize(terminal, size);
        }
    }
}
