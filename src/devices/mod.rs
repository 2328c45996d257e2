//! The devices controller: lets devices in at a gateway's WebSocket as the Agent that owns the gateway says, and sees who asks.
//!
//! ```text
//! wishes ─► list ─► changes ─► send ─► list ─► found ─► interval
//! ```
//!
//! | room | does | touches |
//! |---|---|---|
//! | `sync` | one reconcile of the devices of a gateway | the network, through the steps |
//! | `context` | what the reconciles share | memory |
//! | `wishes` | what an Agent says of devices | nothing |
//! | `changes` | what is wished for and what the gateway lists → what to send | nothing |
//! | `found` | what the gateway lists, and what came of the calls → status | nothing |
//! | `condition` | the same, and whom the gateway did not let in → condition | nothing |

pub mod changes;
pub mod condition;
pub mod context;
pub mod found;
pub mod sync;
pub mod wishes;
