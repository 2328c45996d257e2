//! The CronJob controller: validates a CronJob and follows its runs.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `driver` | one reconcile of a CronJob | the network, through the steps |
//! | `context` | what the reconciles share | memory |
//! | `gather` | the Agents, Providers and CronJobs around one of them | the stores |
//! | `schedule` | when a CronJob runs, checked before the gateway is asked | nothing |
//! | `validate` | a CronJob → the job that its gateway holds for it, or a fault | nothing |
//! | `status` | what was found → conditions and runs | nothing |
//! | `outcome` | a run of the gateway → a run of the status, with its price | nothing |
//! | `run_now` | a run requested by annotation, never twice | the network |

pub mod context;
pub mod driver;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod gather;
pub mod outcome;
pub mod run_now;
pub mod schedule;
pub mod status;
pub mod validate;
