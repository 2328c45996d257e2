//! What Creel knows of OpenClaw 2026.9.6, and nothing of Kubernetes: plain values in, plain values out.
//!
//! | room     | does                                                              | touches     |
//! |----------|-------------------------------------------------------------------|-------------|
//! | `paths`  | the contract with the gateway's process: ports, paths, variables  | nothing     |
//! | `bootstrap` | the files of a workspace that OpenClaw puts into the prompt       | nothing     |
//! | `layout` | where the data are on the claim of a gateway                      | nothing     |
//! | `names`  | how Providers and Agents are called inside openclaw.json          | nothing     |
//! | `config` | renders openclaw.json, one file a section                         | nothing     |
//! | `location` | where a gateway is, asked for each new connection              | the network |
//! | `marker` | the visible leaf that betrays an edit of a redacted one           | nothing     |
//! | `live`   | reads single entries back from an openclaw.json                   | nothing     |
//! | `proof`  | does `config.get` prove that the gateway runs our file?           | nothing     |
//! | `exit`   | why a gateway ended, from its exit code and last log lines        | nothing     |
//! | `answer` | reads what gateways say: bounded, and lenient where a part is not understood | nothing |
//! | `credentials` | which Providers the running gateway has no credentials for   | the network |
//! | `channels` | how the accounts of a gateway's channels fare              | the network |
//! | `cron`   | the gateway's scheduler: jobs, their runs, and the calls for them     | the network |
//! | `redact` | errors of models' endpoints and of channels, without keys          | nothing     |
//! | `rpc`    | the gateway's admin calls over HTTP                               | the network |
//! | `skill`  | what OpenClaw takes for a skill                                   | nothing     |
//! | `places` | who may ask a gateway now                                         | memory      |
//! | `device` | the operator's own device, and how it answers a challenge         | nothing     |
//! | `pairing` | the devices that a gateway lets in over its WebSocket           | the network |
//! | `socket` | a job's run, which the gateway only takes over its WebSocket      | the network |

pub mod answer;
pub mod bootstrap;
pub mod channels;
pub mod config;
pub mod credentials;
pub mod cron;
pub mod device;
pub mod exit;
pub mod layout;
pub mod live;
pub mod location;
pub mod marker;
pub mod names;
pub mod pairing;
pub mod paths;
pub mod places;
pub mod proof;
pub mod redact;
pub mod refusals;
pub mod rpc;
pub mod skill;
pub mod socket;
