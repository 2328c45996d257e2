//! `cargo demo`: see `e2e::demo`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::cluster::KUBECONFIG_VARIABLE;
use e2e::demo::{self, Wanted};
use e2e::explain::explain;

const DETAILS: &str = "\
What it does, in order:
  1. builds Kubernetes and the images of Creel, of OpenClaw and of a sandbox: only the first time, about 20 minutes on two cores
  2. starts a real Kubernetes on this machine (as root, on Debian) and imports the images; OpenClaw's takes about 40 s
  3. installs charts/creel with Helm
  4. applies manifests/samples/: a Provider, a Sandbox, two Agents that share a gateway, one of them with a shell, and a CronJob
  5. waits until they are ready, and prints their conditions
  6. asks them a question over /v1/responses and prints the answers; the Agent with a shell runs `hostname` in its sandbox
  7. runs the CronJob once, now, and prints the result
  8. prints what to try next

Which models answer:
  a scripted server in the cluster (it has the Agent run the text between backticks, or answers `You said: …`), or
  OpenAI's if OPENAI_API_KEY is set (OPENAI_BASE_URL names another server with the same protocol), or
  Anthropic's if ANTHROPIC_API_KEY is set.
With a key, the Pods can reach the internet; without one, they can reach only the cluster. A running cluster of the other
kind is replaced, with everything in it.

On a cluster of your own:
  cargo demo --kubeconfig FILE --import \"kind load image-archive\"
It needs Kubernetes 1.33 or later with a default StorageClass, and an administrator's kubeconfig. kubectl and Helm are
taken from PATH; if one is missing, both are built. The nodes pull OpenClaw's image. The images of Creel, of the sandbox and of
the scripted models are in no registry: they are built on this machine, and the command of --import runs for each, followed by
the path of its OCI archive (k3s: \"k3s ctr images import\"). Without --import, the paths are printed: import the archives on the
nodes and run the demo again. Then pass the same --kubeconfig to `cargo demo ask` and `cargo demo down`.

You can run it again at any time: it uses what exists, and applies manifests/samples/ again.";

/// A first look at Creel: two assistants on a real Kubernetes, with one command.
#[derive(Parser)]
#[command(name = "cargo demo", after_help = DETAILS)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The model that the assistants use. Default: gpt-4o-mini, or claude-haiku-4-5 if the key is one of Anthropic.
    #[arg(long)]
    model: Option<String>,

    /// Use this existing cluster instead of one on this machine.
    #[arg(long, global = true, env = KUBECONFIG_VARIABLE, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The command that imports an image archive on that cluster's nodes, for example "kind load image-archive".
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
    /// Remove the cluster, everything in it and its images. Built files are kept for the next start.
    ///
    /// With --kubeconfig, remove what the demo created in that cluster; Creel's CRDs and the imported images are kept.
    ///
    /// What the demo shares with other programs is kept too: the Debian packages that it installed, IP forwarding, and
    /// the caches of Go, npm and Cargo.
    Down {
        /// Also remove the built files: Kubernetes and the images.
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
