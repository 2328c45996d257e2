//! `creel-shell`: arguments only; what it does is in [`creel::shell`]. Touches what its subcommands touch.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use creel::shell::{client, install, keep};

/// The part of Creel that runs inside the Pods of OpenClaw gateways.
///
/// The operator puts it there; nobody needs to call it by hand. It is static, needs no other file, and talks to nobody
/// outside of its Pod.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Copies this binary to `<DIRECTORY>/creel-shell`, so that containers of any image can run it.
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
}

#[derive(clap::Args)]
struct Pod {
    /// Tells apart the keepers of one network namespace; each Pod usually has its own.
    #[arg(long, default_value = "")]
    pod: String,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().map(PathBuf::from);
    if name.as_deref().and_then(Path::file_name).is_some_and(|name| name == client::NAME) {
        return client::main(arguments.collect());
    }
    let result = match Arguments::parse().command {
        Command::Install { directory } => install::install(&directory)
            .map(|path| eprintln!("installed {}", path.display()))
            .map_err(|error| error.to_string()),
        Command::Keep { directory, pod } => keep::keep(&directory, &pod.pod).map_err(|error| error.to_string()),
        Command::Hold(arguments) => return client::holder::main(&arguments),
        Command::Ready { pod } => keep::ready(&pod.pod).map_err(|error| error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
