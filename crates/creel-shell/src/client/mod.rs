//! `creel-shell-ssh`: what OpenClaw's `ssh` sandbox backend runs as `ssh.command`, once per operation (7 times for an exec, 22 for a
//! read, 40 for a write). As with OpenSSH's connection sharing, all calls use one connection, which a background process holds.
//!
//! ```text
//! OpenClaw ── runs ──► mux client ── control socket, with its stdin, stdout and stderr ──► mux master ── SSH ──► sandbox
//!                      (one per call, waits)                                              (one per target, exits when idle)
//! ```
//!
//! | module | does | touches |
//! |---|---|---|
//! | `arguments`, `ssh_config`, `known_hosts`, `printable` | read what OpenClaw wrote and what a sandbox says | nothing |
//! | `target` | reads the files of a call | disk |
//! | `mux_client` | one call, in the process that OpenClaw started | socket, streams |
//! | `terminal` | the terminal of that process | terminal, signals |
//! | `control_socket` | connects to the mux master, or starts it | disk, processes |
//! | `core_dumps` | keeps the private key in the memory of the mux master | this process |
//! | `mux_protocol` | the messages between mux client and mux master | their socket |
//! | `mux_master` | keeps the connection, runs calls, exits when idle | socket |
//! | `connection`, `transport` | one SSH connection to a sandbox, which is not trusted | network |
//! | `session`, `output`, `stdio` | one call, on a channel of the connection | channel, streams of the client |
//!
//! How OpenClaw 2026.9.6 uses it (`ssh-backend`, `exec-result`, `kill-tree` in its `dist`):
//! - Arguments and configuration are those in [`arguments`] and [`ssh_config`]. The files are in a new directory below OpenClaw's
//!   temporary directory, with mode 0600, and are removed when the operation ends.
//! - The environment is that of the gateway, `TMPDIR` included, without secrets. All three standard streams are what Node.js
//!   creates: socket pairs. For file operations the input is written and closed, for an `exec` it stays open.
//! - `-tt` is used only where the backend is asked for a terminal; the exec tool of a sandboxed agent never does.
//! - An exit status other than 0 is the result of the operation, with standard error as its message, if there is any; 255 means
//!   nothing special. The scripts use statuses of their own, such as 3 for a missing file. A client that was killed by a signal is a
//!   transport failure, and so is more than 100 MiB of output.
//! - A file operation has no timeout of its own. It is cancelled by SIGTERM, then SIGKILL after five seconds. The process *tree* of an
//!   exec gets SIGTERM and, three seconds later, SIGKILL: a process that has to survive the call must not descend from it.

mod arguments;
mod connection;
pub mod control_socket;
mod core_dumps;
mod known_hosts;
mod mux_client;
pub mod mux_master;
mod mux_protocol;
mod output;
mod printable;
mod session;
mod ssh_config;
mod stdio;
pub mod target;
mod terminal;
mod transport;

use std::ffi::OsString;
use std::process::ExitCode;

/// The file name by which `creel-shell` becomes this client.
pub const NAME: &str = "creel-shell-ssh";

/// Runs one call; `arguments` are those after the program's name.
#[must_use]
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    match mux_client::run(arguments) {
        Ok(exit) => {
            if !exit.message.is_empty() {
                eprintln!("creel-shell: {}", exit.message);
            }
            ExitCode::from(exit.status)
        }
        Err(error) => {
            eprintln!("creel-shell: {error}");
            ExitCode::from(mux_protocol::TRANSPORT_STATUS)
        }
    }
}
