//! The gateway's Pod, as hardened as the restricted Pod Security Standard asks and a little more.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, EnvVar, EnvVarSource, ExecAction, HTTPGetAction,
    PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec, Probe, SecretKeySelector, Volume,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::service::PORT_NAME;
use super::{SHELL_TOKEN_VARIABLE, affinity, files, relay, skills};
use crate::gateway::plan::PodPlan;
use crate::naming::{self, GatewayNames};
use crate::openclaw::names::is_text;
use crate::openclaw::paths;
use crate::pods::containers::{
    SHELL_DIRECTORY, SHELL_VOLUME, env_from, hardened, install_container, merged_resources, mount, mount_read_only,
    resources, scratch, security_context, shell_command, shell_container, some, user_variable,
};
use crate::references::reserved;

/// The name of the container that runs the gateway.
pub const GATEWAY_CONTAINER: &str = "gateway";
/// The name of the sidecar that holds the claim's lock. Another name, as another subcommand, would replace the Pod of every gateway.
pub const CLAIM_LOCK_CONTAINER: &str = "keep";

const CLAIM_VOLUME: &str = "claim";
const CONFIG_VOLUME: &str = "config";
const TEMPORARY_VOLUME: &str = "tmp";

/// The template of the Pod.
#[must_use]
pub fn build(names: &GatewayNames, plan: &PodPlan, shell_image: &str) -> PodTemplateSpec {
    let gateway = &plan.gateway;
    let user = gateway.pod_template.clone().unwrap_or_default();
    let user_metadata = user.metadata.clone().unwrap_or_default();
    let mut labels = user_metadata.labels;
    labels.extend(names.labels());
    let mut annotations = user_metadata.annotations;
    annotations.insert(naming::PLAN.to_owned(), plan.hash());
    let relay = (!gateway.clients().is_empty()).then(|| relay::container(plan, shell_image));
    PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() }),
        spec: Some(PodSpec {
            service_account_name: Some(names.gateway.clone()),
            // The same for each Pod of a gateway: OpenClaw takes over at once what a killed gateway holds where it can see that the
            // process is gone, which it looks for on the host of the same name only, and elsewhere refuses to start for five minutes.
            hostname: Some(names.gateway.clone()),
            termination_grace_period_seconds: Some(paths::TERMINATION_GRACE_SECONDS),
            init_containers: Some(
                [install_container(shell_image), claim_lock_container(plan, shell_image)]
                    .into_iter()
                    .chain(relay)
                    .collect(),
            ),
            containers: vec![gateway_container(plan)],
            volumes: Some(volumes(names, plan)),
            affinity: Some(affinity::build(names.owner(), user.affinity.clone())),
            ..hardened(user, &gateway.image_pull_secrets)
        }),
    }
}

/// Holds the claim's lock for the Pod's life. As a sidecar with a startup probe it lets the gateway start only once it has the
/// lock, and it ends after the gateway.
///
/// It also sees to it that what the gateway is to take over is there, and keeps the files of workspaces.
fn claim_lock_container(plan: &PodPlan, shell_image: &str) -> Container {
    let of_files = files::arguments();
    let left_by_others = plan.layout.left_by_others();
    let required: Vec<String> =
        left_by_others.iter().map(|directory| format!("{}:{directory}", paths::CLAIM_DIRECTORY)).collect();
    let required = required.iter().flat_map(|directory| ["--require", directory.as_str()]);
    let arguments: Vec<&str> = ["keep", "--directory", paths::CLAIM_DIRECTORY]
        .into_iter()
        .chain(required)
        .chain(of_files.iter().map(String::as_str))
        .collect();
    Container {
        restart_policy: Some("Always".to_owned()),
        startup_probe: Some(Probe {
            exec: Some(ExecAction { command: Some(shell_command(&["ready"])) }),
            period_seconds: Some(1),
            timeout_seconds: Some(5),
            // The gateway before this one may take its whole grace period to end, and a lost node longer: wait, never restart.
            failure_threshold: Some(i32::MAX),
            ..Probe::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        env: Some(vec![secret_variable(SHELL_TOKEN_VARIABLE, &plan.token.name, &plan.token.key, false)]),
        volume_mounts: Some(vec![mount(CLAIM_VOLUME, paths::CLAIM_DIRECTORY), files::MOUNTED.mount()]),
        ..shell_container(CLAIM_LOCK_CONTAINER, shell_image, &arguments)
    }
}

fn gateway_container(plan: &PodPlan) -> Container {
    let gateway = &plan.gateway;
    let defaults = resources(&[("cpu", "250m"), ("memory", "1Gi")], &[("memory", "2Gi")]);
    let resources = merged_resources(defaults, gateway.resources.as_ref());
    let memory = resources.limits.as_ref().and_then(|limits| limits.get("memory")).and_then(bytes);
    Container {
        name: GATEWAY_CONTAINER.to_owned(),
        image: Some(plan.image.clone()),
        image_pull_policy: Some(gateway.image_pull_policy.map_or("IfNotPresent", |policy| policy.as_str()).to_owned()),
        command: Some(paths::COMMAND.map(str::to_owned).to_vec()),
        env: Some(environment(plan, memory)),
        env_from: some(gateway.env_from.iter().map(env_from).collect()),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.to_owned()),
            container_port: i32::from(paths::PORT),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        startup_probe: Some(Probe { failure_threshold: Some(600), ..probe(paths::STARTUP_PATH, 1) }),
        readiness_probe: Some(probe(paths::STARTUP_PATH, 5)),
        liveness_probe: Some(Probe { failure_threshold: Some(6), ..probe(paths::HEALTH_PATH, 10) }),
        resources: Some(resources),
        security_context: Some(security_context()),
        // The last log lines tell why it ended, where it writes no message.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            mount(CLAIM_VOLUME, paths::CLAIM_DIRECTORY),
            mount_read_only(CONFIG_VOLUME, paths::CONFIG_DIRECTORY),
            mount_read_only(SHELL_VOLUME, SHELL_DIRECTORY),
            mount(TEMPORARY_VOLUME, "/tmp"),
            skills::MOUNTED.mount(),
        ]),
        ..Container::default()
    }
}

