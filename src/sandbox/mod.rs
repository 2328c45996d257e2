//! The controller of Agents' sandboxes: for each Agent that names a Sandbox, a Pod of its own with all that belongs to it.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `driver` | names the steps of a reconcile of one Agent's sandbox | the network, through the steps |
//! | `context` | what all reconciles share: client, stores, memory between reconciles | nothing |
//! | `gather` | reads what the Agent and its Sandbox point at | the network |
//! | `validate` | gathered → plan, or what stands in its way | nothing |
//! | `plan` | what the Pod is made of, and its hash | nothing |
//! | `build` | plan → every child, one file each | nothing |
//! | `step` | what is to be done with the Pod now | nothing |
//! | `apply` | sends the children in their order, and takes the step | the network |
//! | `secret` | the host key of a sandbox, and the key of its gateway | the network |
//! | `restarts` | how long a Pod that ends at once is left alone | memory |
//! | `isolation` | what a sandbox must not reach, and what it reports | nothing |
//! | `requeue` | when to look again | nothing |
//! | `state` | what a reconcile found, for the status of the Agent and the Sandbox | nothing |

pub mod apply;
pub mod build;
pub mod context;
pub mod driver;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod fixtures;
pub mod gather;
pub mod isolation;
pub mod plan;
pub mod requeue;
pub mod restarts;
pub mod secret;
pub mod state;
pub mod step;
pub mod validate;
