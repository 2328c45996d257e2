//! Creel: OpenClaw assistants on Kubernetes. The map of the house.
//!
//! ```text
//! own kind watch ─► store ─┐                    ┌ gather    reads what the spec points at            IO
//! children ────────────────┼─► queue ─► driver ─┼ validate  spec + gathered → Plan, or a fault       pure
//! Secrets (metadata) ──────┤                    ├ build     Plan → every child, whole and sorted     pure
//! other kinds ─────────────┘                    ├ apply     server-side apply, only what differs     IO
//!                                               └ status    observed → conditions, if different      IO
//! ```
//!
//! Modules name their neighbours only downwards:
//!
//! | room | what is in it |
//! |---|---|
//! | [`api`] | the kinds: types, CEL rules, descriptions |
//! | [`openclaw`] | what we know of OpenClaw: its configuration, its admin RPC, its exits |
//! | [`cluster`] | what every controller shares: stores, apply and ledger, environment digest, conditions, events |
//! | [`agent`], [`provider`], [`sandbox`], [`cron_job`] | one kind each: gather, validate, build, status, and the driver that names the steps |
//! | [`observe`] | health and metrics |
//! | [`settings`] | arguments and environment, validated |
//! | [`operator`] | builds the controllers on shared stores; leader election; one shutdown |
//!
//! `creel-shell`, the small binary inside the Pods, is a crate of its own and shares no code with this one.

pub mod agent;
pub mod api;
pub mod cluster;
pub mod cron_job;
pub mod observe;
pub mod openclaw;
pub mod operator;
pub mod provider;
pub mod sandbox;
pub mod settings;
