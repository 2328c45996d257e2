//! The gateway's Pod, as hardened as the restricted Pod Security Standard asks and a little more.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapEnvSource, ConfigMapKeySelector, ConfigMapVolumeSource, Container, ContainerPort,
    EmptyDirVolumeSource, EnvFromSource, EnvVar, EnvVarSource, ExecAction, HTTPGetAction, LocalObjectReference,
    PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
    SeccompProfile, SecretEnvSource, SecretKeySelector, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::affinity;
use super::service::PORT_NAME;
use crate::agent::plan::PodPlan;
use crate::api::agent::Gateway;
use crate::api::environment;
use crate::api::references::KeySelector;
use crate::cluster::names::{self, GatewayNames};
use crate::openclaw::paths;

/// The name of the container that runs the gateway.
pub const GATEWAY_CONTAINER: &str = "gateway";
/// The name of the sidecar that holds the claim's lock.
pub const KEEP_CONTAINER: &str = "keep";

/// Where creel-shell is copied to.
const SHELL_DIRECTORY: &str = "/opt/creel";
const CLAIM_VOLUME: &str = "claim";
const CONFIG_VOLUME: &str = "config";
const SHELL_VOLUME: &str = "creel-shell";
const TEMPORARY_VOLUME: &str = "tmp";

/// The template of the Pod.
#[must_use]
pub fn build(names: &GatewayNames, plan: &PodPlan, shell_image: &str) -> PodTemplateSpec {
    let user = plan.gateway.pod_template.clone().unwrap_or_default();
    let user_metadata = user.metadata.unwrap_or_default();
    let mut labels = user_metadata.labels;
    labels.extend(names.labels());
    let mut annotations = user_metadata.annotations;
    annotations.insert(names::PLAN.to_owned(), plan.hash());
    PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() }),
        spec: Some(PodSpec {
            service_account_name: Some(names.gateway.clone()),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            host_network: Some(false),
            host_pid: Some(false),
            host_ipc: Some(false),
            share_process_namespace: Some(false),
            termination_grace_period_seconds: Some(paths::TERMINATION_GRACE_SECONDS),
            security_context: Some(pod_security_context()),
            init_containers: Some(vec![install_container(shell_image), keep_container(shell_image)]),
            containers: vec![gateway_container(plan)],
            volumes: Some(volumes(names, plan)),
            image_pull_secrets: some(
                plan.gateway
                    .image_pull_secrets
                    .iter()
                    .map(|secret| LocalObjectReference { name: secret.name.clone() })
                    .collect(),
            ),
            node_selector: (!user.node_selector.is_empty()).then_some(user.node_selector),
            tolerations: some(user.tolerations),
            affinity: Some(affinity::build(names.owner(), user.affinity)),
            priority_class_name: user.priority_class_name,
            ..PodSpec::default()
        }),
    }
}

fn pod_security_context() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(paths::USER),
        run_as_group: Some(paths::USER),
        fs_group: Some(paths::USER),
        // A large claim would otherwise be walked at each start.
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

fn security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        ..SecurityContext::default()
    }
}

/// Copies creel-shell in, so that the gateway image stays as its makers shipped it.
fn install_container(shell_image: &str) -> Container {
    Container {
        name: SHELL_VOLUME.to_owned(),
        image: Some(shell_image.to_owned()),
        command: Some(vec!["/creel-shell".to_owned(), "install".to_owned(), SHELL_DIRECTORY.to_owned()]),
        resources: Some(resources(&[("cpu", "10m"), ("memory", "16Mi")], &[("memory", "64Mi")])),
        security_context: Some(security_context()),
        volume_mounts: Some(vec![mount(SHELL_VOLUME, SHELL_DIRECTORY)]),
        ..Container::default()
    }
}

/// Holds the claim's lock for the Pod's life. As a sidecar with a startup probe it lets the gateway start only once it has the
/// lock, and it ends after the gateway.
fn keep_container(shell_image: &str) -> Container {
    let shell = |arguments: &[&str]| -> Vec<String> {
        std::iter::once("/creel-shell").chain(arguments.iter().copied()).map(str::to_owned).collect()
    };
    Container {
        name: KEEP_CONTAINER.to_owned(),
        image: Some(shell_image.to_owned()),
        restart_policy: Some("Always".to_owned()),
        command: Some(shell(&["keep", "--directory", paths::CLAIM_DIRECTORY])),
        startup_probe: Some(Probe {
            exec: Some(ExecAction { command: Some(shell(&["ready"])) }),
            period_seconds: Some(1),
            timeout_seconds: Some(5),
            // The gateway before this one may take its whole grace period to end, and a lost node longer: wait, never restart.
            failure_threshold: Some(i32::MAX),
            ..Probe::default()
        }),
        resources: Some(resources(&[("cpu", "10m"), ("memory", "16Mi")], &[("memory", "64Mi")])),
        security_context: Some(security_context()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![mount(CLAIM_VOLUME, paths::CLAIM_DIRECTORY)]),
        ..Container::default()
    }
}

