//! The CronJob controllers: one keeps the jobs of each gateway as the CronJobs of its Agents say, one tells each CronJob what became
//! of its runs. They meet in `cluster::schedules`.
//!
//! ```text
//! per gateway   gather ─► validate ─► list ─► changes ─► send ─► history ─► due      set       what the gateway holds and ran
//! per CronJob   gather ─► status ─► event, run now                                   driver    conditions, runs, what they cost
//! ```
//!
//! | room | does | touches |
//! |---|---|---|
//! | `set` | one pass over the jobs of a gateway | the network, through the steps |
//! | `driver` | one pass over a CronJob | the network, through the steps |
//! | `context` | what the passes share | memory |
//! | `gather` | the Agents, Providers and CronJobs around one of them | the stores |
//! | `schedule` | when a CronJob runs, checked before the gateway is asked | nothing |
//! | `validate` | a CronJob → the job that its gateway shall hold, or a fault | nothing |
//! | `changes` | what is wanted and what the gateway holds → what to send | nothing |
//! | `history` | which runs have to be asked for, and which are kept | nothing |
//! | `memory` | what a pass leaves to the next one, so that most of what wakes it costs no call | nothing |
//! | `due` | when to ask a gateway again | nothing |
//! | `status` | what was found → conditions and runs | nothing |
//! | `outcome` | a run of the gateway → a run of the status, with its price | nothing |
//! | `run_now` | a run that somebody asks for by annotation, never twice | the network |

pub mod changes;
pub mod context;
pub mod driver;
pub mod due;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod gather;
pub mod history;
pub mod memory;
pub mod outcome;
pub mod run_now;
pub mod schedule;
pub mod set;
pub mod status;
pub mod validate;
