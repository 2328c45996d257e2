//! `creel-shell` understands what Pods run, and has the names by which they run it. (Its report is read in `sandbox::isolation`.)

use std::path::Path;

use clap::Parser;
use creel_shell::arguments::{Arguments, Command};
use creel_shell::files::document::{Document, Policy};
use creel_shell::files::report::{FileReport, Report, State};
use creel_shell::relay::clients::Clients;
use k8s_openapi::api::core::v1::PodSpec;
use serde_json::json;

use crate::gateway;
use crate::gateway::gather::Gathered;
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
        Command::Run { skills: Some(skills), claim: Some(claim), .. } => {
            assert_eq!(skills, Path::new(paths::SKILLS_DIRECTORY).join(paths::SKILLS_FILE));
            assert_eq!(claim, Path::new(paths::CLAIM_DIRECTORY));
            vec!["run"]
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

/// The gateway of `concierge`, which adopts a claim.
fn adopting() -> Gathered {
    let mut gathered = gateway::fixtures::company();
    gateway::fixtures::edit(&mut gathered, "concierge", |agent| {
        let storage = json!({"existingClaim": "openclaw-home-pvc", "adopt": {"stateSubPath": "data"}});
        agent.spec.gateway.as_mut().unwrap().storage = serde_json::from_value(storage).unwrap();
    });
    gathered
}

#[test]
fn creel_shell_understands_what_a_claim_must_have_and_its_answer_is_understood() {
    let plan = gateway::fixtures::plan(&adopting()).pod.unwrap();
    let pod = gateway::build::pod_spec::build(&GatewayNames::of("concierge"), &plan, "creel:test").spec.unwrap();
    let keeper = pod.init_containers.unwrap().into_iter().nth(1).unwrap().command.unwrap();
    let Command::ClaimLock { required, .. } = Arguments::try_parse_from(keeper).unwrap().command else { panic!() };
    let expected = ["agents/concierge", "workspace"]
        .map(|directory| format!("{}:data/{directory}", paths::CLAIM_DIRECTORY).parse().unwrap());
    assert_eq!(required, expected);
    assert_eq!(gateway::pod::NO_DIRECTORY, creel_shell::prepare::MISSING);
}

#[test]
fn the_sandbox_of_an_adopted_agent_does_not_make_the_workspace_that_its_gateway_looks_for() {
    let mut office = sandbox::fixtures::office();
    let storage = json!({"storage": {"existingClaim": "openclaw-home-pvc", "adopt": {}}});
    for name in ["concierge", "writer"] {
        sandbox::fixtures::edit_owner(&mut office, |owner| {
            owner.metadata.name = Some(name.into());
            owner.spec.gateway = Some(serde_json::from_value(storage.clone()).unwrap());
        });
        let pod = sandbox::fixtures::pod(&office, &sandbox::fixtures::plan(&office)).spec.unwrap();
        let prepare = pod.init_containers.unwrap().into_iter().nth(1).unwrap().command.unwrap();
        let Command::Prepare { directories, required } = Arguments::try_parse_from(prepare).unwrap().command else {
            panic!()
        };
        let claim = |directory: &str| format!("/claim:{directory}").parse().unwrap();
        // The Agent `writer` has joined the gateway of `concierge`, or owns it.
        let (made, looked_for) = match name {
            "writer" => (None, vec![claim("agents/writer"), claim("workspace")]),
            _ => (Some(claim("workspace-writer")), vec![claim("agents/concierge"), claim("workspace")]),
        };
        assert_eq!((directories.get(2), required), (made.as_ref(), looked_for), "{name}");
    }
}

/// The gateway of `concierge` with one client, whose token is `one`.
fn with_a_client() -> Gathered {
    let mut gathered = gateway::fixtures::company();
    gateway::fixtures::secret(&mut gathered, "tokens", &[("home", "one\n")]);
    let auth = json!({"clients": [{"name": "home", "secretRef": {"name": "tokens", "key": "home"}}]});
    gateway::fixtures::edit(&mut gathered, "concierge", |agent| {
        agent.spec.gateway.as_mut().unwrap().auth = Some(serde_json::from_value(auth).unwrap());
    });
    gathered
}

#[test]
fn creel_shell_understands_the_command_of_a_relay_and_knows_its_clients() {
    let (gathered, names) = (with_a_client(), GatewayNames::of("concierge"));
    let plan = gateway::fixtures::plan(&gathered);
    let pod = gateway::build::pod_spec::build(&names, &plan.pod.unwrap(), "creel:test").spec.unwrap();
    assert_eq!(all_subcommands(&pod), ["install", "keep", "ready", "relay", "run"]);
    let relay = pod.init_containers.unwrap().pop().unwrap();
    assert_eq!(relay.env.unwrap()[0].name, creel_shell::TOKEN_VARIABLE);
    let map = gateway::build::relay::config_map(&gathered.owner, &names, &plan.clients.unwrap());
    let document = map.data.unwrap().into_values().next().unwrap();
    let clients = Clients::parse(document.as_bytes(), b"key", &Clients::default()).unwrap();
    let client = clients.identify(b"one").unwrap();
    assert_eq!((client.name.as_str(), client.agents.as_slice()), ("home", &["concierge".to_owned()][..]));
    assert!(clients.identify(b"two").is_none() && clients.identify(b"").is_none());
}

#[test]
fn creel_shell_keeps_the_files_that_it_is_told_of_and_its_report_is_understood() {
    let mut gathered = gateway::fixtures::company();
    let files = json!([{"path": "SOUL.md", "content": "calm", "policy": "Managed"}]);
    gateway::fixtures::edit(&mut gathered, "writer", |agent| {
        agent.spec.workspace = Some(serde_json::from_value(json!({ "files": files })).unwrap());
    });
    let (plan, names) = (gateway::fixtures::plan(&gathered), GatewayNames::of("concierge"));
    let pod = gateway::build::pod_spec::build(&names, &plan.pod.unwrap(), "creel:test").spec.unwrap();
    let keeper = pod.init_containers.unwrap().remove(1);
    assert_eq!(keeper.env.unwrap()[0].name, creel_shell::TOKEN_VARIABLE);
    let Command::ClaimLock { files, .. } = Arguments::try_parse_from(keeper.command.unwrap()).unwrap().command else {
        panic!()
    };
    let settings = files.settings().unwrap();
    assert_eq!(settings.listen.port(), gateway::build::files::PORT);
    let map = gateway::build::files::config_map(&gathered.owner, &names, &plan.files.unwrap());
    let (file, text) = map.data.unwrap().into_iter().next().unwrap();
    assert_eq!(settings.document, std::path::Path::new(&keeper.volume_mounts.unwrap()[1].mount_path).join(file));
    let document: Document = serde_json::from_str(&text).unwrap();
    let agent = &document.agents[0];
    assert_eq!((agent.name.as_str(), agent.directory.as_str()), ("writer", "workspaces/writer"));
    assert_eq!((agent.files[0].policy, agent.files[0].content.as_str()), (Policy::Managed, "calm"));
    assert_eq!(agent.files[1].section.as_deref(), Some(""), "AGENTS.md may have a section");

    let (hash, kept) = ("abc".to_owned(), "SOUL.md.kept".to_owned());
    let states = [
        State::InStep { hash: hash.clone() },
        State::Evolved { hash: hash.clone(), since: 1 },
        State::Conflict { hash, since: 1, kept },
        State::Fault { message: "no".into() },
    ];
    for state in states {
        let files = vec![FileReport { path: "SOUL.md".into(), state }];
        let report = Report { revision: document.revision.clone(), agents: [("writer".into(), files)].into() };
        let read: gateway::files::report::Report = serde_json::from_value(json!(report)).unwrap();
        assert_eq!(
            (read.revision.as_str(), read.agents["writer"][0].path.as_str()),
            (report.revision.as_str(), "SOUL.md")
        );
    }
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
