//! The demo: the main job on a cluster of its own, with everything that a person would see and type.
//!
//! Rooms: `endpoint` (which models, by the environment; pure), `samples` (manifests/samples/ for that endpoint; pure but for
//! reading them), `wait` (until everything is ready, telling what is not; network), `ask` (a question over `/v1/responses`;
//! network), `forward` (the way there in another's cluster; runs a program), `run_now` (a run of a CronJob; network), `next` (what to try; pure), `flow` (the steps; runs programs, touches network and disk).

mod ask;
mod endpoint;
mod flow;
mod forward;
mod next;
mod run_now;
mod samples;
mod wait;

pub use flow::{DemoError, Wanted, ask, down, down_elsewhere, up};
