//! What a sandbox mounts beside the workspace: files from Secrets and ConfigMaps, volumes, and a home directory.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;
use super::references::LocalReference;

/// Where the home directory is mounted.
pub const HOME_DIRECTORY: &str = "/home/agent";

const IS_PATH: &str =
    "self.matches('^(/[A-Za-z0-9._@+-]+)+$') && !self.split('/').exists(part, part == '.' || part == '..')";
const IS_PATH_MESSAGE: &str = "mountPath must be an absolute path of letters, digits, '.', '_', '-', '@' and '+', without a slash at its end, for example /data/notes";
const IS_FREE: &str = concat!(
    "!['/dev', '/etc', '/opt/creel', '/proc', '/run/secrets', '/sys', '/tmp', '/var/run', '/workspaces']",
    ".exists(taken, (self + '/').startsWith(taken + '/')) && ",
    "!(self in ['/bin', '/boot', '/home', '/lib', '/lib32', '/lib64', '/opt', '/run', '/sbin', '/usr', '/usr/bin', ",
    "'/usr/lib', '/usr/local', '/usr/local/bin', '/usr/sbin', '/var'])",
);
const IS_FREE_MESSAGE: &str = "mountPath would hide what the image or Creel needs: the root, its system directories, anything in /dev, /etc, /opt/creel, /proc, /run/secrets, /sys, /tmp, /var/run and /workspaces; use a directory of its own, for example /data";

/// Rule of a list of mounts: none lies in another one.
pub(super) const ARE_APART: &str = "self.all(one, self.all(other, !other.mountPath.startsWith(one.mountPath + '/')))";
pub(super) const ARE_APART_MESSAGE: &str = "no mountPath may lie in another one";

/// Rule of a Sandbox: the same of both lists together.
pub(super) const LISTS_ARE_APART: &str = concat!(
    "!has(self.files) || !has(self.volumes) || self.files.all(file, self.volumes.all(volume, ",
    "!(file.mountPath + '/').startsWith(volume.mountPath + '/') && ",
    "!volume.mountPath.startsWith(file.mountPath + '/')))",
);
pub(super) const LISTS_ARE_APART_MESSAGE: &str =
    "no mountPath in files may be that of an entry in volumes or lie in one, nor the other way round";

/// Rule of a Sandbox: the home directory is mounted once.
pub(super) const HOME_IS_FREE: &str = concat!(
    "!has(self.home) || ((!has(self.files) || !self.files.exists(file, file.mountPath == '/home/agent')) && ",
    "(!has(self.volumes) || !self.volumes.exists(volume, volume.mountPath == '/home/agent')))",
);
pub(super) const HOME_IS_FREE_MESSAGE: &str =
    "home is mounted at /home/agent: use another mountPath, which may lie in it";

/// All keys of one Secret or ConfigMap as files of a directory, each under the name of its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretRef) != has(self.configMapRef)").message("set exactly one of secretRef and configMapRef"))]
pub struct FileMount {
    /// The directory, read-only. It hides what the image or `home` has there. Example: `/home/agent/.claude`.
    #[schemars(length(min = 2, max = 256))]
    #[x_kube(validation = Rule::new(IS_PATH).message(IS_PATH_MESSAGE))]
    #[x_kube(validation = Rule::new(IS_FREE).message(IS_FREE_MESSAGE))]
    pub mount_path: String,
    /// A Secret of the same namespace. Its files can be read by the commands of the sandbox only (mode 0440).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// A ConfigMap of the same namespace. Its files can be read and executed (mode 0555).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<LocalReference>,
}

/// A volume that exists already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.persistentVolumeClaim) != has(self.nfs)").message("set exactly one of persistentVolumeClaim and nfs"))]
pub struct VolumeMount {
    /// Where commands see the volume. It hides what the image or `home` has there. Example: `/data`.
    #[schemars(length(min = 2, max = 256))]
    #[x_kube(validation = Rule::new(IS_PATH).message(IS_PATH_MESSAGE))]
    #[x_kube(validation = Rule::new(IS_FREE).message(IS_FREE_MESSAGE))]
    pub mount_path: String,
    /// A claim of the same namespace. Creel never changes or deletes it. Agents that share the Sandbox share the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<ClaimReference>,
    /// A directory that an NFS server exports. The `restricted` Pod Security Standard forbids it: use a claim for an NFS volume there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nfs: Option<NfsDirectory>,
    /// Whether commands can only read. If they can write, Kubernetes gives the files of most types of volumes to group 1000. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

/// A claim by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimReference {
    /// The name of the `PersistentVolumeClaim`, in the same namespace. Example: `nas`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub claim_name: String,
}

/// A directory of an NFS server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct NfsDirectory {
    /// The name or address of the server, as the nodes resolve it. Example: `nas.example.com`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9.:_-]+$"))]
    pub server: String,
    /// The path that the server exports. Example: `/export/notes`.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^/"))]
    pub path: String,
}

/// A home directory that is kept when the Pod is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)").message("storageClassName is immutable: use another Sandbox and other Agents instead"))]
#[x_kube(validation = Rule::new("quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0").message("a claim can grow but not shrink: set size to at least its current value"))]
pub struct Home {
    /// The requested size of each Agent's claim. It can grow if the storage class allows expansion, and never shrink. Example: `5Gi`.
    pub size: Quantity,
    /// The `StorageClass` of the claims. Immutable. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}
