//! `creel-shell`: the small static binary inside the Pods. No Kubernetes.
//!
//! | room      | does                                                    | touches                         |
//! |-----------|---------------------------------------------------------|---------------------------------|
//! | `client`  | takes OpenClaw's calls to a sandbox over one ssh connection | network, a unix socket, processes |
//! | `install` | copies the binary into a volume, for containers without it | disk                          |
//! | `keep`    | holds the claim's lock for the Pod's life               | disk, signals, an abstract socket |

pub mod client;
pub mod install;
pub mod keep;
