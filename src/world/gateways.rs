//! A gateway that answers: where, with which token, and which agents it has confirmed.

use std::collections::BTreeSet;

use crate::openclaw::rpc::Endpoint;

/// A gateway that runs the configuration that it should run.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    pub endpoint: Endpoint,
    /// The name of its Pod.
    pub pod: String,
    /// The run of its process: the Pod's UID and how often its container was restarted.
    pub run: String,
    /// The agents that it confirmed.
    pub agents: BTreeSet<String>,
}
