//! What each feature of an Agent adds to its gateway: an entry in the configuration, sections, variables. Pure.

pub mod heartbeat;
pub mod models;
pub mod sandbox;
