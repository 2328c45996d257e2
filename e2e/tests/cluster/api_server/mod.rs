//! Creel and the API server: what is refused and how, what conditions say, what is put back, and who may do what. The operator
//! runs in the cluster. Agents rest (`suspend: true`) or name what is not there, so no gateway Pod starts and the tests are quick.

#![allow(clippy::needless_pass_by_value, reason = "values are written where they are used, as in YAML")]

mod access;
mod addresses;
mod admission;
mod conditions;
mod cron_jobs;
mod drift;
mod fence;
mod following;
mod joining;
mod judge;
mod manifests;
mod manual;
mod moving;
pub mod nodes;
mod ownership;
mod pause;
mod policies;
mod replacement;
mod resources;
mod rights;
mod schema_agent;
mod schema_channels;
mod schema_cron_job;
mod schema_provider;
mod schema_sandbox;
mod schema_workspace;
pub mod stage;
mod status_bounds;
mod storage;
