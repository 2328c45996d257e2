//! The channels controller: asks each gateway how the channels of its Agents fare.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `sync` | one reconcile of the channels of a gateway | the network |
//! | `context` | what the reconciles share | memory |

pub mod context;
pub mod sync;
