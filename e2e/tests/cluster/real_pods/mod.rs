//! Creel with real gateways in real Pods: what its users are promised, seen from outside. Touches the network.
//!
//! One room for each promise: `access` (who may connect, and by which API), `hardened` (the Pod),
//! `rollout` (what recreates it, and what does not), `live` (edits that are live without a restart), `passthrough` (keys of
//! openclaw.json), `profiles` (models to switch between), `tools` (what an Agent may use), `delegates` (to whom it hands work),
//! `workspace_files` (who it is), `skills` (what it can look up), `blame`
//! (whose keys a gateway rejects), `successor` (a Pod that is gone), `adoption` (a claim that others filled), `refusal` (what can't be),
//! `channels` (where people talk to an Agent), `fallback` (models that fail), `sandbox` (where commands run), `cron` (what Agents do by a schedule), `settled` (what is left alone,
//! and goes with its namespace), `devices` (who talks to a gateway over its WebSocket), `idle` (who says nothing there), `clients` (who
//! may ask some of its Agents only).

mod access;
mod adoption;
mod blame;
mod channels;
mod clients;
pub mod cron;
mod delegates;
mod devices;
mod fallback;
mod hardened;
pub mod idle;
pub mod live;
mod passthrough;
mod profiles;
mod refusal;
mod rollout;
pub mod sandbox;
pub mod settled;
mod skills;
mod successor;
mod tools;
mod workspace_files;
