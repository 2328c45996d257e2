//! What Creel sees and concludes.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `queues` | the queue of each controller | memory |
//! | `stores` | what the cluster looks like, one store a kind | memory |
//! | `unparsable` | watched objects that do not parse | memory |
//! | `facts` | what one controller finds out and others use: published, compared, and queued for whom it concerns | memory |
//! | `gateways`, `gateway_state`, `sandbox_states`, `jobs_found`, `devices_found` | what the facts say | nothing |
//! | `relations` | how Agents belong together | nothing |
//! | `readers` | who reads which Secret and ConfigMap | nothing |
//! | `proxies` | where the proxies are that expose gateways | nothing |
//! | `pruning` | what the stores keep of watched objects | nothing |
//! | `memo` | a value that lasts until an object changes | memory |
//! | `triggers` | whom a change of an object concerns | nothing |
//! | `fact_triggers` | whom a published fact concerns | nothing |
//! | `located` | where the Pod of a gateway is now | the network |
//! | `watch` | keeps one store true | the network |
//! | `attempt` | one reconcile within its time, and when to try again | the network, through it |
//! | `runtime` | runs the controllers of objects | the network, through them |
//! | `namespaces` | runs the controllers of namespaces | the network, through them |
//! | `registry` | every watched kind, one line each | the network |

pub mod attempt;
pub mod channels_found;
pub mod devices_found;
pub mod fact_triggers;
pub mod facts;
pub mod gateway_state;
pub mod gateways;
pub mod jobs_found;
pub mod located;
pub mod memo;
pub mod namespaces;
pub mod proxies;
pub mod pruning;
pub mod queues;
pub mod readers;
pub mod registry;
pub mod relations;
pub mod runtime;
pub mod sandbox_states;
pub mod stores;
pub mod triggers;
pub mod unparsable;
pub mod watch;
