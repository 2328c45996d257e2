//! The heartbeat of an Agent, and what was seen of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::runs::RunStatus;

/// Regular turns of an Agent without a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// The interval between heartbeats, 15 seconds to 8760 hours. A heartbeat is skipped while the gateway is busy. Example: `30m`.
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,11}h)?([0-9]{1,11}m)?([0-9]{1,11}s)?([0-9]{1,11}ms)?$') && duration(self) >= duration('15s') && duration(self) <= duration('8760h')").message("every must be a duration from 15s to 8760h, for example 30m or 1h30m"))]
    pub every: String,
    /// The hours of the day during which heartbeats run. Default: all day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_hours: Option<ActiveHours>,
    /// The prompt sent to the Agent. Default: OpenClaw's own prompt, which asks for the answer `NO_REPLY` if nothing needs attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32768))]
    pub prompt: Option<String>,
}

/// A part of each day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.start != self.end").message("start and end must differ; omit activeHours for all day"))]
pub struct ActiveHours {
    /// When the active hours begin, as `HH:MM`. Example: `08:00`.
    #[schemars(length(min = 5, max = 5), regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub start: String,
    /// When the active hours end, up to `24:00`; a time before `start` is on the next day. Example: `22:00`.
    #[schemars(length(min = 5, max = 5), regex(pattern = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))]
    pub end: String,
    /// The IANA time zone of `start` and `end`. Default: `Etc/UTC`. Example: `Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
}

/// One heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct HeartbeatStatus {
    /// When it started.
    pub time: Time,
    /// The result: `Succeeded`, `Failed`, or `Skipped` (the gateway was busy, or it was outside the active hours).
    pub status: RunStatus,
    /// The error message of the gateway, at most 400 characters; absent if the heartbeat succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 400))]
    pub error: Option<String>,
}
