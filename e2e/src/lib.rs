//! Creel on a real Kubernetes, as a black-box user of the CRDs, the chart and the binaries.

pub mod benchmark;
pub mod cache;
pub mod chart;
pub mod cluster;
pub mod command;
pub mod demo;
pub mod dependencies;
#[cfg(test)]
mod documentation;
pub mod explain;
pub mod images;
pub mod kubectl;
pub mod model_server;
pub mod progress;
pub mod suite;
pub mod verify;
