//! The command line of `creel-shell`. The operator writes commands into Pods: renaming one that it uses would restart every gateway.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::{client, files, prepare, relay, server};

/// The part of Creel that runs in the Pods of OpenClaw gateways and sandboxes.
///
/// The operator adds this static binary to Pods and runs it there; there is no need to run it by hand. When started as
/// `creel-shell-ssh`, it is the SSH client that OpenClaw runs instead of `ssh`.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copies this binary to `<DIRECTORY>/creel-shell`, so that containers of any image can run it.
    ///
    /// Also creates the symbolic link `<DIRECTORY>/creel-shell-ssh`.
    Install {
        /// An existing directory, usually an emptyDir volume.
        directory: PathBuf,
    },
    /// Locks the volume of a gateway and holds the lock until SIGTERM.
    ///
    /// Runs as a sidecar with `creel-shell ready` as its startup probe, so that a gateway starts only after the gateway of the
    /// previous Pod has ended. While waiting, it logs a line every ten seconds. Once it has the lock, it creates `<DIRECTORY>/workspaces`,
    /// unless directories are required. With `--files`, it also keeps files in the workspaces as that document says: once before the gateway
    /// starts, then whenever the document or a file changes.
    #[command(name = "keep")]
    ClaimLock {
        /// Where the volume is mounted.
        #[arg(long)]
        directory: PathBuf,
        /// A directory that must exist, for example `/claim:agents/main`: without it there is no lock. Can be repeated.
        #[arg(long = "require", value_name = "MOUNT:PATH")]
        required: Vec<prepare::Directory>,
        #[command(flatten)]
        pod: Pod,
        #[command(flatten)]
        files: Files,
    },
    /// Succeeds if the lock of this Pod is held.
    Ready {
        #[command(flatten)]
        pod: Pod,
    },
    /// Holds the connection to one sandbox, for the calls of `creel-shell-ssh`, which starts it.
    #[command(hide = true)]
    Mux(client::mux_master::Arguments),
    /// Creates directories on mounted volumes, with mode 0775 less the umask. Existing directories are not changed.
    ///
    /// Symbolic links below the mount are not followed: one in the path is an error.
    Prepare {
        /// A mount path and a directory below it, for example `/claim:workspaces/writer`.
        #[arg(required = true, value_name = "MOUNT:PATH")]
        directories: Vec<prepare::Directory>,
        /// A directory that must exist and is not created. Can be repeated.
        #[arg(long = "require", value_name = "MOUNT:PATH")]
        required: Vec<prepare::Directory>,
    },
    /// Runs a program as the first process of a container.
    ///
    /// Forwards SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2, reaps orphans, and exits with the status of the program, or
    /// with 128 plus the number of the signal that ended it.
    Run {
        /// A file with skills in JSON, by workspace: they are copied to `skills/creel.dev` in each of them whenever the file changes.
        #[arg(long, value_name = "FILE", requires = "claim")]
        skills: Option<PathBuf>,
        /// Where the volume with the workspaces is mounted.
        #[arg(long, value_name = "DIRECTORY", requires = "skills")]
        claim: Option<PathBuf>,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Tests what a sandbox must not be able to do, and writes what happened as JSON.
    ///
    /// Succeeds if the report was written, whatever it says.
    Isolation {
        /// An address that must not accept a connection. An answer counts after three seconds, silence after three attempts.
        #[arg(long, value_name = "ADDRESS")]
        unreachable: Vec<SocketAddr>,
        /// A directory in which it must not be possible to create a file.
        #[arg(long, value_name = "DIRECTORY")]
        read_only: Vec<PathBuf>,
        #[arg(long, default_value = "/dev/termination-log")]
        report: PathBuf,
    },
    /// Serves SSH in a sandbox. Commands and shells run with the environment and the user of this process.
    ///
    /// Exits with 0 after SIGTERM, or when the drain file says `true` and no call has run for a second.
    Serve(Serve),
    /// Passes the HTTP APIs of a gateway on to clients with tokens of their own, each for its own agents.
    ///
    /// The variable `CREEL_GATEWAY_TOKEN` holds the token of the gateway. The file of the clients is read again when it changes.
    Relay(Relay),
}

#[derive(Debug, Args)]
pub struct Files {
    /// The files in JSON: of each agent its workspace, and of each file its path, policy and content. Read again when it changes.
    #[arg(long = "files", value_name = "FILE", requires = "listen")]
    document: Option<PathBuf>,
    /// Where to report how the files are, to whoever sends the token in `CREEL_GATEWAY_TOKEN`.
    #[arg(long = "report", value_name = "ADDRESS", requires = "document")]
    listen: Option<SocketAddr>,
}

impl Files {
    #[must_use]
    pub fn settings(self) -> Option<files::Settings> {
        let (document, listen) = self.document.zip(self.listen)?;
        Some(files::Settings { document, listen })
    }
}

#[derive(Debug, Args)]
pub struct Relay {
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The address of the gateway.
    #[arg(long, value_name = "ADDRESS")]
    upstream: SocketAddr,
    /// The clients in JSON: their names, their agents, and the digests of their tokens.
    #[arg(long, value_name = "FILE")]
    clients: PathBuf,
    /// The key of the digests.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

#[derive(Debug, Args)]
pub struct Serve {
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The private key of the server: Ed25519, in OpenSSH's format.
    #[arg(long, value_name = "FILE")]
    host_key: PathBuf,
    /// The public key of a client, as in an `authorized_keys` file.
    #[arg(long, value_name = "KEY", required = true)]
    authorized_key: Vec<String>,
    /// A file that is read every second: when it contains `true`, the server exits as soon as it is idle.
    #[arg(long, value_name = "FILE")]
    drain_file: Option<PathBuf>,
    /// A mounted workspace: OpenClaw's command that removes a whole sandbox succeeds without removing anything.
    #[arg(long, value_name = "DIRECTORY")]
    keep_workspace: Vec<PathBuf>,
    /// Seconds for which calls may continue after SIGTERM.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    grace: u64,
}

#[derive(Debug, Args)]
pub struct Pod {
    /// Distinguishes the locks of one network namespace. Not needed where each Pod has its own.
    #[arg(long = "pod", default_value = "")]
    pub name: String,
}

impl From<Relay> for relay::Settings {
    fn from(relay: Relay) -> Self {
        let Relay { listen, upstream, clients, key } = relay;
        Self { listen, upstream, clients, key }
    }
}

impl From<Serve> for server::Settings {
    fn from(serve: Serve) -> Self {
        Self {
            listen: serve.listen,
            host_key: serve.host_key,
            authorized_keys: serve.authorized_key,
            drain_file: serve.drain_file,
            keep_workspaces: serve.keep_workspace,
            grace: Duration::from_secs(serve.grace),
        }
    }
}
