//! What all Pods of ours have in common: hardening, creel-shell, resources, the environment that users add. Pure.
//!
//! Fields that security rests on are always written, also when empty or false: applying with force then undoes what
//! somebody sets there.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapEnvSource, ConfigMapKeySelector, Container, EmptyDirVolumeSource, EnvFromSource, EnvVar,
    EnvVarSource, LocalObjectReference, PodSecurityContext, PodSpec, ResourceRequirements, SeccompProfile,
    SecretEnvSource, SecretKeySelector, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::api::environment;
use crate::api::pod_template::{PodTemplate, Resources};
use crate::api::references::{KeySelector, LocalReference};
use crate::openclaw::paths;

/// Where creel-shell is copied to.
pub const SHELL_DIRECTORY: &str = "/opt/creel";
/// The name of the volume with creel-shell, and of the container that copies it there.
pub const SHELL_VOLUME: &str = "creel-shell";
/// Where creel-shell lies in its own image.
const SHELL_IN_IMAGE: &str = "/creel-shell";

/// A Pod without any access to its node or to the API, where the user wants it, for everything else to be filled in.
#[must_use]
pub fn hardened(user: PodTemplate, image_pull_secrets: &[LocalReference]) -> PodSpec {
    let pull_secret = |secret: &LocalReference| LocalObjectReference { name: secret.name.clone() };
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        host_network: Some(false),
        host_pid: Some(false),
        host_ipc: Some(false),
        share_process_namespace: Some(false),
        security_context: Some(pod_security_context()),
        image_pull_secrets: some(image_pull_secrets.iter().map(pull_secret).collect()),
        node_selector: (!user.node_selector.is_empty()).then_some(user.node_selector),
        tolerations: some(user.tolerations),
        affinity: user.affinity,
        priority_class_name: user.priority_class_name,
        ..PodSpec::default()
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

/// What no container of ours may do.
#[must_use]
pub fn security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        ..SecurityContext::default()
    }
}

/// Copies creel-shell in, so that every other image stays as its makers shipped it.
#[must_use]
pub fn install_container(shell_image: &str) -> Container {
    Container {
        volume_mounts: Some(vec![mount(SHELL_VOLUME, SHELL_DIRECTORY)]),
        ..shell_container(SHELL_VOLUME, shell_image, &["install", SHELL_DIRECTORY])
    }
}

/// A container of creel-shell's own image that does one small thing.
#[must_use]
pub fn shell_container(name: &str, shell_image: &str, arguments: &[&str]) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(shell_image.to_owned()),
        command: Some(shell_command(arguments)),
        resources: Some(resources(&[("cpu", "10m"), ("memory", "16Mi")], &[("memory", "64Mi")])),
        security_context: Some(security_context()),
        ..Container::default()
    }
}

/// A command of creel-shell in its own image.
#[must_use]
pub fn shell_command(arguments: &[&str]) -> Vec<String> {
    std::iter::once(SHELL_IN_IMAGE).chain(arguments.iter().copied()).map(str::to_owned).collect()
}

