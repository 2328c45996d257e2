//! The sandbox's Pod: any image, with the shell that only its gateway can enter.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use k8s_openapi::api::core::v1::{
    Affinity, Container, ContainerPort, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EnvVar, KeyToPath,
    ObjectFieldSelector, PersistentVolumeClaimVolumeSource, Pod, PodAffinity, PodAffinityTerm, PodSpec, Probe,
    SecretVolumeSource, TCPSocketAction, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;

use super::mounts::{self, HOME_VOLUME, home_directories};
use super::service::PORT_NAME;
use crate::api::Agent;
use crate::api::sandbox::WorkspaceAccess;
use crate::api::sandbox_mounts::HOME_DIRECTORY;
use crate::naming::{self, GatewayNames, LABEL_SANDBOX_GATEWAY, SandboxNames, child_of};
use crate::openclaw::paths;
use crate::pods::containers::{
    SHELL_DIRECTORY, SHELL_VOLUME, env_from, hardened, install_container, merged_resources, mount, mount_read_only,
    resources, scratch, security_context, shell_container, some, user_variable,
};
use crate::pods::fingerprint::hash;
use crate::pods::network::labelled;
use crate::pods::workspace::CLAIM_VOLUME;
use crate::references::reserved;
use crate::references::sources::HOST_KEY;
use crate::sandbox::isolation::{self, UNREACHABLE};
use crate::sandbox::plan::{Claim, PodPlan};

pub use crate::pods::workspace::SHELL_CONTAINER;

const PREPARE_CONTAINER: &str = "prepare";

const SSH_VOLUME: &str = "ssh";
const POD_VOLUME: &str = "pod";
const WORKSPACES_VOLUME: &str = "workspaces";
const TEMPORARY_VOLUME: &str = "tmp";

/// Where the whole claim is mounted while its directory is made.
const CLAIM_DIRECTORY: &str = "/claim";
/// The same of the claim with the home directory.
const HOME_CLAIM_DIRECTORY: &str = "/home-claim";
const SSH_DIRECTORY: &str = "/etc/creel/ssh";
const POD_DIRECTORY: &str = "/etc/creel/pod";
/// The file that holds the annotation [`naming::DRAIN`].
const DRAIN_FILE: &str = "drain";
/// Seconds; calls that run are given 20 of them.
const GRACE_SECONDS: i64 = 30;

/// The Pod for this plan. `api_server`: the address under which Pods find the Kubernetes API, where it is known.
#[must_use]
pub fn build(
    agent: &Agent,
    names: &SandboxNames,
    plan: &PodPlan,
    shell_image: &str,
    api_server: Option<SocketAddr>,
) -> Pod {
    let user = plan.spec.pod_template.clone().unwrap_or_default();
    let user_metadata = user.metadata.clone().unwrap_or_default();
    let mut labels = user_metadata.labels;
    labels.extend(names.labels());
    labels.insert(LABEL_SANDBOX_GATEWAY.to_owned(), plan.gateway.clone());
    let mut annotations = user_metadata.annotations;
    let mut spec = hardened(user, &plan.spec.image_pull_secrets);
    if plan.follows() {
        spec.affinity = Some(beside_gateway(spec.affinity, &plan.gateway));
    }
    let spec = PodSpec {
        restart_policy: Some("OnFailure".to_owned()),
        runtime_class_name: plan.spec.runtime_class_name.clone(),
        service_account_name: plan.spec.service_account_name.clone(),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        init_containers: Some(vec![
            install_container(shell_image),
            prepare_container(shell_image, plan),
            isolation_container(shell_image, plan, api_server),
        ]),
        containers: vec![main_container(plan)],
        volumes: Some(volumes(names, plan)),
        ..spec
    };
    annotations.extend([
        (naming::PLAN.to_owned(), plan.hash()),
        (naming::RENDERING.to_owned(), hash(&spec)),
        (naming::PARTS.to_owned(), json(&plan.parts)),
        (naming::ENVIRONMENT.to_owned(), json(&plan.digests)),
        (naming::SANDBOX_NAME.to_owned(), plan.sandbox.clone()),
    ]);
    annotations.extend(plan.files_version.clone().map(|version| (naming::FILES.to_owned(), version)));
    let mut metadata = child_of(agent, &names.sandbox, labels);
    metadata.annotations = Some(annotations);
    Pod { metadata, spec: Some(spec), status: None }
}

