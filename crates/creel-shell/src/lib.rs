//! `creel-shell`: the small static binary that runs in the Pods of gateways and sandboxes. It knows nothing of Kubernetes.
//!
//! | module       | does                                                         | touches                           |
//! |--------------|--------------------------------------------------------------|-----------------------------------|
//! | `arguments`  | the command line                                             | nothing                           |
//! | `beneath`    | opens and creates on volumes where an agent can put anything | disk                              |
//! | `install`    | copies the binary to a volume, for images that do not have it | disk                             |
//! | `claim_lock` | holds a lock on the gateway's volume for the life of a Pod   | disk, signals, an abstract socket |
//! | `files`      | keeps files in the workspaces of agents as they should be     | disk, a port                      |
//! | `prepare`    | creates directories on volumes, or sees to it that they exist | disk                              |
//! | `run`        | the first process of a container                             | processes, signals                |
//! | `skills`     | copies skills to the workspaces of their agents              | disk                              |
//! | `isolation`  | tests what a sandbox must not be able to do                  | network, disk                     |
//! | `server`     | the SSH server in a sandbox                                  | network, processes, disk          |
//! | `client`     | what OpenClaw runs instead of `ssh`                          | network, disk, a socket           |
//! | `relay`      | what programs call instead of the gateway                    | network, disk                     |
//! | `log`        | one line per event                                           | standard error                    |
//!
//! A *call* is one command that OpenClaw runs in a sandbox: one run of the client, one channel at the server.

pub mod arguments;
mod beneath;
pub mod claim_lock;
pub mod client;
pub mod files;
pub mod install;
pub mod isolation;
mod log;
pub mod prepare;
pub mod relay;
pub mod run;
pub mod server;
pub mod skills;

/// The variable that holds the token of the gateway: the relay sends it, and who wants the report of files has to.
pub const TOKEN_VARIABLE: &str = "CREEL_GATEWAY_TOKEN";
