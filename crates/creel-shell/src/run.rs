//! `creel-shell run`: the first process of a container. Touches processes and signals.
//!
//! The kernel makes every orphan a child of the first process, which has to reap it, and delivers only the signals that this process
//! handles. Programs that are not written for this leave zombies and cannot be stopped.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::skills::Skills;

/// The exit statuses of a shell for a program that does not exist, and for one that cannot be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// A shell adds this to the number of the signal that ended a program.
const SIGNAL_BASE: i32 = 128;

/// Why there is no exit status.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot start {program}: {source}; is it in the image, and in its PATH?")]
    Start { program: String, source: io::Error },
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
    #[error("cannot wait for the program: {0}")]
    Wait(#[source] io::Error),
}

impl RunError {
    /// The status to exit with.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            Self::Start { .. } => NOT_EXECUTABLE,
            Self::Signals(_) | Self::Wait(_) => 1,
        }
    }
}

/// Runs `program`, forwards signals to it and reaps orphans until it ends. Returns its status, or 128 plus the number of the signal
/// that ended it. `skills`: the file of the skills and the claim with the workspaces, which have them before the program starts.
pub fn run(program: &OsString, arguments: &[OsString], skills: Option<(PathBuf, PathBuf)>) -> Result<u8, RunError> {
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGCHLD]).map_err(RunError::Signals)?;
    // Needed where the Pod shares its process namespace: the first process, which gets orphans anyway, is another one there.
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
    if let Some((file, claim)) = skills
        && let Err(error) = (Skills { file, claim }).keep()
    {
        eprintln!("cannot keep the skills up to date: {error}");
    }
    let main = start(program, arguments)?;
    for signal in signals.forever() {
        match Signal::from_named_raw(signal) {
            Some(Signal::CHILD) => {
                if let Some(status) = reap(main)? {
                    return Ok(status);
                }
            }
            Some(signal) => {
                let _ = kill_process(main, signal);
            }
            None => {}
        }
    }
    Ok(NOT_EXECUTABLE)
}

fn start(program: &OsString, arguments: &[OsString]) -> Result<Pid, RunError> {
    let failed = |source| RunError::Start { program: program.display().to_string(), source };
    let child = Command::new(program).args(arguments).spawn().map_err(failed)?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| failed(io::Error::other("its process id is out of range")))
}

/// Reaps all children that have ended. Returns the status of `main` if it is among them.
fn reap(main: Pid) -> Result<Option<u8>, RunError> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((child, status))) if child == main => {
                if let Some(status) = shell_status(status.exit_status(), status.terminating_signal()) {
                    return Ok(Some(status));
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(RunError::Wait(error.into())),
        }
    }
}

fn shell_status(exit: Option<i32>, signal: Option<i32>) -> Option<u8> {
    exit.or(signal.map(|signal| SIGNAL_BASE + signal)).and_then(|status| u8::try_from(status).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_passed_on_and_a_signal_is_added_to_128() {
        assert_eq!(shell_status(Some(78), None), Some(78));
        assert_eq!(shell_status(None, Some(9)), Some(137));
        assert_eq!(shell_status(None, None), None);
    }
}
