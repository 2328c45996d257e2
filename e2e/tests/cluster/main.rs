//! Creel on a real cluster. One program, so that it is linked once; `cargo verify` runs each test in a process of its own.
//!
//! `api_server` (what needs no Pod) and `real_pods` (real gateways) run side by side, then one after another what `alone` holds,
//! beside it `edge` (people and programs outside of the cluster) and `contract` (what Creel relies on of a gateway), then `whole_run`,
//! which looks back on all of it. `soak` is for `cargo soak`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod alone;
mod api_server;
mod contract;
mod edge;
mod real_pods;
mod soak;
mod whole_run;
