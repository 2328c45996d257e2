//! `creel-shell`: arguments only; what it does is in [`creel_shell`]. Touches what its subcommands touch.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use creel_shell::{client, install, isolation, keep, prepare, run, server};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// The part of Creel that runs inside the Pods of OpenClaw gateways and their sandboxes.
///
/// The operator puts it there; nobody needs to call it by hand. It is static, needs no other file, and talks to nobody
/// outside of its Pod. Under the name `creel-shell-ssh` it is what OpenClaw calls in place of `ssh`.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Copies this binary to `<DIRECTORY>/creel-shell`, so that containers of any image can run it.
    ///
    /// `<DIRECTORY>/creel-shell-ssh` becomes a link to it.
    Install {
        /// An existing directory, usually an emptyDir.
        directory: PathBuf,
    },
    /// Holds the lock of a gateway's claim until SIGTERM.
    ///
    /// Runs as a sidecar with `creel-shell ready` as its startup probe: the gateway starts only once the gateway before
    /// it, in a Pod that still ends, has let go of the claim. While it waits it says so every ten seconds.
    Keep {
        /// Where the claim is mounted.
        #[arg(long)]
        directory: PathBuf,
        #[command(flatten)]
        pod: Pod,
    },
    /// Holds the connection to one sandbox for the calls of `creel-shell-ssh`, which starts it.
    #[command(hide = true)]
    Hold(client::holder::Arguments),
    /// Succeeds while the keeper in this Pod holds the lock.
    Ready {
        #[command(flatten)]
        pod: Pod,
    },
    /// Creates directories on mounted volumes, with mode 0775 less the umask. Those that are there already are left alone.
    ///
    /// Nothing below the mount is followed: a symbolic link in the way is an error.
    Prepare {
        /// Where a volume is mounted, and the directory on it: `/claim:workspaces/writer`.
        #[arg(required = true, value_name = "MOUNT:PATH")]
        directories: Vec<prepare::Directory>,
    },
    /// Runs a program as the first process of a container.
    ///
    /// Hands SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 on to it, waits for orphans, and exits with its status,
    /// or with 128 and the number of the signal that ended it.
    Run {
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Tries what a sandbox must not be able to do, and reports what it could as JSON.
    ///
    /// Succeeds whenever the report was written, whatever is in it.
    Isolation {
        /// An address that must not take a connection within three seconds.
        #[arg(long, value_name = "ADDRESS")]
        unreachable: Vec<SocketAddr>,
        /// A directory in which no file may be created.
        #[arg(long, value_name = "DIRECTORY")]
        read_only: Vec<PathBuf>,
        #[arg(long, default_value = "/dev/termination-log")]
        report: PathBuf,
    },
    /// Serves SSH in a sandbox: commands and shells with the environment and the user of this process.
    ///
    /// It ends with 0 after SIGTERM, or once the drain file says `true` and no call has run for a second.
    Serve(Serve),
}

#[derive(clap::Args)]
struct Serve {
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The server's private key: Ed25519, in OpenSSH's format.
    #[arg(long, value_name = "FILE")]
    host_key: PathBuf,
    /// The public key of a client, as in an `authorized_keys` file.
    #[arg(long, value_name = "KEY", required = true)]
    authorized_key: Vec<String>,
    /// Read every second: once its content is `true`, the server ends as soon as it is idle.
    #[arg(long, value_name = "FILE")]
    drain_file: Option<PathBuf>,
    /// A mounted workspace: OpenClaw's command that removes the whole sandbox is answered, but not run.
    #[arg(long, value_name = "DIRECTORY")]
    keep_workspace: Vec<PathBuf>,
    /// Seconds that calls may go on after SIGTERM.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    grace: u64,
}

#[derive(clap::Args)]
struct Pod {
    /// Tells apart the keepers of one network namespace; each Pod usually has its own.
    #[arg(long, default_value = "")]
    pod: String,
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

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.first().is_some_and(|name| Path::new(name).ends_with(client::NAME)) {
        return client::main(arguments.split_off(1));
    }
    match Arguments::parse_from(arguments).command {
        Command::Install { directory } => {
            done(install::install(&directory).map(|path| eprintln!("installed {}", path.display())))
        }
        Command::Keep { directory, pod } => done(keep::keep(&directory, &pod.pod)),
        Command::Ready { pod } => done(keep::ready(&pod.pod)),
        Command::Prepare { directories } => done(prepare::prepare(&directories)),
        Command::Run { program, arguments } => run::run(&program, &arguments)
            .unwrap_or_else(|error| {
                eprintln!("{error}");
                error.status()
            })
            .into(),
        Command::Isolation { unreachable, read_only, report } => {
            done(isolation::isolation(&unreachable, &read_only, &report).map(drop))
        }
        Command::Hold(arguments) => client::holder::main(&arguments),
        Command::Serve(serve) => done(server::serve(&serve.into())),
    }
}

/// Success, or the message on standard error and 1.
fn done(result: Result<(), impl std::error::Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
