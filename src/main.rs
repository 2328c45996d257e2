//! `creel`: arguments, logging, dispatch.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use creel::api::{CRD_FILES, crd_yaml};
use creel::settings::Settings;
use creel::telemetry::logs;
use thiserror::Error;

/// OpenClaw assistants on Kubernetes.
///
/// Creel runs OpenClaw assistants from creel.dev resources. It is usually installed in the cluster with its Helm chart or with
/// manifests/install.yaml; `creel operator` also runs outside the cluster, with your kubeconfig.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the operator.
    Operator(Box<Settings>),
    /// Print the CRDs as YAML, or write one file for each.
    Crds {
        /// The directory to write to, for example `crds`. Default: standard output.
        #[arg(long)]
        directory: Option<PathBuf>,
    },
    /// Print the reference of conditions and reasons as Markdown.
    Reasons,
    /// Print the version.
    Version,
}

/// Why the process ends with an error.
#[derive(Debug, Error)]
enum MainError {
    #[error(transparent)]
    Log(#[from] logs::LogError),
    #[error(transparent)]
    Operator(#[from] creel::operator::OperatorError),
    #[error(transparent)]
    Crd(#[from] creel::api::CrdError),
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: std::io::Error },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("creel: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), MainError> {
    match command {
        Command::Operator(settings) => {
            logs::start(&settings.log, settings.log_format)?;
            creel::operator::run(*settings)?;
        }
        Command::Crds { directory } => write_crds(directory.as_deref())?,
        Command::Reasons => print!("{}", creel::kubernetes::conditions::reference()),
        Command::Version => println!("{}", env!("CARGO_PKG_VERSION")),
    }
    Ok(())
}

fn write_crds(directory: Option<&Path>) -> Result<(), MainError> {
    for (file, crd) in CRD_FILES {
        let yaml = crd_yaml(&crd())?;
        let Some(directory) = directory else {
            print!("---\n{yaml}");
            continue;
        };
        let path = directory.join(file);
        std::fs::write(&path, yaml).map_err(|source| MainError::Write { path, source })?;
    }
    Ok(())
}

/// The error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
