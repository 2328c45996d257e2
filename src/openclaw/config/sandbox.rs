//! Where an agent's commands run, as its entry in openclaw.json says it: in its sandbox, or nowhere. Pure.
//!
//! OpenClaw runs a command on the gateway unless told otherwise, so both halves are always written, and together: the tools
//! that an agent may use, and the sandbox that they use.
//!
//! Tried through the model's tool calls on OpenClaw 2026.9.6, in turns and in cron jobs: with `exec.host: "sandbox"` a call that
//! asks for `gateway` or `node`, or to be elevated, is refused, and without a sandbox block every call is. The file tools work in the
//! sandbox or, without the block, keep to the workspace. What OpenClaw offers in a sandbox is a list of its own, without `automations`
//! (jobs that an agent schedules itself), `web_*` and `memory_*`.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::sections::Fields;
use crate::api::sandbox::WorkspaceAccess;
use crate::openclaw::names::secret_ref;
use crate::openclaw::paths;

/// The way into an agent's sandbox, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// What the sandbox sees of the workspace.
    pub access: WorkspaceAccess,
    /// Where its shell listens.
    pub address: Option<IpAddr>,
    /// Its public host key, as in `known_hosts`: `ssh-ed25519 AAAA…`.
    pub host_key: Option<String>,
}

/// Stands for an address that is not known yet. No resolver may answer for this domain (RFC 2606), and the client asks none.
const NO_ADDRESS: &str = "sandbox-has-no-address-yet.invalid";

/// Stands for a host key that is not known yet: no key matches a comment. Left empty, OpenClaw would name no file at all.
const NO_HOST_KEY: &str = "# the host key of the sandbox is not known yet";

impl Sandbox {
    fn block(&self) -> Value {
        json!({
            "mode": "all",
            "backend": "ssh",
            "scope": "agent",
            "workspaceAccess": self.access.as_str(),
            // Pruning removes the directory in which the workspace is mounted.
            "prune": {"idleHours": 0, "maxAgeDays": 0},
            "ssh": {
                "target": self.target(),
                "command": paths::SSH_COMMAND,
                "workspaceRoot": paths::SANDBOX_WORKSPACE_ROOT,
                "strictHostKeyChecking": true,
                "updateHostKeys": false,
                "identityData": secret_ref(paths::SSH_KEY_VARIABLE),
                "knownHostsData": self.known_hosts(),
            },
        })
    }

    /// OpenClaw splits at the last colon, and puts what stands before it into the client's configuration as it is: an IPv6
    /// address goes without brackets.
    fn target(&self) -> String {
        let host = self.address.map_or_else(|| NO_ADDRESS.to_owned(), |address| address.to_string());
        format!("{}@{host}:{}", paths::SANDBOX_USER, paths::SANDBOX_PORT)
    }

    fn known_hosts(&self) -> String {
        match (self.address, &self.host_key) {
            (Some(address), Some(key)) => format!("[{address}]:{} {key}", paths::SANDBOX_PORT),
            _ => NO_HOST_KEY.to_owned(),
        }
    }
}

/// The fields that [`confine`] writes.
pub const CONFINEMENT: [&str; 2] = ["sandbox", "tools"];

/// The fields of an entry for what the agent's commands may do and where; `None`: it has no shell.
#[must_use]
pub fn confine(sandbox: Option<&Sandbox>) -> Fields {
    match sandbox {
        Some(sandbox) => {
            Fields::from_iter([("sandbox".to_owned(), sandbox.block()), ("tools".to_owned(), tools_in_sandbox())])
        }
        None => Fields::from_iter([("tools".to_owned(), tools_without_shell())]),
    }
}

/// Whether these fields of an entry say where commands run.
pub(super) fn is_confined(fields: &Fields) -> bool {
    fields.get("tools").is_some_and(|tools| tools.get("exec").is_some())
}

/// The host alone keeps commands off the gateway, also in a session that has no sandbox after all; the file tools then keep to the
/// workspace.
fn tools_in_sandbox() -> Value {
    json!({
        "deny": ["browser"],
        "exec": {"host": "sandbox", "mode": "full"},
        "elevated": {"enabled": false},
        "fs": {"workspaceOnly": true},
    })
}

/// All of it: with less an agent can read /proc/self/environ, which holds every secret of the gateway. The denied tools are not even
/// offered to the model; the mode holds should one come back by another name.
fn tools_without_shell() -> Value {
    json!({
        "deny": ["browser", "exec", "process"],
        "exec": {"mode": "deny"},
        "fs": {"workspaceOnly": true},
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(in crate::openclaw) mod tests;
