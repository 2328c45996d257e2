//! Plan → every child of a sandbox, whole and sorted. Pure and total: one file per child.

pub mod home;
pub mod mounts;
pub mod network_policy;
pub mod pod;
pub mod service;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
