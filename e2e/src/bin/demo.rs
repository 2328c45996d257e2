//! `cargo demo`: see `e2e::demo`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::demo;
use e2e::explain::explain;

const DETAILS: &str = "\
What it does, in order:
  1. starts a real Kubernetes on this machine (as root, on Debian; the first time it builds it, some 10 minutes)
  2. builds the images of Creel, of OpenClaw and of a sandbox and imports them, OpenClaw's in some 40 s
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
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        None => demo::up(arguments.model.as_deref()).await,
        Some(Command::Ask { agent, words }) => demo::ask(agent, words).await,
        Some(Command::Down { cache }) => demo::down(*cache).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo demo: {}", explain(&error));
            ExitCode::FAILURE
        }
    }
}
