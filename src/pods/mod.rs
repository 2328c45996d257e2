//! What all Pods of ours have in common.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `containers` | security context, environment, resources, volumes | nothing |
//! | `egress` | whom Pods may connect to, and the administrator's limit | nothing |
//! | `network` | Services and policies: one port, ranges of addresses, selectors | nothing |
//! | `resolv_conf` | the DNS servers of Pods | a file |
//! | `fingerprint` | a plan in parts, one short hash each | nothing |
//! | `trial` | whether the API server would take a Pod that is to stand in for one that runs | the network |
//! | `quota` | whether a Pod would fit a quota once another one is gone | nothing |
//! | `workspace` | what a sandbox sees of the workspace | nothing |

pub mod containers;
pub mod egress;
pub mod fingerprint;
pub mod network;
mod quota;
pub mod resolv_conf;
pub mod trial;
pub mod workspace;