/// Maps of strings always serialise.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// On the node of the gateway's Pod, beside whatever else the user requires.
fn beside_gateway(user: Option<Affinity>, gateway: &str) -> Affinity {
    let mut affinity = user.unwrap_or_default();
    let pods = affinity.pod_affinity.get_or_insert_with(PodAffinity::default);
    let required = pods.required_during_scheduling_ignored_during_execution.get_or_insert_default();
    required.push(PodAffinityTerm {
        label_selector: Some(labelled(GatewayNames::of(gateway).selector())),
        topology_key: "kubernetes.io/hostname".to_owned(),
        ..PodAffinityTerm::default()
    });
    affinity
}

/// Makes the directories that are mounted or mounted into: those that the kubelet or the runtime would make are root's.
fn prepare_container(shell_image: &str, plan: &PodPlan) -> Container {
    let below_root = sandbox_directory(plan);
    let below_root = below_root.trim_start_matches(paths::SANDBOX_WORKSPACE_ROOT).trim_start_matches('/');
    let mut directories: Vec<String> = ["workspace", "agent"]
        .iter()
        .map(|directory| format!("{}:{below_root}/{directory}", paths::SANDBOX_WORKSPACE_ROOT))
        .collect();
    let mut mounts = vec![mount(WORKSPACES_VOLUME, paths::SANDBOX_WORKSPACE_ROOT)];
    if plan.claim.is_some() {
        let (workspace, left) = (plan.layout.workspace(&plan.agent), plan.layout.left_by_others());
        // Made here, the gateway would take it for what others left.
        for directory in &left {
            directories.extend(["--require".to_owned(), format!("{CLAIM_DIRECTORY}:{directory}")]);
        }
        if !left.contains(&workspace) {
            directories.push(format!("{CLAIM_DIRECTORY}:{workspace}"));
        }
        mounts.push(mount(CLAIM_VOLUME, CLAIM_DIRECTORY));
    }
    if plan.spec.home.is_some() {
        directories
            .extend(home_directories(plan).iter().map(|directory| format!("{HOME_CLAIM_DIRECTORY}:{directory}")));
        mounts.push(mount(HOME_VOLUME, HOME_CLAIM_DIRECTORY));
    }
    let arguments: Vec<&str> = std::iter::once("prepare").chain(directories.iter().map(String::as_str)).collect();
    Container {
        volume_mounts: Some(mounts),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..shell_container(PREPARE_CONTAINER, shell_image, &arguments)
    }
}

/// Where OpenClaw works in the Pod.
fn sandbox_directory(plan: &PodPlan) -> String {
    paths::sandbox_directory(&plan.agent, &plan.layout.workspace_directory(&plan.agent))
}

