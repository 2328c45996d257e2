//! `cargo run -p e2e --bin generate`: writes the generated files, or checks the committed ones. Builds helm the first time; runs
//! `cargo` and `helm`.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use e2e::chart::{check, workspace, write};
use e2e::cluster::Programs;
use e2e::explain::explain;
use e2e::progress::Progress;

/// Write the generated files: crds/, their copies in the chart, manifests/install.yaml, docs/reference/reasons.md and `THIRD_PARTY`.
#[derive(Debug, Parser)]
struct Arguments {
    /// Write nothing, and fail if a committed file is stale.
    #[arg(long)]
    check: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate: {}", explain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let helm = Programs::ensure(&Progress::new()).await?.helm();
    if arguments.check {
        check(&workspace(), &helm).await?;
        println!("generated files are up to date");
    } else {
        write(&workspace(), &helm).await?;
        println!(
            "wrote crds/, charts/creel/crd-files/, manifests/install.yaml, docs/reference/reasons.md and THIRD_PARTY"
        );
    }
    Ok(())
}
