//! `creel-shell run`: the first process of a container. Touches processes and signals.
//!
//! The kernel hands every orphan to the first process, which has to wait for it, and gives that process only the signals
//! that it handles. Programs that are not made for this leave zombies and cannot be stopped.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

/// What a shell answers for a program that is not there, and for one that cannot be run.
const NOT_FOUND: u8 = 127;
const CANNOT_RUN: u8 = 126;

/// Added to the number of the signal that ended the program, as a shell does.
const SIGNALLED: i32 = 128;

/// Why the program did not run to its end under our eyes.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{program} cannot be started: {source}; is it in the image, and on its PATH?")]
    Start { program: String, source: io::Error },
    #[error("signals cannot be handled: {0}")]
    Signals(#[source] io::Error),
    #[error("the program cannot be waited for: {0}")]
    Wait(#[source] io::Error),
}

impl RunError {
    /// The status to exit with.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            Self::Start { .. } => CANNOT_RUN,
            Self::Signals(_) | Self::Wait(_) => 1,
        }
    }
}

/// Runs `program`, hands signals on to it and waits for every orphan, until it ends; its status, or 128 and the number of
/// the signal that ended it.
pub fn run(program: &OsString, arguments: &[OsString]) -> Result<u8, RunError> {
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGCHLD]).map_err(RunError::Signals)?;
    // The first process gets orphans without asking; with a shared process namespace, it is another one.
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
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
    Ok(CANNOT_RUN)
}

fn start(program: &OsString, arguments: &[OsString]) -> Result<Pid, RunError> {
    let failed = |source| RunError::Start { program: program.display().to_string(), source };
    let child = Command::new(program).args(arguments).spawn().map_err(failed)?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| failed(io::Error::other("its process id is out of range")))
}

/// Waits for all that have ended; the status of `main` if it is among them.
fn reap(main: Pid) -> Result<Option<u8>, RunError> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((child, status))) if child == main => {
                if let Some(status) = code(status.exit_status(), status.terminating_signal()) {
                    return Ok(Some(status));
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(RunError::Wait(error.into())),
        }
    }
}

fn code(exit: Option<i32>, signal: Option<i32>) -> Option<u8> {
    exit.or(signal.map(|signal| SIGNALLED + signal)).and_then(|status| u8::try_from(status).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_passed_on_and_a_signal_becomes_128_and_its_number() {
        assert_eq!(code(Some(78), None), Some(78));
        assert_eq!(code(None, Some(9)), Some(137));
        assert_eq!(code(None, None), None);
    }
}
