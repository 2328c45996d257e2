//! What specs name: Secrets, ConfigMaps, keys, zones.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `agents` | what a gateway reads on behalf of an Agent | nothing |
//! | `sources` | the Secrets and ConfigMaps that objects name | nothing |
//! | `read` | reads them | the network |
//! | `mounted` | whether what a sandbox mounts is there | the network |
//! | `digests` | keyed digests of what a Pod reads as environment | nothing |
//! | `checker` | for controllers that only check whether values exist | the network |
//! | `reserved` | variables that Creel alone sets, whatever `envFrom` loads | nothing |
//! | `generated_secret` | Secrets that Creel generates and never changes | the network |
//! | `host_keys` | the public host keys of sandboxes | the network |
//! | `own_device` | the operator's own device at a gateway | the network |
//! | `ssh_keys` | keys of the way into a sandbox | random bytes |
//! | `suggest` | the name that was probably meant | nothing |
//! | `time_zone` | time zones by their IANA names | nothing |

pub mod agents;
pub mod checker;
pub mod digests;
pub mod generated_secret;
pub mod host_keys;
pub mod mounted;
pub mod own_device;
pub mod read;
pub mod reserved;
pub mod sources;
pub mod ssh_keys;
pub mod suggest;
pub mod time_zone;
