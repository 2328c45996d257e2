//! What all reconciles of Sandboxes share. Touches nothing.

use std::sync::Arc;

use kube::Client;

use crate::api::sandbox::Egress;
use crate::references::checker::ReferenceChecker;
use crate::world::facts::Facts;
use crate::world::stores::Stores;

/// Shared by all reconciles.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub references: ReferenceChecker,
    pub facts: Arc<Facts>,
    /// The widest network of a sandbox.
    pub max_egress: Egress,
}
