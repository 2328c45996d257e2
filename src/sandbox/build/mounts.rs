//! What users have commands see beside the workspace: files, volumes, a home directory, a token for the Kubernetes API.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIProjection, DownwardAPIVolumeFile, NFSVolumeSource,
    ObjectFieldSelector, PersistentVolumeClaimVolumeSource, Pod, ProjectedVolumeSource, SecretVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};

use super::pod::SHELL_CONTAINER;
use crate::api::sandbox_mounts::{self, FileMount, HOME_DIRECTORY};
use crate::naming::SandboxNames;
use crate::pods::containers::{mount, mount_read_only};
use crate::sandbox::plan::PodPlan;

/// The claim with the home directory, as a volume of the Pod.
pub const HOME_VOLUME: &str = "home";
/// The directory on it: the root of a volume may belong to root, and has directories of the file system.
pub const HOME_SUB_PATH: &str = "home";

/// Where clients of the Kubernetes API look for their credentials.
const TOKEN_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_VOLUME: &str = "token";
/// As the API server's own admission plugin asks for; the kubelet renews the token before.
const TOKEN_SECONDS: i64 = 3607;

const FILES_PREFIX: &str = "files-";
const VOLUME_PREFIX: &str = "volume-";

/// Read by the Pod's group, which commands have.
const SECRET_MODE: i32 = 0o440;
/// It may hold scripts.
const CONFIG_MAP_MODE: i32 = 0o555;

/// The mounts of the container in which commands run. The home directory comes first: others may lie in it.
#[must_use]
pub fn mounts(plan: &PodPlan) -> Vec<VolumeMount> {
    let home = plan
        .spec
        .home
        .as_ref()
        .map(|_| VolumeMount { sub_path: Some(HOME_SUB_PATH.to_owned()), ..mount(HOME_VOLUME, HOME_DIRECTORY) });
    let files = plan.spec.files.iter().zip(0..).map(|(files, number)| {
        // The whole directory: a subPath would never be refreshed.
        mount_read_only(&name(FILES_PREFIX, number), &files.mount_path)
    });
    let volumes = plan.spec.volumes.iter().zip(0..).map(|(volume, number)| VolumeMount {
        read_only: Some(volume.read_only),
        ..mount(&name(VOLUME_PREFIX, number), &volume.mount_path)
    });
    let token = plan.spec.service_account_name.as_ref().map(|_| mount_read_only(TOKEN_VOLUME, TOKEN_DIRECTORY));
    home.into_iter().chain(volumes).chain(files).chain(token).collect()
}

/// The volumes of these mounts.
#[must_use]
pub fn volumes(names: &SandboxNames, plan: &PodPlan) -> Vec<Volume> {
    let home = plan.spec.home.as_ref().map(|_| Volume {
        name: HOME_VOLUME.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: names.home.clone(),
            read_only: Some(false),
        }),
        ..Volume::default()
    });
    let files = plan.spec.files.iter().zip(0..).map(|(files, number)| of_files(name(FILES_PREFIX, number), files));
    let volumes =
        plan.spec.volumes.iter().zip(0..).map(|(volume, number)| of_volume(name(VOLUME_PREFIX, number), volume));
    let token = plan.spec.service_account_name.as_ref().map(|_| token());
    home.into_iter().chain(volumes).chain(files).chain(token).collect()
}

/// What the API server would mount into all containers, for the one that commands run in.
fn token() -> Volume {
    let token = VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            path: "token".to_owned(),
            expiration_seconds: Some(TOKEN_SECONDS),
            audience: None,
        }),
        ..VolumeProjection::default()
    };
    let authority = VolumeProjection {
        config_map: Some(ConfigMapProjection { name: "kube-root-ca.crt".to_owned(), ..ConfigMapProjection::default() }),
        ..VolumeProjection::default()
    };
    let namespace = DownwardAPIVolumeFile {
        path: "namespace".to_owned(),
        field_ref: Some(ObjectFieldSelector {
            field_path: "metadata.namespace".to_owned(),
            ..ObjectFieldSelector::default()
        }),
        ..DownwardAPIVolumeFile::default()
    };
    let namespace = VolumeProjection {
        downward_api: Some(DownwardAPIProjection { items: Some(vec![namespace]) }),
        ..VolumeProjection::default()
    };
    let sources = Some(vec![token, authority, namespace]);
    Volume {
        name: TOKEN_VOLUME.to_owned(),
        projected: Some(ProjectedVolumeSource { sources, ..ProjectedVolumeSource::default() }),
        ..Volume::default()
    }
}

