//! `creel-shell`: the small static binary inside the Pods. No Kubernetes.
//!
//! | room        | does                                                       | touches                            |
//! |-------------|------------------------------------------------------------|------------------------------------|
//! | `install`   | copies the binary into a volume, for containers without it | disk                               |
//! | `keep`      | holds the claim's lock for the Pod's life                  | disk, signals, an abstract socket  |
//! | `prepare`   | creates directories on volumes before they are mounted     | disk                               |
//! | `run`       | the first process of a container                           | processes, signals                 |
//! | `isolation` | tries what a sandbox must not be able to do                | network, disk                      |
//! | `server`    | the SSH server of a sandbox                                | network, processes, disk           |
//! | `client`    | what OpenClaw starts in place of `ssh`                     | network, disk, a socket            |

pub mod client;
pub mod install;
pub mod isolation;
pub mod keep;
pub mod prepare;
pub mod run;
pub mod server;
