//! The Agent controller: a gateway for each Agent that owns one, and a place on it for each that joins.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `driver` | names the steps of a pass | the network, through the steps |
//! | `context` | what all passes share: client, stores, memory between passes | nothing |
//! | `gather` | reads what the spec points at | the network |
//! | `validate` | gathered → plan, or the user's faults | nothing |
//! | `providers` | which Providers the configuration and the environment hold | nothing |
//! | `sandboxes` | where the commands of an Agent run | nothing |
//! | `heartbeats` | the turns that an Agent takes by itself | nothing |
//! | `plan` | the plan of a gateway: what the Pod is made of, and its hash | nothing |
//! | `build` | plan → every child, one file each | nothing |
//! | `apply` | sends the children in their order | the network |
//! | `secret` | the generated Secret | the network |
//! | `prove` | makes the running gateway take up its configuration, and asks whether it has | the network |
//! | `pod` | reads what a gateway's Pod tells | nothing |
//! | `decide` | what a look at the running gateway calls for | nothing |
//! | `schedule` | what the schedule of a gateway needs to know of it | the network |
//! | `observe` | what a pass found, as the state of the gateway | nothing |
//! | `status` | plan and observations → conditions | nothing |
//! | `report` | writes the status and events, if they differ | the network |

pub mod apply;
pub mod build;
pub mod context;
pub mod decide;
pub mod driver;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fixtures;
pub mod gather;
pub mod heartbeats;
pub mod observe;
pub mod plan;
pub mod pod;
pub mod prove;
pub mod providers;
pub mod report;
pub mod sandboxes;
pub mod schedule;
pub mod secret;
pub mod status;
pub mod validate;
