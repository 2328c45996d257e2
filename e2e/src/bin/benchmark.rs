//! `cargo benchmark`: see `e2e::benchmark`.

use std::process::ExitCode;

use clap::Parser;
use e2e::benchmark::{Table, Wanted, benchmark};
use e2e::explain::explain;
use e2e::progress::Progress;

const ABOUT: &str = "\
Prints one table of how fast and how small Creel is: Creel's value, a reference measured in the same run, their ratio, and
the goal.

It measures
  the size of the release binaries
  the time from an Agent's creation until its gateway's Pod is created, and the operator's part of it
  the time from an edit of a model until the gateway confirms it
  the time from an Agent's creation until its sandbox's Pod is created
  calls of exec, read and write in a sandbox, with creel-shell and with OpenSSH, compared with calls without a network
  the operator's calls to a gateway with many CronJobs, and the time from the end of a run to its result in the status
  the memory of the idle operator
  the time from an edit of a model, and the operator's memory, beside a namespace that does its worst (only on the cluster of
  this machine)

on a real Kubernetes on this machine (see `cargo cluster --help`). If necessary it starts the cluster and installs Creel; it
leaves both running. It takes a few minutes; nothing else should run at the same time. It is not a test and cannot fail on a
slow result.";

const EXAMPLES: &str = "\
Examples:
  cargo benchmark                          everything
  cargo benchmark --rounds 5 --edits 3 --calls 2 --jobs 20   a short run
  CREEL_KUBECONFIG=<file> cargo benchmark  Creel as it runs on that cluster, whose Pods must be reachable from this
                                           machine; nothing is built, so there are no sizes
  cargo cluster down                       removes the cluster";

/// Prints one table of how fast and how small Creel is.
#[derive(Parser)]
#[command(name = "cargo benchmark", bin_name = "cargo benchmark", long_about = ABOUT, after_help = EXAMPLES)]
struct Arguments {
    /// The number of Agents to create, one after another.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one)]
    rounds: usize,
    /// The number of edits of a model, one after another.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    edits: usize,
    /// The number of calls of each tool, for each way into a sandbox.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    calls: usize,
    /// The number of CronJobs on one gateway.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    jobs: usize,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number above 0 is needed".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { rounds, edits, calls, jobs } = Arguments::parse();
    // kube and reqwest share one TLS provider; an error means that it is chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (mut table, progress) = (Table::default(), Progress::new());
    let measured = tokio::select! {
        measured = benchmark(Wanted { rounds, edits, calls, jobs }, &mut table, &progress) => measured.map_err(|error| explain(&error)),
        _ = tokio::signal::ctrl_c() => {
            Err("interrupted; the next run removes what is left (`kubectl delete namespace creel-benchmark creel-benchmark-neighbour`)".to_owned())
        }
    };
    if !table.rows.is_empty() {
        println!("\n{table}");
    }
    if let Err(why) = measured {
        eprintln!("cargo benchmark: {why}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
