//! The contract with users: the kinds of group `creel.dev`, version `v1alpha1`, and what they share.
//!
//! Types, CEL rules and descriptions only: the descriptions are the manual that `kubectl explain` prints.
//! No client code, no I/O.

pub mod access;
pub mod adopt;
pub mod agent;
pub mod channels;
pub mod clients;
mod crds;
pub mod cron_job;
pub mod delegates;
pub mod devices;
pub mod duration;
pub mod environment;
pub mod exposure;
pub mod heartbeat;
pub mod identity;
pub mod models;
pub mod passthrough;
pub mod pod_template;
pub mod provider;
pub mod quantity;
pub mod references;
pub mod runs;
pub mod sandbox;
pub mod sandbox_mounts;
pub mod skills;
pub mod tools;
pub mod workspace;

pub use agent::{Agent, AgentSpec, AgentStatus};
pub use crds::{CRD_FILES, CrdError, crd_yaml};
pub use cron_job::{CronJob, CronJobSpec, CronJobStatus};
pub use provider::{Provider, ProviderSpec, ProviderStatus};
pub use quantity::Quantity;
pub use sandbox::{Sandbox, SandboxSpec, SandboxStatus};

/// The API group of all kinds.
pub const GROUP: &str = "creel.dev";
