//! What every controller shares. Nothing here knows a kind's meaning.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `names` | labels, annotations, field managers, child names | nothing |
//! | `conditions` | condition types, reasons and how a list of them changes | nothing |
//! | `summary` | `Ready`, `Reconciling` and `Stalled` from one summary | nothing |
//! | `turn` | events that tell of a turn in a condition | nothing |
//! | `observed` | an object as the cache keeps it: pruned, with what its managedFields told | nothing |
//! | `stores` | one watch a kind, and whom each event wakes | the network (watches) |
//! | `exact` | what others added to a child where nobody else may | nothing |
//! | `wakes` | whom a change of one object concerns | nothing |
//! | `ledger` | whether a child has to be sent again | nothing |
//! | `api_error` | what an error of the API server means | nothing |
//! | `apply` | sends and prunes children | the network |
//! | `environment` | keyed digests of what a Pod reads as environment | nothing |
//! | `sources` | the Secrets and ConfigMaps that objects name | nothing |
//! | `references` | reads Secrets and ConfigMaps that objects name | the network |
//! | `backoff` | how long a failing object waits | nothing |
//! | `controls` | what the operator needs of each controller to run it | nothing |
//! | `sandbox_states` | what the passes over sandboxes found | memory |
//! | `gateways` | the gateways that answer, and which agents they confirmed | memory |
//! | `schedules` | what the passes over the schedules of gateways found | memory |
//! | `ssh_keys` | keys of the way into a sandbox | random bytes |
//! | `parts` | a plan in parts, one short hash each | nothing |
//! | `pod_parts` | what all Pods of ours have in common | nothing |
//! | `pod_state` | what a Pod's status tells, whatever runs in it | nothing |
//! | `network_parts` | what all Services and policies of ours have in common | nothing |
//! | `generated_secret` | Secrets that Creel makes and never changes | the network |
//! | `status_writer` | writes the status of an object of ours | the network |
//! | `versioned` | what was read of objects that did not change since | memory |
//! | `presence` | what controllers share that only look whether values exist | the network |
//! | `unreadable` | objects of our kinds that do not parse | memory |
//! | `places` | one value for each object, by its namespace and name | memory |
//! | `uids` | which UID was behind a name | memory |
//! | `debounce` | lets a burst of changes settle | nothing |
//! | `nearest` | the name that was probably meant | nothing |
//! | `time_zone` | time zones by their IANA names | nothing |

pub mod api_error;
pub mod apply;
pub mod backoff;
pub mod conditions;
pub mod controls;
pub mod debounce;
pub mod environment;
pub mod exact;
pub mod gateways;
pub mod generated_secret;
pub mod ledger;
pub mod names;
pub mod nearest;
pub mod network_parts;
pub mod observed;
pub mod parts;
pub mod places;
pub mod pod_parts;
pub mod pod_state;
pub mod presence;
pub mod references;
pub mod sandbox_states;
pub mod schedules;
pub mod sources;
pub mod ssh_keys;
pub mod status_writer;
pub mod stores;
pub mod summary;
pub mod time_zone;
pub mod turn;
pub mod uids;
pub mod unreadable;
pub mod versioned;
pub mod wakes;
