//! How the runs of an Agent end, scheduled ones and heartbeats alike.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunStatus {
    Succeeded,
    Failed,
    NotDelivered,
    Skipped,
}
