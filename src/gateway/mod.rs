//! The gateway controller: a gateway for each Agent that owns one, and a place on it for each that joins.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `driver` | names the steps of a reconcile | the network, through the steps |
//! | `context` | what all reconciles share: client, stores, memory between them | nothing |
//! | `gather` | reads what the spec points at | the network |
//! | `validate` | gathered → plan, or the user's faults | nothing |
//! | `contributions` | what each feature of an Agent adds to the gateway, one file each | nothing |
//! | `credentials` | what the running gateway lacks because it was missing when the Pod started | nothing |
//! | `last_good` | what stays in force of an Agent that is at fault | nothing |
//! | `plan` | the plan of a gateway: what the Pod consists of, and its hash | nothing |
//! | `rollout` | whether the Pod is replaced now, later or not at all | nothing |
//! | `revision` | which configuration the Pod mounts: the desired one, or the last good one | nothing |
//! | `rejections` | keys of users that the gateway rejected | nothing |
//! | `build` | plan → every child, one file each | nothing |
//! | `apply` | sends the children in their order | the network |
//! | `files` | the files in the Agents' workspaces, and how they are | the network |
//! | `secret` | the generated Secret | the network |
//! | `config_sync` | the running gateway takes up its configuration, or goes back to the last good one | the network |
//! | `pod` | reads the status of a gateway's Pod | nothing |
//! | `jobs` | stops the jobs of Agents that leave; publishes whether the gateway answers | the network |
//! | `state` | what a reconcile found, as the state of the gateway | nothing |
//! | `requeue` | when to reconcile again | nothing |

pub mod apply;
pub mod build;
pub mod config_sync;
pub mod context;
pub mod contributions;
pub mod credentials;
pub mod driver;
pub mod files;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod fixtures;
pub mod gather;
pub mod jobs;
pub mod last_good;
pub mod plan;
pub mod pod;
pub mod rejections;
pub mod requeue;
pub mod revision;
pub mod rollout;
pub mod secret;
pub mod state;
pub mod validate;
