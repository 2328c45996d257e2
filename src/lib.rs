//! Creel: OpenClaw assistants on Kubernetes.
//!
//! ```text
//! own kind watch ─► store ─┐                    ┌ gather    reads what the spec points at            IO
//! children ────────────────┼─► queue ─► driver ─┼ validate  spec + gathered → Plan, or a fault       pure
//! Secrets (metadata) ──────┤                    ├ build     Plan → every child, whole and sorted     pure
//! other kinds ─────────────┘                    ├ apply     server-side apply, only what differs     IO
//!                                               └ status    observed → conditions, if different      IO
//! ```
//!
//! From the ground up; a module uses only modules above it in this table:
//!
//! | room | what is in it |
//! |---|---|
//! | [`api`] | the kinds: types, CEL rules, descriptions |
//! | [`settings`] | arguments and environment, validated |
//! | [`naming`] | labels, annotations, field managers, names of children |
//! | [`telemetry`] | health, metrics, logs |
//! | [`openclaw`] | what we know of OpenClaw: its configuration, its admin RPC, its exits |
//! | [`kubernetes`] | what any operator needs of the API server: apply and ledger, conditions, events, errors |
//! | [`references`] | what specs name: Secrets, ConfigMaps, keys, time zones |
//! | [`pods`] | what all Pods of ours have in common |
//! | [`world`] | what Creel sees and concludes: stores, facts, triggers |
//! | [`declarations`] | what CronJobs want of their gateways |
//! | [`fence`] | one policy per namespace that outlives the Agents' own |
//! | [`gateway`], [`sandbox`], [`jobs`], [`devices`], [`channels`] | one per Agent that owns a gateway, one per Agent with a sandbox, one per gateway with jobs, one per gateway whose devices are looked after, one per gateway with channels |
//! | [`agent`], [`sandbox_template`], [`cron_job`], [`provider`] | one per object of that kind: its status |
//! | [`operator`] | builds the controllers on shared stores; leader election; one shutdown |
//!
//! `creel-shell`, the small binary inside the Pods, is a crate of its own and shares no code with this one.

pub mod agent;
pub mod api;
pub mod channels;
pub mod cron_job;
pub mod declarations;
pub mod devices;
pub mod fence;
pub mod gateway;
pub mod jobs;
pub mod kubernetes;
pub mod naming;
pub mod openclaw;
pub mod operator;
pub mod pods;
pub mod provider;
pub mod references;
pub mod sandbox;
pub mod sandbox_template;
pub mod settings;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod world;
