//! The status of an Agent, whether it owns its gateway or joined one.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `status` | what is known of the gateway and the sandbox → conditions | nothing |
//! | `report` | writes the status and Events, if they differ | the network |

pub mod report;
pub mod status;