fn probe(path: &str, period_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(PORT_NAME.to_owned()),
            scheme: Some("HTTP".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(10),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

/// Fixed variables, empty ones over what `envFrom` must not set, the token, the Providers' secrets, then the user's; sorted, each once.
fn environment(plan: &PodPlan, memory: Option<u64>) -> Vec<EnvVar> {
    let literal = |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), value_from: None };
    let mut all: BTreeMap<String, EnvVar> = BTreeMap::new();
    let mut add = |variable: EnvVar| {
        all.insert(variable.name.clone(), variable);
    };
    plan.gateway.env.iter().map(user_variable).for_each(&mut add);
    plan.overridden().iter().map(|variable| reserved::emptied(variable)).for_each(&mut add);
    paths::ENVIRONMENT.iter().map(|(name, value)| literal(name, (*value).to_owned())).for_each(&mut add);
    add(literal(paths::STATE_VARIABLE, plan.layout.state_directory()));
    if let Some(memory) = memory {
        add(literal(paths::NODE_OPTIONS_VARIABLE, paths::node_options(memory)));
    }
    add(secret_variable(paths::TOKEN_VARIABLE, &plan.token.name, &plan.token.key, false));
    // Also without any sandbox: the first one then brings no new environment, so no restart.
    add(secret_variable(paths::SSH_KEY_VARIABLE, &plan.ssh_key.name, &plan.ssh_key.key, false));
    for variable in plan.of_agents() {
        // A Pod that is moved while the Secret of a SecretRef is away starts without what needs it.
        let optional = !is_text(&variable.variable);
        add(secret_variable(&variable.variable, &variable.secret, &variable.key, optional));
    }
    all.into_values().collect()
}

/// A variable whose value is a key of a Secret.
#[must_use]
pub fn secret_variable(name: &str, secret: &str, key: &str, optional: bool) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.to_owned(),
                key: key.to_owned(),
                optional: Some(optional),
            }),
            ..EnvVarSource::default()
        }),
    }
}

fn volumes(names: &GatewayNames, plan: &PodPlan) -> Vec<Volume> {
    let volume = |name: &str| Volume { name: name.to_owned(), ..Volume::default() };
    let clients = (!plan.gateway.clients().is_empty()).then(|| relay::volume(names));
    let all = vec![
        Volume {
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: plan.claim.clone(),
                read_only: Some(false),
            }),
            ..volume(CLAIM_VOLUME)
        },
        Volume {
            config_map: Some(ConfigMapVolumeSource {
                name: names.config(&plan.hash()),
                ..ConfigMapVolumeSource::default()
            }),
            ..volume(CONFIG_VOLUME)
        },
        scratch(SHELL_VOLUME, "64Mi"),
        scratch(TEMPORARY_VOLUME, "2Gi"),
        files::MOUNTED.volume(&names.files),
        skills::MOUNTED.volume(&names.skills),
    ];
    all.into_iter().chain(clients).collect()
}

fn bytes(amount: &Quantity) -> Option<u64> {
    crate::api::Quantity(amount.0.clone()).bytes()
}
