//! Tests of the house as a whole.
//!
//! | room | proves |
//! |---|---|
//! | `facts` | a published fact queues whom it concerns, once |
//! | `layers` | modules name their neighbours only downwards |
//! | `triggers` | what a reconcile reads queues it when it changes |
//! | `small_world` | generated worlds for that |
#![allow(clippy::unwrap_used)]

mod facts;
mod layers;
mod small_world;
mod triggers;
