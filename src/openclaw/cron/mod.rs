//! The gateway's own scheduler (OpenClaw calls it automations): what a job looks like, what became of its runs, and the calls that
//! change it.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `declaration` | what Creel wants of a job, as the gateway takes it, and whether a job is that | nothing |
//! | `job` | a job as the gateway lists it | nothing |
//! | `run` | a run as the gateway remembers it | nothing |
//! | `json_hash` | a hash of a value of JSON, made while it is read | nothing |
//! | `calls` | list, declare, change, remove, ask for runs | the network |
//!
//! Tried on OpenClaw 2026.9.6:
//! - `cron.add` with a `declarationKey` makes the job, or brings the present one of that key *and agent* in line: its id and history stay;
//!   schedule, payload, delivery and `displayName` are replaced whole. All else stays as it was when the job was made, `description` and
//!   `sessionTarget` too, and another session is answered with `UNAVAILABLE` and no reason: those are changed by `cron.update`. With
//!   another agent it makes a second job of the same key, so the agent is changed by `cron.update` first.
//! - `enabled: true` starts a job that was stopped, and its counters of failures over; left out, it stays stopped.
//! - A job for an agent that the gateway does not know is answered with `UNAVAILABLE` and no reason.
//! - After an `at` job has run it stays, disabled. One in the past is refused, and one that is more than ten years ahead.
//! - To disable or remove a job cuts off its run. `cron.remove` of a busy gateway may answer with `UNAVAILABLE` and have removed the job.
//! - After ten failures in a row a scheduled run stops the job; a run that was asked for counts, and never stops it.
//! - After a start the gateway puts off what was due meanwhile by some two minutes. A run that its end cut off is remembered as an
//!   error, without its id.
//! - A run whose answer could not be delivered counts as `ok`; only `completionStatus` is `failed`.

pub mod calls;
pub mod declaration;
pub mod job;
mod json_hash;
pub mod run;

/// What all keys of ours begin with. Jobs of other keys belong to the gateway or its agents, and are never touched.
const OUR_KEYS: &str = "k8s:";

/// The key of a CronJob's job.
#[must_use]
pub fn key(namespace: &str, name: &str) -> String {
    format!("{OUR_KEYS}{namespace}/{name}")
}
