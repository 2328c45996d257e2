//! `cargo verify`: every check and every test.

use std::process::ExitCode;

use clap::Parser;
use e2e::progress::Progress;
use e2e::verify::{Part, Wanted, verify};

const ABOUT: &str = "\
Runs every check and every test: format, lints, unit tests, generated files, the chart, and tests on a real Kubernetes, which
it starts and removes. Each test runs in its own process.

Runs as root on Debian with Go and npm. The first run takes about an hour on two cores, because it builds Kubernetes and the
gateway's image; later runs take half as long. Each check counts as one test. The last line of the output is the
summary, and the exit code is 0 only when nothing failed and nothing was skipped.";

const EXAMPLES: &str = "\
Examples:
  cargo verify                                  everything
  cargo verify --only clippy --only unit        two parts
  cargo verify --only real-pods --keep answers  tests whose name contains `answers`; keeps the cluster
  cargo soak                                    long versions of some tests, which are not part of everything";

/// Runs every check and every test.
#[derive(Parser)]
#[command(name = "cargo verify", bin_name = "cargo verify", long_about = ABOUT, after_help = EXAMPLES)]
struct Arguments {
    /// Run only this part; can be repeated. Parts that need a cluster start it and install Creel first.
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Leave the cluster running at the end, to inspect failures or to speed up the next run.
    #[arg(long)]
    keep: bool,
    /// Run only tests whose name contains this.
    filter: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { only, keep, filter } = Arguments::parse();
    let wanted = Wanted { parts: only, filter, keep };
    let progress = Progress::new();
    tokio::select! {
        report = verify(&wanted, &progress) => {
            println!("{}", report.closing());
            if report.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        // Dropping the run ends the test programs that it started.
        _ = tokio::signal::ctrl_c() => {
            eprintln!("interrupted; the cluster is still running: `cargo cluster down` removes it");
            ExitCode::FAILURE
        }
    }
}
