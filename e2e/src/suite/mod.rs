//! What the tests on a real cluster share. Touches the network; `rendered` writes below `target/`.
//!
//! ```text
//! in_namespace("restarts", async |namespace| {     a namespace of its own, gone when the test ends
//!     namespace.apply(&provider(…)).await;         fixtures: YAML with the names filled in
//!     namespace.apply(&agent("support", …)).await;
//!     namespace.ready("support").await;            waits; a failure shows what was last seen
//!     namespace.ask("support", "s", "Hi").await;   a turn through the gateway's Service
//! })
//! ```
//! Nothing sleeps for a fixed time: `eventually` waits until something holds, `stays` watches that nothing changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::missing_panics_doc, reason = "as above: everything here panics when a test should fail")]

mod admin;
mod ask;
mod browser;
mod columns;
mod connection;
mod cron;
mod devices;
mod edge;
mod enforcer;
pub mod evidence;
mod fake_nodes;
mod fence;
mod fixtures;
mod hostile_gateways;
mod models;
mod namespace;
mod objects;
pub mod operator;
mod pods;
pub mod policy;
mod rendered;
mod sandbox;
mod secrets;
mod shared;
mod wait;
mod worst;

pub use admin::{Admin, AdminError};
pub use browser::Browser;
pub use columns::rows;
pub use connection::{client, client_as};
pub use cron::{RUN_NOW, second};
pub use edge::{
    Connection, EDGE_NAMESPACE, EXPOSED_HOST, Edge, Part, exposure, with_edge, with_gateway_api, without_gateway_api,
};
pub use enforcer::while_enforced;
pub use evidence::operator_log;
pub use fake_nodes::{FakeNodes, with_fake_nodes};
pub use fence::{Departure, FENCE, OURS, beside};
pub use fixtures::{
    agent, agent_with, cron_job, in_sandbox, joined_agent, keyless_provider, provider, sandbox, secret,
};
pub use models::{NAMESPACE as MODELS_NAMESPACE, bot_api_root, model_server};
pub use namespace::{SOON, START, TestNamespace, in_namespace};
pub use objects::{Condition, condition, resource, side_by_side};
pub use pods::RunningPod;
pub use rendered::directory as rendered_directory;
pub use secrets::{MARKER, MARKER_BASE64, random, secret_value};
pub use shared::{BOTS, SANDBOX_ACCOUNT, Shared, on_shared};
pub use wait::{eventually, stays};
pub use worst::Worst;
