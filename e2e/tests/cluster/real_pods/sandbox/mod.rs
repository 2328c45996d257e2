//! The shell of an Agent in a Pod of its own. One room for each promise: `shell` (where commands run, and what they can do),
//! `workspace` (none, ro, rw), `neighbours` (two Agents on one Sandbox), `rotation` (changed values), `changes` (what comes and goes
//! while an Agent works), `removal` (OpenClaw's own clearing away), `isolation` (what the network lets through), `endurance` (what a long
//! life costs), `faults` (what goes wrong between gateway and sandbox), `fence` (what runs on when its Agent or namespace is deleted), `links` (links that a command leaves in a workspace),
//! `mounts` (files, volumes, a home, the Kubernetes API).
//! `calls` is what some of them make calls with.
//!
//! All of it on a volume of mode `ReadWriteOnce` whose root belongs to root and that ignores fsGroup: see `hardened`.

use e2e::suite::{RunningPod, TestNamespace, agent, in_sandbox, sandbox, secret_value};

pub mod calls;
mod changes;
pub mod endurance;
mod faults;
pub mod fence;
mod isolation;
mod links;
mod mounts;
mod neighbours;
mod removal;
mod rotation;
mod shell;
mod workspace;

/// The Agent of most tests.
pub const AGENT: &str = "writer";

/// Where the gateway keeps the workspace of an Agent.
fn workspace(agent: &str) -> String {
    format!("/home/node/.openclaw/workspaces/{agent}")
}

/// The Agent `writer` on a gateway of its own, or on the shared one, with this Sandbox. Its gateway's Pod, and its sandbox's.
async fn writer(namespace: &TestNamespace, yaml_of_sandbox: &str, name: &str) -> (RunningPod, RunningPod) {
    namespace.apply(yaml_of_sandbox).await;
    let writer = namespace.named(AGENT);
    let yaml = if namespace.host.is_some() {
        namespace.joining(AGENT).await
    } else {
        namespace.serve("main", &secret_value("key")).await;
        agent(AGENT, "main/small")
    };
    namespace.apply(&in_sandbox(name, &yaml)).await;
    namespace.ready(&writer).await;
    let pod = namespace.sandbox_ready(&writer).await;
    (namespace.gateway(namespace.host_of(&writer)).await, pod)
}

/// The same with a Sandbox named `box`, which sees so much of the workspace.
pub async fn writer_with(namespace: &TestNamespace, access: &str) -> (RunningPod, RunningPod) {
    let name = namespace.named("box");
    writer(namespace, &sandbox(&name, access), &name).await
}

/// A Sandbox whose commands see these variables: a line of YAML each.
fn with_env(sandbox: &str, variables: &[&str]) -> String {
    format!("{sandbox}  env:\n    - {}\n", variables.join("\n    - "))
}
