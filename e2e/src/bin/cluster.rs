//! `cargo cluster`: the cluster on one machine, by hand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::cluster::{Cluster, KUBERNETES_VERSION, Keep};
use e2e::images::{self, Profile};
use e2e::progress::Progress;

const ABOUT: &str = "\
Starts a real Kubernetes on this machine in seconds, and removes it completely.

Runs as root on Debian. The first start installs Debian packages and builds Kubernetes, CoreDNS and Helm from their Go
modules (about 6 minutes on two cores); they are cached in $XDG_CACHE_HOME/creel or ~/.cache/creel.
Set CREEL_KUBECONFIG to use a cluster of your own instead.";

const EXAMPLE: &str = "\
Example:
  cargo cluster up
  export KUBECONFIG=$(cargo cluster kubeconfig)
  kubectl get nodes
  cargo cluster down";

/// Starts a real Kubernetes on this machine in seconds, and removes it completely.
#[derive(Parser)]
#[command(name = "cargo cluster", bin_name = "cargo cluster", long_about = ABOUT, after_help = EXAMPLE)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the cluster, unless it is running. It keeps running when this command ends.
    Up,
    /// Stop and remove the cluster, also one whose start was interrupted. Images and built programs are kept.
    Down,
    /// Show whether the cluster is running.
    Status,
    /// Print the path of the administrator's kubeconfig.
    Kubeconfig,
    /// Build the images of the gateway, the sandbox, Creel and the model server, import them into the cluster, and print the
    /// paths of their archives.
    Images {
        /// Compile Creel for use on other clusters: this takes longer, and the programs are smaller and faster.
        #[arg(long)]
        release: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    let progress = Progress::new();
    match command {
        Command::Up => {
            let cluster = Cluster::up(&progress).await?;
            progress.say(format_args!(
                "Kubernetes {KUBERNETES_VERSION} is ready: export KUBECONFIG={}",
                cluster.kubeconfig().display()
            ));
        }
        Command::Down => {
            Cluster::down(Keep::Images, &progress).await?;
            progress.say("no cluster is running");
        }
        Command::Status => {
            let cluster = Cluster::open().await?;
            println!("running; kubeconfig {}", cluster.kubeconfig().display());
        }
        Command::Kubeconfig => println!("{}", Cluster::open().await?.kubeconfig().display()),
        Command::Images { release } => {
            let cluster = Cluster::open().await?;
            let profile = if release { Profile::Release } else { Profile::E2e };
            let images = images::load_all(&cluster, profile, &progress).await?;
            for image in images.all() {
                println!("{} {}", image.name, image.archive.display());
            }
        }
    }
    Ok(())
}
