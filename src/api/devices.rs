//! Devices that connect to a gateway's WebSocket: those that the spec of an Agent approves, and what its status says of them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A device that may connect to the gateway's WebSocket. It is an Ed25519 key; OpenClaw clients generate one on their first start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.publicKey) != has(self.id)").message("set either publicKey or id of a device"))]
pub struct Device {
    /// The name of the device in this list. Example: `mission-control`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The public key of the device: 32 bytes in base64url without padding, 43 characters. Default: none; set `id` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 43, max = 43), regex(pattern = r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"))]
    pub public_key: Option<String>,
    /// The id of the device: the SHA-256 of its public key in 64 lower-case hexadecimal digits, as in
    /// `status.gateway.pendingDevices`. Default: none; set `publicKey` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64), regex(pattern = r"^[0-9a-f]{64}$"))]
    pub id: Option<String>,
    /// The role of the device: `operator` controls the gateway, `node` offers functions of a machine to its Agents. Default: `operator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<DeviceRole>,
    /// What the device may ask for at most, 1 to 16 scopes. A request for more is reported and not approved. `operator.read` reads
    /// everything, `operator.write` also chats with every Agent of the gateway, and `operator.admin` is full access: it includes all
    /// other scopes, the configuration and every tool of every Agent. The Control UI asks for `operator.admin`. A change concerns the next
    /// request of the device. Default: `[operator.read]` for the role `operator`, none for `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(max = 64), regex(pattern = r"^[a-z]+(\.[a-z]+)+$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub scopes: Option<Vec<String>>,
}

/// The role of a device, as OpenClaw names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceRole {
    #[default]
    Operator,
    Node,
}

impl DeviceRole {
    /// As OpenClaw writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Node => "node",
        }
    }
}

/// A request of a device to be paired, which waits for approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingDevice {
    /// The id of the request: the value of the annotation `creel.dev/approve-device` that approves it, or of `creel.dev/reject-device` that
    /// rejects it. It expires after 5 minutes without another attempt of the device.
    #[serde(rename = "requestID")]
    #[schemars(length(max = 128))]
    pub request_id: String,
    /// The id of the device.
    #[serde(rename = "deviceID")]
    #[schemars(length(max = 128))]
    pub device_id: String,
    /// The entry of `spec.gateway.devices` that does not cover the request; absent if no entry is about the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub name: Option<String>,
    /// The program, as it names itself. Example: `openclaw-control-ui`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub client: Option<String>,
    /// The platform, as the program names it. Example: `linux`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub platform: Option<String>,
    /// The roles that it asks for, comma-separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub role: Option<String>,
    /// The scopes that it asks for, the first 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub scopes: Vec<String>,
    /// When the device asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// A device of `spec.gateway.devices` that is paired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairedDevice {
    /// Its name in `spec.gateway.devices`.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The id of the device.
    #[schemars(length(max = 64))]
    pub id: String,
}

/// What came of an annotation about a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRequest {
    /// The value of the annotation. As long as the annotation keeps it, Creel does not act on it again.
    #[schemars(length(max = 256))]
    pub request: String,
    /// When Creel acted on it.
    pub time: Time,
    /// Why it had no effect; absent if it had. Example: `DeviceRequestNotFound`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// The explanation, at most 400 characters; absent if it had an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 400))]
    pub message: Option<String>,
}

/// The devices of a gateway, as far as Creel looks after them: with `spec.gateway.devices`, the Control UI or an annotation about a
/// device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DevicesStatus {
    /// Devices that ask to be paired and wait for approval, the first 20. Absent unless `spec.gateway.devices`, the Control UI or an
    /// annotation about a device is set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub pending_devices: Vec<PendingDevice>,
    /// Devices of `spec.gateway.devices` that are paired. One that is taken out of the spec is removed from the gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub paired_devices: Vec<PairedDevice>,
    /// What came of the annotation `creel.dev/approve-device`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_approval: Option<DeviceRequest>,
    /// What came of the annotation `creel.dev/reject-device`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_rejection: Option<DeviceRequest>,
    /// What came of the annotation `creel.dev/remove-device`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_removal: Option<DeviceRequest>,
}
