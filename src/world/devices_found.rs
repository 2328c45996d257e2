//! What the reconcile of a gateway's devices found, for the status of the Agent that owns the gateway.

use crate::api::devices::{DevicesStatus, PendingDevice};
use crate::kubernetes::conditions::Desired;
use crate::kubernetes::spec_version::SpecVersion;
use crate::naming::APPROVE_DEVICE;

/// The devices of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicesFound {
    /// The Agent that was looked at.
    pub agent: SpecVersion,
    /// What the status says of them.
    pub status: DevicesStatus,
    /// Condition `DevicesReady`.
    pub ready: Desired,
}

/// What a device asks for: `role operator, scopes operator.read, operator.write`.
#[must_use]
pub fn asks(one: &PendingDevice) -> String {
    let scopes = if one.scopes.is_empty() { "none".to_owned() } else { one.scopes.join(", ") };
    format!("role {}, scopes {scopes}", one.role.as_deref().unwrap_or("unknown"))
}

/// Who waits for approval, and how to approve it.
#[must_use]
pub fn remedy(one: &PendingDevice) -> String {
    format!(
        "Device {} ({} on {}) asks to be paired with {}: if you know it, set the annotation {APPROVE_DEVICE}={} on this Agent, or add the device to spec.gateway.devices.",
        one.device_id,
        one.client.as_deref().unwrap_or("unknown client"),
        one.platform.as_deref().unwrap_or("unknown platform"),
        asks(one),
        one.request_id,
    )
}
