//! `cargo demo`: see `e2e::demo`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::cluster::KUBECONFIG_VARIABLE;
use e2e::demo::{self, Wanted};
use e2e::explain::explain;

const DETAILS: &str = "\
What it does, in order:
  1. builds Kubernetes and the images of Creel, of OpenClaw and of a sandbox, all at once; only the first time, some 20 minutes on two cores
  2. starts a real Kubernetes on this machine (as root, on Debian) and imports the images, OpenClaw's in some 40 s
  3. installs charts/creel with Helm
  4. applies manifests/samples/: a Provider, a Sandbox, two Agents that share a gateway, one of them with a shell, and a CronJob
  5. waits until they are ready, telling what each says about itself
  6. asks them something over /v1/responses and prints the answers; who has a shell runs `hostname` in its sandbox
  7. has the CronJob run once, now, and tells what became of it
  8. tells what to try next

Which models answer:
  a scripted server in the cluster (it runs what stands between backticks, or says `You said: …`), or
  OpenAI's when OPENAI_API_KEY is set (OPENAI_BASE_URL names another server with the same protocol), or
  Anthropic's when ANTHROPIC_API_KEY is set.
With a key the Pods may reach the internet; without, they reach nothing beyond the cluster. A cluster of the other kind
is replaced, with everything in it.

On a cluster of your own:
  cargo demo --kubeconfig FILE --import \"kind load image-archive\"
It needs Kubernetes 1.33 or later with a default StorageClass, and an administrator's kubeconfig. kubectl and Helm are
taken from PATH; where one is missing, both are built. The nodes pull OpenClaw's image. The images of Creel, of the sandbox and of the
scripted models are in no registry: they are built here, and the command of --import is run for each, with the path of its OCI
archive added (k3s: \"k3s ctr images import\"). Without --import, the paths are printed: import the archives on the nodes and
run the demo again. Then pass the same --kubeconfig to `cargo demo ask` and `cargo demo down`.

It may be run again at any time: what is there is used, and the samples are applied as they are in manifests/samples/.";

/// A newcomer's first look at Creel: two assistants on a real Kubernetes, one command.
#[derive(Parser)]
#[command(name = "cargo demo", after_help = DETAILS)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The model that the assistants use, instead of the endpoint's usual one.
    #[arg(long)]
    model: Option<String>,

    /// Use this existing cluster instead of one on this machine.
    #[arg(long, global = true, env = KUBECONFIG_VARIABLE, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Bring each image to that cluster's nodes with this command, for example "kind load image-archive".
    #[arg(long, requires = "kubeconfig", value_name = "COMMAND")]
    import: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Ask an Agent of the running demo and print its answer.
    Ask {
        /// The name of the Agent, for example concierge.
        agent: String,
        /// What to ask.
        words: String,
    },
    /// Remove the cluster, everything in it and its images. What was built remains for the next start.
    ///
    /// With --kubeconfig, remove what the demo made in that cluster; Creel's kinds and the imported images stay.
    ///
    /// What the demo shares with other programs stays as well: the Debian packages that it installed, IP forwarding, and
    /// the caches of Go, npm and Cargo.
    Down {
        /// Remove also what was built: Kubernetes and the images.
        #[arg(long)]
        cache: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command, model, kubeconfig, import } = Arguments::parse();
    let done = match (command, &kubeconfig) {
        (None, _) => demo::up(&Wanted { model, kubeconfig, import }).await,
        (Some(Command::Ask { agent, words }), _) => demo::ask(kubeconfig.as_deref(), &agent, &words).await,
        (Some(Command::Down { cache: false }), Some(kubeconfig)) => demo::down_elsewhere(kubeconfig).await,
        (Some(Command::Down { cache }), _) => demo::down(cache).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo demo: {}", explain(&error));
            ExitCode::FAILURE
        }
    }
}
