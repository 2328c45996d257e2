//! `creel-shell`: runs the command that its name and its arguments say.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use creel_shell::arguments::{Arguments, Command};
use creel_shell::{claim_lock, client, install, isolation, prepare, relay, run, server};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.first().is_some_and(|name| Path::new(name).ends_with(client::NAME)) {
        return client::main(arguments.split_off(1));
    }
    match Arguments::parse_from(arguments).command {
        Command::Install { directory } => {
            exit_code(install::install(&directory).map(|path| eprintln!("installed {}", path.display())))
        }
        Command::ClaimLock { directory, required, pod, files } => {
            exit_code(claim_lock::hold(&directory, &required, &pod.name, files.settings().as_ref()))
        }
        Command::Ready { pod } => exit_code(claim_lock::ready(&pod.name)),
        Command::Prepare { directories, required } => {
            exit_code(prepare::require(&required).and_then(|()| prepare::prepare(&directories)))
        }
        Command::Run { skills, claim, program, arguments } => run::run(&program, &arguments, skills.zip(claim))
            .unwrap_or_else(|error| {
                eprintln!("{error}");
                error.exit_status()
            })
            .into(),
        Command::Isolation { unreachable, read_only, report } => {
            exit_code(isolation::isolation(&unreachable, &read_only, &report).map(drop))
        }
        Command::Mux(arguments) => exit_code(client::mux_master::run(&arguments)),
        Command::Serve(serve) => exit_code(server::serve(&serve.into())),
        Command::Relay(arguments) => {
            exit_code(relay::relay(&arguments.into(), std::env::var(creel_shell::TOKEN_VARIABLE).ok()))
        }
    }
}

/// Success, or the message on standard error and status 1.
fn exit_code(result: Result<(), impl std::error::Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
