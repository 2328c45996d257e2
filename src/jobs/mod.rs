//! The jobs controller: keeps the jobs of each gateway as the CronJobs of its Agents want them.
//!
//! ```text
//! gather ─► validate ─► list ─► changes ─► send ─► history ─► due
//! ```
//!
//! | room | does | touches |
//! |---|---|---|
//! | `sync` | one reconcile of the jobs of a gateway | the network, through the steps |
//! | `context` | what the reconciles share | memory |
//! | `changes` | what is wanted and what the gateway holds → what to send | nothing |
//! | `history` | which runs have to be asked for, and which are kept | nothing |
//! | `memory` | what a reconcile leaves to the next one, so that most triggers cost no call | nothing |
//! | `due` | when to ask a gateway again | nothing |

pub mod changes;
pub mod context;
pub mod due;
pub mod history;
pub mod memory;
pub mod sync;
