//! A stand-in for the OpenClaw gateway: its RPC, in the test's own process, without a model, a Pod or a wait.
//!
//! It speaks the real protocol over the loopback address: the admin route over HTTP, and the WebSocket with its handshake. What it says is
//! what OpenClaw 2026.9.6 says, as far as [`contract`] checks it; the same contract runs against a real gateway. Its clock and the outcome
//! of its runs are the test's.
//!
//! | module     | does                                                        | touches              |
//! |------------|-------------------------------------------------------------|----------------------|
//! | `stand_in` | what a test holds                                           | the loopback address |
//! | `server`   | probes, admin route, upgrade                                | the loopback address |
//! | `socket`   | the WebSocket's protocol                                    | one connection       |
//! | `gateway`  | all that a gateway knows, and how it answers                | nothing              |
//! | `config`   | the configuration, and what `config.get` shows              | nothing              |
//! | `cron`     | jobs and runs                                               | nothing              |
//! | `devices`  | who may speak over the WebSocket                            | nothing              |
//! | `limits`   | how often a caller may change something                     | nothing              |
//! | `clock`    | the time                                                    | nothing              |
//! | `refusal`  | how a call is refused                                       | nothing              |
//! | `contract` | what both gateways have in common, clause by clause         | the gateway          |

mod clock;
mod config;
pub mod contract;

mod cron;
mod devices;
mod gateway;
mod limits;
mod refusal;
mod server;
mod socket;
mod stand_in;

pub use config::Reload;
pub use cron::{Outcome, Turns};
pub use gateway::Call;
pub use stand_in::StandIn;