fn gateway_container(plan: &PodPlan) -> Container {
    let gateway = &plan.gateway;
    let resources = gateway_resources(gateway);
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
            VolumeMount { read_only: Some(true), ..mount(CONFIG_VOLUME, paths::CONFIG_DIRECTORY) },
            VolumeMount { read_only: Some(true), ..mount(SHELL_VOLUME, SHELL_DIRECTORY) },
            mount(TEMPORARY_VOLUME, "/tmp"),
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

/// Fixed variables, the token, the Providers' secrets, then the user's; sorted, each once.
fn environment(plan: &PodPlan, memory: Option<u64>) -> Vec<EnvVar> {
    let literal = |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), value_from: None };
    let mut all: BTreeMap<String, EnvVar> = BTreeMap::new();
    let mut add = |variable: EnvVar| {
        all.insert(variable.name.clone(), variable);
    };
    plan.gateway.env.iter().map(user_variable).for_each(&mut add);
    paths::ENVIRONMENT.iter().map(|(name, value)| literal(name, (*value).to_owned())).for_each(&mut add);
    if let Some(memory) = memory {
        add(literal(paths::NODE_OPTIONS_VARIABLE, paths::node_options(memory)));
    }
    add(secret_variable(paths::TOKEN_VARIABLE, &plan.token.name, &plan.token.key, false));
    // Also without any sandbox: the first one then brings no new environment, so no restart.
    add(secret_variable(paths::SSH_KEY_VARIABLE, &plan.ssh_key.name, &plan.ssh_key.key, false));
    for variable in &plan.provider_env {
        // Optional: a Pod that is moved while a Provider's Secret is away starts without that Provider.
        add(secret_variable(&variable.variable, &variable.secret, &variable.key, true));
    }
    all.into_values().collect()
}

fn secret_variable(name: &str, secret: &str, key: &str, optional: bool) -> EnvVar {
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

fn user_variable(variable: &environment::EnvVar) -> EnvVar {
    let from = variable.value_from.as_ref();
    let of_secret = |selector: &KeySelector| SecretKeySelector {
        name: selector.name.clone(),
        key: selector.key.clone(),
        optional: selector.optional,
    };
    let of_config_map = |selector: &KeySelector| ConfigMapKeySelector {
        name: selector.name.clone(),
        key: selector.key.clone(),
        optional: selector.optional,
    };
    EnvVar {
        name: variable.name.clone(),
        value: from.is_none().then(|| variable.value.clone().unwrap_or_default()),
        value_from: from.map(|from| EnvVarSource {
            secret_key_ref: from.secret_key_ref.as_ref().map(of_secret),
            config_map_key_ref: from.config_map_key_ref.as_ref().map(of_config_map),
            ..EnvVarSource::default()
        }),
    }
}

fn env_from(source: &environment::EnvFromSource) -> EnvFromSource {
    EnvFromSource {
        prefix: source.prefix.clone(),
        secret_ref: source
            .secret_ref
            .as_ref()
            .map(|secret| SecretEnvSource { name: secret.name.clone(), optional: secret.optional }),
        config_map_ref: source
            .config_map_ref
            .as_ref()
            .map(|map| ConfigMapEnvSource { name: map.name.clone(), optional: map.optional }),
    }
}

fn volumes(names: &GatewayNames, plan: &PodPlan) -> Vec<Volume> {
    let volume = |name: &str| Volume { name: name.to_owned(), ..Volume::default() };
    let empty = |size: &str| EmptyDirVolumeSource { size_limit: Some(Quantity(size.to_owned())), medium: None };
    vec![
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
        Volume { empty_dir: Some(empty("64Mi")), ..volume(SHELL_VOLUME) },
        Volume { empty_dir: Some(empty("2Gi")), ..volume(TEMPORARY_VOLUME) },
    ]
}

/// The user's values over the defaults, each for itself.
fn gateway_resources(gateway: &Gateway) -> ResourceRequirements {
    let mut resources = resources(&[("cpu", "250m"), ("memory", "1Gi")], &[("memory", "2Gi")]);
    let Some(user) = &gateway.resources else { return resources };
    let over = |defaults: &mut Option<BTreeMap<String, Quantity>>, user: &BTreeMap<String, crate::api::Quantity>| {
        let merged = defaults.get_or_insert_default();
        merged.extend(user.iter().map(|(name, amount)| (name.clone(), amount.into())));
    };
    over(&mut resources.requests, &user.requests);
    over(&mut resources.limits, &user.limits);
    resources
}

fn resources(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let amounts = |pairs: &[(&str, &str)]| {
        Some(pairs.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned()))).collect())
    };
    ResourceRequirements { requests: amounts(requests), limits: amounts(limits), claims: None }
}

fn bytes(amount: &Quantity) -> Option<u64> {
    crate::api::Quantity(amount.0.clone()).bytes()
}

fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { name: volume.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

/// An empty list is left out: the API server drops it, and we would then own a field that is not there.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
