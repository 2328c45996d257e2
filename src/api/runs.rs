//! How the runs of an Agent end, scheduled ones and heartbeats alike.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunStatus {
    Succeeded,
    Failed,
    NotDelivered,
    Skipped,
}
