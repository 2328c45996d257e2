//! The running gateway takes up its configuration, or the last accepted one is written back.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `proof` | asks the gateway which configuration it runs | the network |
//! | `decide` | what a look at the running gateway calls for | nothing |

pub mod decide;
pub mod proof;
