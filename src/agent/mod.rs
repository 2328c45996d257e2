//! The status of every Agent, whether it owns its gateway or joined one: from what the other controllers publish.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `driver` | names the steps of a reconcile | the network, through the steps |
//! | `context` | what all reconciles share | nothing |
//! | `gather` | what the facts say of the Agent | memory |
//! | `status` | what is known of the gateway and the sandbox → conditions | nothing |
//! | `channels` | what is known of the Agent's channels → status, condition and Events | nothing |
//! | `devices` | what is known of the gateway's devices → status, condition and Events | nothing |
//! | `report` | writes the status and Events | the network |

pub mod channels;
pub mod context;
pub mod devices;
pub mod driver;
pub mod gather;
pub mod report;
pub mod status;
