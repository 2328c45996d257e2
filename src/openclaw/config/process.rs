//! The sections that have nothing to do with single agents. Pure.

use serde_json::{Value, json};

use crate::openclaw::names::secret_ref;
use crate::openclaw::paths;

/// The listener, its authentication and what it serves.
pub(super) fn gateway() -> Value {
    json!({
        "mode": "local",
        "port": paths::PORT,
        // In a container nothing but `lan` is reachable from outside of it.
        "bind": "lan",
        "auth": {
            "mode": "token",
            "token": secret_ref(paths::TOKEN_VARIABLE),
            "rateLimit": {"maxAttempts": 20, "windowMs": 60_000, "lockoutMs": 300_000, "exemptLoopback": true},
        },
        "controlUi": {"enabled": false},
        "terminal": {"enabled": false},
        "reload": {"mode": "hybrid"},
        "nodes": {"pairing": {"autoApproveLocal": false}},
        "http": {"endpoints": {"responses": {"enabled": true}}},
    })
}

/// What no agent may do, sandbox or not, because it happens in the gateway's own process.
pub(super) fn tools() -> Value {
    json!({
        // Another agent's sessions stay its own.
        "sessions": {"visibility": "tree"},
        "agentToAgent": {"enabled": false},
        "elevated": {"enabled": false},
        // `plugins` installs code into the gateway; `gateway` and `openclaw` change what the operator owns; `portal`,
        // `secrets` and `terminal` reach the gateway's network, variables and shell.
        "deny": ["gateway", "openclaw", "plugins", "portal", "secrets", "terminal"],
    })
}
