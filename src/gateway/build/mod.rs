//! Plan → every child of a gateway, whole and sorted. Pure and total: one file per child.
//!
//! Fields that security rests on are always written, also when empty or false: applying with force then undoes what
//! somebody sets there.

pub mod affinity;
pub mod claim;
pub mod config_map;
pub mod deployment;
pub mod network_policy;
pub mod pod_spec;
pub mod service;
pub mod service_account;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::Agent;
use crate::naming::{self, GatewayNames};

/// Metadata of a child of this name that goes when the Agent goes.
#[must_use]
pub fn metadata(owner: &Agent, names: &GatewayNames, name: &str) -> ObjectMeta {
    naming::child_of(owner, name, names.labels())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
