//! What the reconciles of gateways' channels share: the stores, the facts, the admin client, and until when each gateway is left alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::kubernetes::caches::by_name::ByName;
use crate::kubernetes::spec_version::SpecVersion;
use crate::openclaw::rpc::AdminClient;
use crate::world::facts::Facts;
use crate::world::stores::Stores;

/// Shared by all reconciles of channels.
pub struct Context {
    pub stores: Arc<Stores>,
    pub facts: Arc<Facts>,
    pub admin: AdminClient,
    /// What each gateway was asked about last, and when to ask again.
    pub(super) asked: ByName<(Inputs, Instant)>,
}

/// What the answer of a gateway depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inputs {
    /// The run of the gateway's process.
    pub run: String,
    /// The Agents with channels.
    pub agents: BTreeMap<String, SpecVersion>,
}

impl Context {
    #[must_use]
    pub fn new((stores, facts): (Arc<Stores>, Arc<Facts>), admin: AdminClient) -> Self {
        Self { stores, facts, admin, asked: ByName::default() }
    }
}
