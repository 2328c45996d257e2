//! What CronJobs want of their gateways, for the controller that declares the jobs and the one that reports on them.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `expression` | cron expressions: read, and checked once for each | memory |
//! | `schedule` | when a CronJob runs, checked before the gateway is asked | nothing |
//! | `due` | when a CronJob is due, by its schedule alone | nothing |
//! | `validate` | a CronJob → the job that its gateway holds for it, or a fault | nothing |
//! | `wanted` | all that the CronJobs of a gateway want of it | the stores |

pub mod due;
pub mod expression;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod schedule;
pub mod validate;
pub mod wanted;
