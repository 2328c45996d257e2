//! Tests of the house as a whole.
//!
//! | room | proves |
//! |---|---|
//! | `layers` | modules name their neighbours only downwards |
//! | `triggers` | what a reconcile reads queues it when it changes |
//! | `small_world` | generated worlds for that |
#![allow(clippy::unwrap_used)]

mod layers;
mod small_world;
mod triggers;