/// Tries what commands must not be able to do, from where they will run.
fn isolation_container(shell_image: &str, plan: &PodPlan, api_server: Option<SocketAddr>) -> Container {
    let mut arguments = vec![isolation::CONTAINER.to_owned()];
    for target in isolation::targets(&plan.spec, api_server) {
        arguments.extend([UNREACHABLE.to_owned(), target.to_string()]);
    }
    if plan.access == WorkspaceAccess::Ro {
        arguments.extend(["--read-only".to_owned(), mounted_workspace(plan)]);
    }
    arguments.extend(["--report".to_owned(), "/dev/termination-log".to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Container { volume_mounts: Some(mounts(plan)), ..shell_container(isolation::CONTAINER, shell_image, &arguments) }
}

fn main_container(plan: &PodPlan) -> Container {
    let spec = &plan.spec;
    let defaults = resources(&[("cpu", "100m"), ("memory", "256Mi")], &[("memory", "1Gi")]);
    Container {
        name: SHELL_CONTAINER.to_owned(),
        image: Some(spec.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(command(plan)),
        env: some(environment(plan)),
        env_from: some(spec.env_from.iter().map(env_from).collect()),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.to_owned()),
            container_port: i32::from(paths::SANDBOX_PORT),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        startup_probe: Some(Probe { failure_threshold: Some(60), ..probe(1) }),
        readiness_probe: Some(probe(10)),
        resources: Some(merged_resources(defaults, spec.resources.as_ref())),
        security_context: Some(security_context()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some([mounts(plan), mounts::mounts(plan)].concat()),
        ..Container::default()
    }
}

fn command(plan: &PodPlan) -> Vec<String> {
    let shell = format!("{SHELL_DIRECTORY}/creel-shell");
    let mut command = vec![shell.clone(), "run".to_owned(), "--".to_owned(), shell, "serve".to_owned()];
    let mut option = |name: &str, value: String| command.extend([name.to_owned(), value]);
    option("--listen", format!("0.0.0.0:{}", paths::SANDBOX_PORT));
    option("--host-key", format!("{SSH_DIRECTORY}/{HOST_KEY}"));
    option("--authorized-key", plan.client_key.clone());
    option("--drain-file", format!("{POD_DIRECTORY}/{DRAIN_FILE}"));
    if plan.claim.is_some() {
        option("--keep-workspace", sandbox_directory(plan));
    }
    command
}

/// The user's variables, empty ones over what `envFrom` must not set, and where the home directory is; sorted, each once.
fn environment(plan: &PodPlan) -> Vec<EnvVar> {
    let overridden = plan.overridden().into_keys();
    let mut by_name: BTreeMap<_, _> = overridden.map(|name| (name.clone(), reserved::emptied(&name))).collect();
    by_name.extend(plan.spec.env.iter().map(|variable| (variable.name.clone(), user_variable(variable))));
    by_name.extend(plan.spec.home.as_ref().map(|_| {
        let home = EnvVar { name: "HOME".to_owned(), value: Some(HOME_DIRECTORY.to_owned()), value_from: None };
        (home.name.clone(), home)
    }));
    by_name.into_values().collect()
}

fn probe(period_seconds: i32) -> Probe {
    Probe {
        tcp_socket: Some(TCPSocketAction { port: IntOrString::String(PORT_NAME.to_owned()), host: None }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(5),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

/// Where the claim's directory is mounted: OpenClaw works in `workspace`, and reads in `agent` what it may only read.
fn mounted_workspace(plan: &PodPlan) -> String {
    let directory = if plan.access == WorkspaceAccess::Ro { "agent" } else { "workspace" };
    format!("{}/{directory}", sandbox_directory(plan))
}

fn mounts(plan: &PodPlan) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount_read_only(SHELL_VOLUME, SHELL_DIRECTORY),
        mount_read_only(SSH_VOLUME, SSH_DIRECTORY),
        mount_read_only(POD_VOLUME, POD_DIRECTORY),
        mount(TEMPORARY_VOLUME, "/tmp"),
        mount(WORKSPACES_VOLUME, paths::SANDBOX_WORKSPACE_ROOT),
    ];
    if plan.claim.is_some() {
        mounts.push(VolumeMount {
            sub_path: Some(plan.layout.workspace(&plan.agent)),
            read_only: Some(plan.access == WorkspaceAccess::Ro),
            ..mount(CLAIM_VOLUME, &mounted_workspace(plan))
        });
    }
    mounts
}

fn volumes(names: &SandboxNames, plan: &PodPlan) -> Vec<Volume> {
    let volume = |name: &str| Volume { name: name.to_owned(), ..Volume::default() };
    let host_key = KeyToPath { key: HOST_KEY.to_owned(), path: HOST_KEY.to_owned(), mode: None };
    let drain = DownwardAPIVolumeFile {
        path: DRAIN_FILE.to_owned(),
        field_ref: Some(ObjectFieldSelector {
            field_path: format!("metadata.annotations['{}']", naming::DRAIN),
            ..ObjectFieldSelector::default()
        }),
        ..DownwardAPIVolumeFile::default()
    };
    let mut volumes = vec![
        scratch(SHELL_VOLUME, "64Mi"),
        Volume {
            secret: Some(SecretVolumeSource {
                secret_name: Some(names.sandbox.clone()),
                items: Some(vec![host_key]),
                default_mode: Some(0o440),
                optional: None,
            }),
            ..volume(SSH_VOLUME)
        },
        Volume {
            downward_api: Some(DownwardAPIVolumeSource { items: Some(vec![drain]), default_mode: None }),
            ..volume(POD_VOLUME)
        },
        scratch(TEMPORARY_VOLUME, "1Gi"),
        scratch(WORKSPACES_VOLUME, "2Gi"),
    ];
    volumes.extend(plan.claim.as_ref().map(|claim: &Claim| Volume {
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.name.clone(),
            read_only: Some(false),
        }),
        ..volume(CLAIM_VOLUME)
    }));
    volumes.extend(mounts::volumes(names, plan));
    volumes
}
