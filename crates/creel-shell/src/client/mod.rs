//! `creel-shell-ssh`: what OpenClaw's `ssh` sandbox backend runs as `ssh.command`, once per operation (7 times for an exec,
//! 22 for a read, 40 for a write), over one connection for all of them.
//!
//! ```text
//! OpenClaw ── starts ──► caller ── socket, with its stdin, stdout, stderr ──► holder ── one SSH connection ──► sandbox
//!                        (one per call, waits)                               (one per target, ends when idle)
//! ```
//!
//! | room | does | touches |
//! |---|---|---|
//! | `arguments`, `configuration`, `known_hosts`, `printable` | read what OpenClaw wrote and what a sandbox says | nothing |
//! | `target` | reads the files of a call | disk |
//! | `caller` | one call in the process that OpenClaw started | socket, streams |
//! | `terminal` | the caller's terminal | terminal, signals |
//! | `rendezvous` | finds the holder or starts it | disk, processes |
//! | `message` | what caller and holder say to each other | their socket |
//! | `holder` | keeps the connection, runs calls, ends when idle | socket |
//! | `connection`, `transport` | one SSH connection to a sandbox that is not trusted | network |
//! | `session`, `output`, `stdio` | one call on a channel of it | channel, the caller's streams |
//!
//! What is known of OpenClaw 2026.9.6 (`ssh-backend`, `exec-result`, `kill-tree` in its `dist`):
//! - Arguments and configuration are those in [`arguments`] and [`configuration`]. The files lie in a fresh directory below
//!   its temporary directory, with mode 0600, and are removed when the operation ends.
//! - Without secrets but otherwise with the gateway's environment, `TMPDIR` included. All three standard streams are what
//!   Node.js makes: socket pairs. Input is written and closed for file operations, and stays open for an `exec`.
//! - `-tt` is only used where the backend is asked for a terminal; the exec tool of a sandboxed agent never does.
//! - An exit status other than 0 is the operation's, with standard error as its message, if there is one; 255 is nothing
//!   special in this backend. The scripts use statuses of their own, such as 3 for a file that is not there. An end by a
//!   signal is a failure of the transport. More than 100 MiB of output is a failure.
//! - There is no time limit for a file operation but its caller's. It is cancelled by SIGTERM, then SIGKILL after five
//!   seconds. An exec's process *tree* gets SIGTERM and, three seconds later, SIGKILL: a process that shall outlive the call
//!   must not descend from it.

mod arguments;
mod caller;
mod configuration;
mod connection;
pub mod holder;
mod known_hosts;
mod message;
mod output;
mod printable;
pub mod rendezvous;
mod session;
mod stdio;
pub mod target;
mod terminal;
mod transport;

use std::ffi::OsString;
use std::process::ExitCode;

/// The name under which `creel-shell` is this client.
pub const NAME: &str = "creel-shell-ssh";

/// Makes one call; `arguments` are those after the program's name.
#[must_use]
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    match caller::call(arguments) {
        Ok(end) => {
            if !end.message.is_empty() {
                eprintln!("creel-shell: {}", end.message);
            }
            ExitCode::from(end.status)
        }
        Err(error) => {
            eprintln!("creel-shell: {error}");
            ExitCode::from(message::TRANSPORT_STATUS)
        }
    }
}
