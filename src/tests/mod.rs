//! Tests of the house as a whole.
//!
//! | room | proves |
//! |---|---|
//! | `layers` | modules name their neighbours only downwards |
//! | `triggers` | what a reconcile reads queues it when it changes |
//! | `facts` | what is published queues those whom it concerns |
//! | `small_world` | generated worlds for that |
//! | `poisoned` | no object hinders another one, whatever is in it |
//! | `answering` | a gateway of which a test says what it answers |
//! | `gateway_answers` | whatever a gateway answers, the API server takes the statuses |
//! | `moving` | what people configure elsewhere has a place here, or waits by name |
//! | `creel_shell` | `creel-shell` understands what Pods run |
//! | `stand_in` | the gateway that stands in for the real one, and a namespace around it |
#![allow(clippy::unwrap_used, clippy::panic)]

pub(crate) mod answering;
mod creel_shell;
mod facts;
mod gateway_answers;
mod layers;
mod moving;
mod poisoned;
pub(crate) mod small_world;
pub(crate) mod stand_in;
mod triggers;