/// Whether commands in the Pod have a token for the Kubernetes API.
#[must_use]
pub fn has_token(pod: &Pod) -> bool {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.into_iter().any(|volume| volume.name == TOKEN_VOLUME && volume.projected.is_some())
}

fn name(prefix: &str, number: usize) -> String {
    format!("{prefix}{number}")
}

fn of_files(name: String, files: &FileMount) -> Volume {
    let secret = files.secret_ref.as_ref().map(|secret| SecretVolumeSource {
        secret_name: Some(secret.name.clone()),
        default_mode: Some(SECRET_MODE),
        ..SecretVolumeSource::default()
    });
    let config_map = files.config_map_ref.as_ref().map(|map| ConfigMapVolumeSource {
        name: map.name.clone(),
        default_mode: Some(CONFIG_MAP_MODE),
        ..ConfigMapVolumeSource::default()
    });
    Volume { name, secret, config_map, ..Volume::default() }
}

/// What is only read is also attached so, where that is possible: Kubernetes changes no groups of files there.
fn of_volume(name: String, volume: &sandbox_mounts::VolumeMount) -> Volume {
    let claim = volume.persistent_volume_claim.as_ref().map(|claim| PersistentVolumeClaimVolumeSource {
        claim_name: claim.claim_name.clone(),
        read_only: Some(volume.read_only),
    });
    let nfs = volume.nfs.as_ref().map(|nfs| NFSVolumeSource {
        server: nfs.server.clone(),
        path: nfs.path.clone(),
        read_only: Some(volume.read_only),
    });
    Volume { name, persistent_volume_claim: claim, nfs, ..Volume::default() }
}

/// The directories that have to be on the home directory's claim, from its root: itself, and those in it that are mounted over.
#[must_use]
pub fn home_directories(plan: &PodPlan) -> Vec<String> {
    if plan.spec.home.is_none() {
        return Vec::new();
    }
    let files = plan.spec.files.iter().map(|files| &files.mount_path);
    let all = files.chain(plan.spec.volumes.iter().map(|volume| &volume.mount_path));
    let in_home = all.filter_map(|path| path.strip_prefix(HOME_DIRECTORY)?.strip_prefix('/'));
    let in_home = in_home.map(|path| format!("{HOME_SUB_PATH}/{path}"));
    std::iter::once(HOME_SUB_PATH.to_owned()).chain(in_home).collect()
}

/// Whether the one Pod gives commands something that the other does not: files, a volume, a volume for writing, or an account.
#[must_use]
pub fn withdraws(pod: &Pod, wanted: &Pod) -> bool {
    !given(pod).is_subset(&given(wanted))
}

/// What the Pod gives its commands on behalf of `files`, `volumes` and `serviceAccountName`, each by what it is; what can be written counts
/// as readable too.
fn given(pod: &Pod) -> BTreeSet<(String, bool)> {
    let Some(spec) = &pod.spec else { return BTreeSet::new() };
    let shell = spec.containers.iter().find(|container| container.name == SHELL_CONTAINER);
    let mounts = shell.into_iter().flat_map(|shell| shell.volume_mounts.iter().flatten());
    let ours = mounts.filter(|mount| [FILES_PREFIX, VOLUME_PREFIX].iter().any(|prefix| mount.name.starts_with(prefix)));
    let each = ours.flat_map(|mount| {
        let volume = spec.volumes.iter().flatten().find(|volume| volume.name == mount.name);
        let source = volume.map(source).unwrap_or_default();
        let writes = (mount.read_only != Some(true)).then(|| (source.clone(), true));
        [(source, false)].into_iter().chain(writes)
    });
    let account = spec.service_account_name.as_ref().filter(|_| has_token(pod));
    each.chain(account.map(|name| (format!("ServiceAccount {name}"), false))).collect()
}

fn source(volume: &Volume) -> String {
    if let Some(secret) = &volume.secret {
        return format!("Secret {}", secret.secret_name.as_deref().unwrap_or_default());
    }
    if let Some(map) = &volume.config_map {
        return format!("ConfigMap {}", map.name);
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        return format!("PersistentVolumeClaim {}", claim.claim_name);
    }
    volume.nfs.as_ref().map(|nfs| format!("nfs {}:{}", nfs.server, nfs.path)).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
