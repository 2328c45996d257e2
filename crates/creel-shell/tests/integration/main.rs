//! Runs the real binary as in Pods: its processes, locks, signals and connections. Touches temporary directories and the loopback
//! network; needs the Debian packages openssh-server and openssh-client.
//!
//! | module | tests |
//! |---|---|
//! | `claim_lock`, `install`, `isolation`, `prepare`, `run`, `skills` | one command each |
//! | `client` | `creel-shell-ssh` with OpenSSH's sshd, and with a hostile server |
//! | `server` | `creel-shell serve` with OpenSSH's ssh, and with a client that can send everything that SSH allows |
//! | `pair` | both together, as between a gateway and its sandbox |
//! | `fixtures` | the programs that these start, and what they observe of them |
//!
//! `CREEL_SOAK=1` raises the amounts of data and calls to those of weeks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod claim_lock;
mod client;
mod fixtures;
mod install;
mod isolation;
mod pair;
mod prepare;
mod run;
mod server;
mod skills;