/// A variable as users write it.
#[must_use]
pub fn user_variable(variable: &environment::EnvVar) -> EnvVar {
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

/// A whole Secret or ConfigMap as environment, as users write it.
#[must_use]
pub fn env_from(source: &environment::EnvFromSource) -> EnvFromSource {
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

/// The user's amounts over the defaults, each for itself. A default request yields to a lower limit, and a default limit to a higher
/// request: the API server refuses a request above its limit.
#[must_use]
pub fn merged_resources(mut defaults: ResourceRequirements, user: Option<&Resources>) -> ResourceRequirements {
    let Some(user) = user else { return defaults };
    let over = |defaults: &mut Option<BTreeMap<String, Quantity>>, user: &BTreeMap<String, crate::api::Quantity>| {
        let merged = defaults.get_or_insert_default();
        merged.extend(user.iter().map(|(name, amount)| (name.clone(), amount.into())));
    };
    over(&mut defaults.requests, &user.requests);
    over(&mut defaults.limits, &user.limits);
    let nano = |amount: &Quantity| crate::api::Quantity(amount.0.clone()).nano();
    let (mut requests, mut limits) = (defaults.requests.unwrap_or_default(), defaults.limits.unwrap_or_default());
    for (name, request) in &mut requests {
        let Some(limit) = limits.get_mut(name) else { continue };
        let exceeds = nano(limit).zip(nano(request)).is_some_and(|(limit, request)| limit < request);
        match (user.requests.contains_key(name), user.limits.contains_key(name)) {
            (false, _) if exceeds => *request = limit.clone(),
            (true, false) if exceeds => *limit = request.clone(),
            _ => {}
        }
    }
    ResourceRequirements { requests: Some(requests), limits: Some(limits), ..defaults }
}

/// Requests and limits by resource name.
#[must_use]
pub fn resources(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let amounts = |pairs: &[(&str, &str)]| {
        Some(pairs.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned()))).collect())
    };
    ResourceRequirements { requests: amounts(requests), limits: amounts(limits), claims: None }
}

/// Scratch space of at most this size, gone with the Pod.
#[must_use]
pub fn scratch(name: &str, size: &str) -> Volume {
    let empty_dir = EmptyDirVolumeSource { size_limit: Some(Quantity(size.to_owned())), medium: None };
    Volume { name: name.to_owned(), empty_dir: Some(empty_dir), ..Volume::default() }
}

/// The whole volume at this path.
#[must_use]
pub fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { name: volume.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

/// The same, for reading only.
#[must_use]
pub fn mount_read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { read_only: Some(true), ..mount(volume, path) }
}

/// An empty list is left out: the API server drops it, and we would then own a field that is not there.
#[must_use]
pub fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The request and the limit of this resource, over defaults of all kinds.
    fn merged(name: &str, user: serde_json::Value) -> (Option<String>, Option<String>) {
        let defaults = resources(&[("cpu", "250m"), ("memory", "256Mi")], &[("memory", "1Gi")]);
        let user: Resources = serde_json::from_value(user).unwrap();
        let ResourceRequirements { requests, limits, .. } = merged_resources(defaults, Some(&user));
        let of = |amounts: Option<BTreeMap<String, Quantity>>| amounts?.remove(name).map(|amount| amount.0);
        (of(requests), of(limits))
    }

    fn amounts(request: &str, limit: &str) -> (Option<String>, Option<String>) {
        (Some(request.to_owned()), Some(limit.to_owned()))
    }

    #[test]
    fn a_default_request_yields_to_a_lower_limit() {
        assert_eq!(merged("memory", json!({"limits": {"memory": "128Mi"}})), amounts("128Mi", "128Mi"));
        assert_eq!(merged("memory", json!({"limits": {"memory": "1e8"}})), amounts("1e8", "1e8"));
        assert_eq!(merged("memory", json!({"limits": {"memory": "2Gi"}})), amounts("256Mi", "2Gi"));
        assert_eq!(merged("cpu", json!({"limits": {"cpu": "200m"}})), amounts("200m", "200m"));
        assert_eq!(merged("cpu", json!({"limits": {"cpu": "0.2"}})), amounts("0.2", "0.2"));
        assert_eq!(merged("cpu", json!({"limits": {"cpu": 1}})), amounts("250m", "1"));
    }

    #[test]
    fn a_default_limit_yields_to_a_higher_request() {
        assert_eq!(merged("memory", json!({"requests": {"memory": "4Gi"}})), amounts("4Gi", "4Gi"));
        assert_eq!(merged("memory", json!({"requests": {"memory": "512Mi"}})), amounts("512Mi", "1Gi"));
    }

    #[test]
    fn what_users_set_is_theirs_to_correct() {
        let user = json!({"requests": {"memory": "512Mi"}, "limits": {"memory": "128Mi"}});
        assert_eq!(merged("memory", user), amounts("512Mi", "128Mi"));
    }
}
