//! Runs the real binary as Pods do: its processes, locks, signals and connections. Touches temporary directories and the loopback
//! network; needs the Debian packages openssh-server and openssh-client. One binary, because each would link everything anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod client;
mod client_and_server;
mod hostile_server;
mod lock_and_install;
mod pair;
mod pod;
mod sandbox_server;
mod server;
mod server_load;
mod sshd;
