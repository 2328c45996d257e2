//! Creel with real gateways in real Pods: what its users are promised, seen from outside. Touches the network.
//!
//! One room for each promise: `hardened` (the Pod), `rollout` (what recreates it, and what does not), `live` (edits that are
//! live without a restart), `successor` (a Pod that is gone), `refusal` (what can't be), `fallback` (models that fail), `sandbox`
//! (where commands run), `cron` (what Agents do by a schedule).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod cron;
mod fallback;
mod hardened;
mod live;
mod refusal;
mod rollout;
mod sandbox;
mod successor;
