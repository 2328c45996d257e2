//! The CronJob controller: validates a CronJob and follows its runs.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `driver` | one reconcile of a CronJob | the network, through the steps |
//! | `gather` | what the stores and facts say around it | nothing |
//! | `report` | writes the status, and Events about it | the network |
//! | `context` | what the reconciles share | memory |
//! | `status` | what was found → conditions and runs | nothing |
//! | `declared` | condition `Declared` | nothing |
//! | `healthy` | condition `Healthy` | nothing |
//! | `outcome` | a run of the gateway → a run of the status, with its price | nothing |
//! | `missed` | runs that were due while the gateway was away | nothing |
//! | `requests` | requests for a run: taken up, withdrawn, expired, and known by their run | nothing |
//! | `requeue` | when the next reconcile is | nothing |
//! | `run_now` | asks the gateway for a requested run, never twice | the network |

pub mod context;
pub mod declared;
pub mod driver;
pub mod gather;
pub mod healthy;
pub mod missed;
pub mod outcome;
pub mod report;
pub mod requests;
pub mod requeue;
pub mod run_now;
pub mod status;
