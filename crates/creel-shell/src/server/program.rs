//! Starts the program of a call, and ends it with all its processes. Touches processes and terminals.

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

/// What a call runs, in either case with `/bin/sh`: there is no user account that names a shell.
pub enum Program {
    Shell,
    Command(Vec<u8>),
}

/// The terminal that a client requests.
pub struct Terminal {
    /// The value of `TERM`.
    pub kind: String,
    pub size: Winsize,
}

/// The environment variables of a call, in addition to those of the server.
pub type Environment = Vec<(String, String)>;

/// Between SIGHUP and SIGKILL.
const HANG_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// How often to check whether a process group has ended; the kernel reports only the end of children.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A running program, the leader of its own process group.
pub struct Process {
    child: Child,
    group: Pid,
    terminal: Option<OwnedFd>,
    /// The caller takes these to copy the data.
    pub stdin: Option<Stdin>,
    pub stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
}

/// A program's standard input.
pub struct Stdin {
    pipe: Box<dyn AsyncWrite + Send + Unpin>,
    terminal: Option<OwnedFd>,
}

impl Stdin {
    pub async fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.pipe.write_all(data).await
    }

    /// Ends the input. On a terminal, that is the end-of-file character, and only in canonical mode: in raw mode it would be data.
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
    pub fn start(&self, terminal: Option<&Terminal>, environment: &Environment) -> io::Result<Process> {
        match terminal {
            None => self.start_with_pipes(environment),
            Some(terminal) => self.start_on_terminal(terminal, environment),
        }
    }

    fn start_with_pipes(&self, environment: &Environment) -> io::Result<Process> {
        let mut child = tokio::process::Command::new(SHELL)
            .args(self.arguments())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().map(|pipe| Stdin { pipe: Box::new(pipe), terminal: None });
        let stdout = child.stdout.take().map(boxed);
        let stderr = child.stderr.take().map(boxed);
        Ok(Process { group: group(&child)?, child, terminal: None, stdin, stdout, stderr })
    }

    fn start_on_terminal(&self, terminal: &Terminal, environment: &Environment) -> io::Result<Process> {
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
        let stdin = Stdin { pipe: Box::new(input), terminal: Some(control.try_clone()?) };
        Ok(Process {
            group: group(&child)?,
            child,
            terminal: Some(control),
            stdin: Some(stdin),
            stdout: Some(boxed(output)),
            stderr: None,
        })
    }
}

const SHELL: &str = "/bin/sh";

fn boxed(from: impl AsyncRead + Send + Unpin + 'static) -> Box<dyn AsyncRead + Send + Unpin> {
    Box::new(from)
}

fn group(child: &Child) -> io::Result<Pid> {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    id.ok_or_else(|| io::Error::other("the program has already ended"))
}

impl Process {
    /// Waits until the program itself ends; processes that it started may continue.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// A handle for signals and sizes that can be used during [`Process::wait`].
    pub fn control(&self) -> io::Result<ProcessControl> {
        Ok(ProcessControl { group: self.group, terminal: self.terminal.as_ref().map(OwnedFd::try_clone).transpose()? })
    }

    /// Ends the whole process group, with SIGHUP and, after a timeout, SIGKILL.
    pub async fn hang_up(mut self) {
        // Closing a terminal also reaches processes on it that are in groups of their own.
        drop((self.terminal.take(), self.stdin.take(), self.stdout.take(), self.stderr.take()));
        let _ = kill_process_group(self.group, Signal::HUP);
        let deadline = Instant::now() + HANG_UP_TIMEOUT;
        let _ = timeout(HANG_UP_TIMEOUT, self.child.wait()).await;
        while test_kill_process_group(self.group).is_ok() && Instant::now() < deadline {
            sleep(POLL_INTERVAL).await;
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait().await;
    }
}

/// The process group and the terminal of a running program.
pub struct ProcessControl {
    group: Pid,
    terminal: Option<OwnedFd>,
}

impl ProcessControl {
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }

    pub fn resize(&self, size: Winsize) {
        if let Some(terminal) = &self.terminal {
            let _ = tcsetwinsize(terminal, size);
        }
    }
}
