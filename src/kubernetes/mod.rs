//! What any operator needs of the API server. Knows no kind of ours.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `apply` | sends and prunes children | the network |
//! | `ledger` | whether a child has to be sent again | nothing |
//! | `dispute` | whether somebody else keeps changing a child, and how long a repair waits | nothing |
//! | `managed_fields` | what others added to a child where only Creel may write | nothing |
//! | `observed` | an object as the cache keeps it: pruned, with the hash of our own managedFields | nothing |
//! | `received` | an object as the API server sent it, whatever is in it | nothing, or the network to get it |
//! | `http_route` | the part of the Gateway API that Creel writes | nothing |
//! | `conditions` | condition types, reasons and how a list of them changes | nothing |
//! | `ready` | `Ready`, `Reconciling` and `Stalled` from one summary | nothing |
//! | `printable` | texts of users as conditions and Events show them | nothing |
//! | `events` | Events on transitions of a condition | nothing |
//! | `status` | writes the status of an object of ours | the network |
//! | `errors` | what an error of the API server means | nothing |
//! | `reconciler` | why a reconcile could not be finished | nothing |
//! | `backoff` | how long a failing object waits | nothing |
//! | `debounce` | lets a burst of changes settle | nothing |
//! | `spec_version` | which spec of which object something was found of | nothing |
//! | `pod_status` | reads a Pod's status, whatever runs in it | nothing |
//! | `caches` | values by object name, by version, by UID | memory |

pub mod apply;
pub mod backoff;
pub mod caches;
pub mod conditions;
pub mod debounce;
pub mod dispute;
pub mod errors;
pub mod events;
pub mod http_route;
pub mod ledger;
pub mod managed_fields;
pub mod observed;
pub mod pod_status;
pub mod printable;
pub mod ready;
pub mod received;
pub mod reconciler;
#[cfg(test)]
pub(crate) mod recording_api;
pub mod spec_version;
pub mod status;
