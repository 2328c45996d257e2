//! The contract with the gateway's process: its command, variables, paths, probes and exit codes, as they were run with
//! OpenClaw 2026.9.6 in a restricted Pod. Constants, and names made from names.

use sha2::{Digest, Sha256};

/// The port on which the gateway serves HTTP and WebSocket.
pub const PORT: u16 = 18789;

/// The gateway's command; the image's working directory holds `openclaw.mjs`. Ours stands before it as the container's first process:
/// it takes in what the clients of sandboxes leave behind, and ends as the gateway ends.
/// It also copies skills from their ConfigMap to the workspaces.
pub const COMMAND: [&str; 11] = [
    SHELL,
    "run",
    "--skills",
    "/etc/creel-skills/skills.json",
    "--claim",
    CLAIM_DIRECTORY,
    "--",
    "node",
    "openclaw.mjs",
    "gateway",
    "run",
];

/// Creel's own program in the gateway's Pod.
const SHELL: &str = "/opt/creel/creel-shell";

/// User, group and fsGroup of the gateway: `node` in the official image.
pub const USER: i64 = 1000;

/// Where the claim is mounted. The gateway makes its own directories below: a volume's root may belong to root.
pub const CLAIM_DIRECTORY: &str = "/home/node/.openclaw";

/// Where the ConfigMap is mounted as a directory (a subPath would never be refreshed).
pub const CONFIG_DIRECTORY: &str = "/etc/openclaw";

/// The key of the ConfigMap and the file's name in its mount.
pub const CONFIG_FILE: &str = "openclaw.json";

/// The whole path of the configuration as the gateway sees it.
pub const CONFIG_PATH: &str = "/etc/openclaw/openclaw.json";

/// Where the ConfigMap with the skills is mounted.
pub const SKILLS_DIRECTORY: &str = "/etc/creel-skills";

/// Its key, and the file's name in its mount.
pub const SKILLS_FILE: &str = "skills.json";

/// The variable that holds the token which every caller of the gateway presents.
pub const TOKEN_VARIABLE: &str = "OPENCLAW_GATEWAY_TOKEN";

/// The variable that holds Node's options; its value depends on the memory limit, see [`node_options`].
pub const NODE_OPTIONS_VARIABLE: &str = "NODE_OPTIONS";

/// The variable that says where the state is; its value depends on the [layout](super::layout) of the claim.
pub const STATE_VARIABLE: &str = "OPENCLAW_STATE_DIR";

/// Variables with fixed values, sorted by name.
pub const ENVIRONMENT: [(&str, &str); 8] = [
    // OpenClaw's file watcher dies without a word after some swaps of a ConfigMap mount; polling does not.
    ("CHOKIDAR_USEPOLLING", "1"),
    ("HOME", "/home/node"),
    // A Pod's scratch space is empty at each start: the cache is never read, and writing it at the end holds up the exit for seconds.
    ("NODE_DISABLE_COMPILE_CACHE", "1"),
    ("OPENCLAW_CONFIG_PATH", CONFIG_PATH),
    // The operator owns the configuration: what runs and what is deployed cannot drift apart.
    ("OPENCLAW_CONFIG_READONLY", "1"),
    ("OPENCLAW_DISABLE_BONJOUR", "1"),
    ("OPENCLAW_NO_AUTO_UPDATE", "1"),
    // The root file system is read-only.
    ("XDG_CACHE_HOME", "/tmp/xdg-cache"),
];

/// Whether each gateway has this variable from Creel.
#[must_use]
pub fn is_set(variable: &str) -> bool {
    [TOKEN_VARIABLE, SSH_KEY_VARIABLE, NODE_OPTIONS_VARIABLE, STATE_VARIABLE].contains(&variable)
        || ENVIRONMENT.iter().any(|(name, _)| *name == variable)
}

// Neither a probe nor a call of ours may send `X-Forwarded-For`: without `gateway.trustedProxies` OpenClaw answers 403 to
// whoever does. (With proxies that cover the caller's own address it is the other way round.)

/// Start-up and readiness: 200 once the gateway has loaded everything. (`/readyz` also counts the health of channels:
/// one broken bot would take the Service down.)
pub const STARTUP_PATH: &str = "/startupz";

/// Liveness.
pub const HEALTH_PATH: &str = "/healthz";

/// Seconds: OpenClaw drains running turns for up to 315 s after SIGTERM; idle it ends within 2 s.
pub const TERMINATION_GRACE_SECONDS: i64 = 340;

/// A gateway with less memory (bytes) than this does not start: with one agent OpenClaw takes 0.9 GB.
pub const LEAST_MEMORY: u64 = 768 * 1024 * 1024;

/// Node's heap limit for a container with this memory limit (bytes): three quarters, in MiB.
#[must_use]
pub fn node_options(memory_limit: u64) -> String {
    format!("--max-old-space-size={}", memory_limit / 4 * 3 / (1024 * 1024))
}

/// The variable that holds the private key with which the gateway enters its sandboxes. One key for all of them: adding a sandbox
/// brings no new environment.
pub const SSH_KEY_VARIABLE: &str = "CREEL_SSH_KEY";

/// What OpenClaw starts in place of `ssh`.
pub const SSH_COMMAND: &str = "/opt/creel/creel-shell-ssh";

/// The port on which a sandbox's shell listens.
pub const SANDBOX_PORT: u16 = 2222;

/// The user name at that port; the shell runs as the Pod's user whatever the name.
pub const SANDBOX_USER: &str = "sandbox";

/// Below which directory OpenClaw makes its own in a sandbox.
pub const SANDBOX_WORKSPACE_ROOT: &str = "/workspaces";

/// The directory in the sandbox that holds `workspace` and `agent` for this agent, whose workspace the gateway sees at this path. OpenClaw
/// works in `workspace` with access `rw` and `none`, and sees the gateway's workspace in `agent` with `ro`. Its name is a hash of a hash, as
/// OpenClaw computes it.
#[must_use]
pub fn sandbox_directory(agent: &str, workspace: &str) -> String {
    let half = |text: &str| hex::encode(&Sha256::digest(text.as_bytes())[..16]);
    let scope = format!("agent:{agent}:workspace:{}", half(workspace));
    format!("{SANDBOX_WORKSPACE_ROOT}/openclaw-ssh-workspace-{}", half(&scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_gets_three_quarters_of_the_memory_limit() {
        assert_eq!(node_options(2 * 1024 * 1024 * 1024), "--max-old-space-size=1536");
    }

    /// As the real gateway computed it.
    #[test]
    fn the_directory_in_a_sandbox_is_the_one_that_openclaw_uses() {
        let directory = sandbox_directory("support", "/home/node/.openclaw/workspaces/support");
        assert_eq!(directory, "/workspaces/openclaw-ssh-workspace-7cdeba91d12cd6047fc760789ccad463");
    }

    #[test]
    fn the_configuration_is_a_file_of_its_directory() {
        assert_eq!(CONFIG_PATH, format!("{CONFIG_DIRECTORY}/{CONFIG_FILE}"));
        assert_eq!(COMMAND[3], format!("{SKILLS_DIRECTORY}/{SKILLS_FILE}"));
    }
}
