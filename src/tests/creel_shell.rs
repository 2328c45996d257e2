//! `creel-shell` understands what Pods run, and has the names by which they run it. (Its report is read in `sandbox::isolation`.)

use clap::Parser;
use creel_shell::arguments::{Arguments, Command};
use k8s_openapi::api::core::v1::PodSpec;

use crate::gateway;
use crate::naming::GatewayNames;
use crate::openclaw::paths;
use crate::pods::containers::SHELL_DIRECTORY;
use crate::sandbox;

/// The commands of all containers and their startup probes.
fn commands(pod: &PodSpec) -> Vec<Vec<String>> {
    let containers = pod.init_containers.iter().flatten().chain(&pod.containers);
    let commands = containers.flat_map(|container| {
        let probe = container.startup_probe.as_ref().and_then(|probe| probe.exec.as_ref()?.command.clone());
        container.command.clone().into_iter().chain(probe)
    });
    commands.collect()
}

/// The subcommands in these commands; with a program that `creel-shell run` starts, if that is creel-shell, too.
fn subcommands(command: &[String]) -> Vec<&'static str> {
    let parsed = Arguments::try_parse_from(command);
    match parsed.unwrap_or_else(|error| panic!("{command:?}: {error}")).command {
        Command::Install { .. } => vec!["install"],
        Command::ClaimLock { .. } => vec!["keep"],
        Command::Ready { .. } => vec!["ready"],
        Command::Prepare { .. } => vec!["prepare"],
        Command::Isolation { .. } => vec!["isolation"],
        Command::Serve(_) => vec!["serve"],
        Command::Mux(_) => vec!["mux"],
        Command::Relay(_) => vec!["relay"],
        Command::Run { program, .. } if program == *command[0] => {
            ["run"].into_iter().chain(subcommands(&command[3..])).collect()
        }
        Command::Run { .. } => vec!["run"],
    }
}

fn all_subcommands(pod: &PodSpec) -> Vec<&'static str> {
    commands(pod).iter().flat_map(|command| subcommands(command)).collect()
}

#[test]
fn creel_shell_understands_the_commands_of_a_gateways_pod() {
    let plan = gateway::fixtures::plan(&gateway::fixtures::company()).pod.unwrap();
    let pod = gateway::build::pod_spec::build(&GatewayNames::of("concierge"), &plan, "creel:test").spec.unwrap();
    assert_eq!(all_subcommands(&pod), ["install", "keep", "ready", "run"]);
}

#[test]
fn creel_shell_understands_the_commands_of_a_sandboxs_pod() {
    let office = sandbox::fixtures::office();
    let pod = sandbox::fixtures::pod(&office, &sandbox::fixtures::plan(&office));
    assert_eq!(all_subcommands(&pod.spec.unwrap()), ["install", "prepare", "isolation", "run", "serve"]);
}

#[test]
fn pods_and_openclaw_run_the_files_that_it_installs() {
    assert_eq!(paths::COMMAND[0], format!("{SHELL_DIRECTORY}/{}", creel_shell::install::NAME));
    assert_eq!(paths::SSH_COMMAND, format!("{SHELL_DIRECTORY}/{}", creel_shell::client::NAME));
}
