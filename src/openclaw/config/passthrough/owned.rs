//! The paths of openclaw.json that only Creel writes, and what to use instead. Pure.
//!
//! Whatever Creel renders is here. So is what would undo it: what keeps agents apart, off the gateway's own process and off its secrets,
//! and what the operator needs to ask a gateway.

use serde_json::{Value, json};

use super::super::channels::{BINDINGS, account_at, is_above_accounts, is_binding, is_reserved};
use super::super::sections::Fields;
use crate::api::passthrough::below;

/// Where a user's keys belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the top of openclaw.json.
    Gateway,
    /// In the entry of one agent.
    Agent,
    /// In the accounts of one agent's channels, by the id of the account.
    Channels,
}

/// A path that users cannot write, anything below it included, and what to do instead.
pub type Owned = (&'static str, &'static str);

const NO_FIELD: &str = "Creel sets it, and it can't be changed";
const LIMITS: &str = "it limits what agents can do in the gateway's own process";

const OWN_WORKSPACE: &str = "an agent reads its own workspace only";
const SANDBOX: &str = "it runs a program in the gateway's own process: put it into the image of a Sandbox";

/// Stands for any key in an owned path.
const ANY: &str = "*";

/// Keys that name code or a program that the gateway runs itself, wherever they are.
const PROGRAMS: [&str; 8] = [
    "agentRuntime",
    "cliPath",
    "command",
    "executable",
    "executablePath",
    "extensionPath",
    "piperExecutable",
    "transform",
];
/// Below it `command` is what people type.
const CHANNELS: &str = "channels";

const PLUGINS: &str =
    "use enabled of each plugin in plugins.entries: Creel asks the gateway through a plugin, which must stay";
const DEFAULTS: &str = "OpenClaw has it for all agents of a gateway only: use agents.defaults in spec.gateway.config of the Agent that \
                        owns the gateway";

/// Paths at the top of openclaw.json.
pub const GATEWAY: &[Owned] = &[
    ("$include", "write the keys of the included file here"),
    ("acp", LIMITS),
    ("agents.defaults.cliBackends", LIMITS),
    ("agents.defaults.heartbeat", "use spec.heartbeat of each Agent"),
    ("agents.defaults.model", "use spec.model of each Agent"),
    ("agents.defaults.repoRoot", NO_FIELD),
    ("agents.defaults.sandbox", "use spec.sandbox of each Agent"),
    ("agents.defaults.sessionStore", "sessions are on the claim of spec.gateway.storage"),
    ("agents.defaults.skipBootstrap", NO_FIELD),
    ("agents.defaults.subagents.allowAgents", "use spec.delegates of each Agent"),
    ("agents.defaults.systemAgent", "it is the Agent that owns the gateway"),
    ("agents.defaults.workspace", "workspaces are on the claim of spec.gateway.storage"),
    ("agents.entries", "use spec.config of the Agent with this name"),
    ("agents.ownership", NO_FIELD),
    ("commands.bash", LIMITS),
    ("commands.config", LIMITS),
    ("commands.debug", LIMITS),
    ("commands.mcp", LIMITS),
    ("commands.plugins", LIMITS),
    ("commands.restart", LIMITS),
    ("cron.enabled", "use spec.suspend of each CronJob"),
    ("cron.triggers", LIMITS),
    ("discovery", NO_FIELD),
    ("env", "use spec.gateway.env"),
    ("gateway.allowRealIpFallback", "use spec.gateway.trustedProxies"),
    ("gateway.auth", "use spec.gateway.auth"),
    ("gateway.bind", "the gateway listens on all addresses of its Pod"),
    ("gateway.controlUi", "use spec.gateway.controlUI"),
    ("gateway.customBindHost", "the gateway listens on all addresses of its Pod"),
    ("gateway.http.endpoints", "use spec.gateway.http"),
    ("gateway.mode", NO_FIELD),
    ("gateway.nodes.pairing", NO_FIELD),
    ("gateway.port", "the gateway listens on port 18789"),
    ("gateway.reload", NO_FIELD),
    ("gateway.remote", "this gateway is not a client of another one"),
    ("gateway.tailscale", "put a proxy or an Ingress of your tailnet in front of the Service"),
    ("gateway.terminal", LIMITS),
    ("gateway.tls", "end TLS at a proxy in front of the Service"),
    ("gateway.trustedProxies", "use spec.gateway.trustedProxies"),
    ("hooks.internal.load", LIMITS),
    ("hooks.transformsDir", LIMITS),
    ("logging.consoleLevel", "Creel reads the log"),
    ("logging.consoleStyle", "Creel reads the log"),
    ("logging.file", "the log goes to the standard output of the Pod"),
    ("logging.level", "Creel reads the log"),
    ("memory.qmd", OWN_WORKSPACE),
    ("memory.search.extraPaths", OWN_WORKSPACE),
    ("memory.search.local.modelPath", LIMITS),
    ("memory.search.qmd", OWN_WORKSPACE),
    ("meta", NO_FIELD),
    ("models", "use a Provider"),
    ("plugins.allow", PLUGINS),
    ("plugins.deny", PLUGINS),
    ("plugins.enabled", PLUGINS),
    ("plugins.load", LIMITS),
    ("plugins.entries.admin-http-rpc", "Creel asks the gateway through this plugin"),
    ("secrets", "use valueFrom.secretKeyRef in place of the value"),
    ("security.installPolicy", LIMITS),
    ("session.dmScope", "it keeps what people say to an agent apart"),
    ("session.store", "sessions are on the claim of spec.gateway.storage"),
    ("skills.entries.*.env", "use env in spec.skills of the Agent that has the skill"),
    ("telemetry", NO_FIELD),
    ("tools.agentToAgent", LIMITS),
    ("tools.deny", "use spec.tools.deny of each Agent"),
    ("tools.elevated", LIMITS),
    ("tools.exec", "use spec.sandbox of each Agent"),
    ("tools.fs", "use spec.sandbox of each Agent"),
    ("tools.sessions", LIMITS),
    ("update", "use spec.gateway.image"),
    ("wizard", NO_FIELD),
];

/// Paths in the entry of an agent. What OpenClaw has only in `agents.defaults` is the gateway's.
pub const AGENT: &[Owned] = &[
    ("$include", "write the keys of the included file here"),
    ("agentDir", "the Agent's state is on the claim of its gateway"),
    ("authInheritance", DEFAULTS),
    ("blockStreamingBreak", DEFAULTS),
    ("blockStreamingChunk", DEFAULTS),
    ("blockStreamingCoalesce", DEFAULTS),
    ("blockStreamingDefault", DEFAULTS),
    ("compaction", DEFAULTS),
    ("contextPruning", DEFAULTS),
    ("cwd", "commands run in the Agent's workspace"),
    ("default", "callers name the Agent"),
    ("description", "use spec.description"),
    ("elevatedDefault", DEFAULTS),
    ("heartbeat", "use spec.heartbeat"),
    ("identity", "use spec.identity"),
    ("imageMaxDimensionPx", DEFAULTS),
    ("imageModel", DEFAULTS),
    ("imageQuality", DEFAULTS),
    ("maxConcurrent", DEFAULTS),
    ("mediaMaxMb", DEFAULTS),
    ("mediaModels", DEFAULTS),
    ("memory.search.extraPaths", OWN_WORKSPACE),
    ("memory.search.local.modelPath", LIMITS),
    ("memory.search.qmd", OWN_WORKSPACE),
    ("model", "use spec.model"),
    ("modelSelectionScope", DEFAULTS),
    ("name", "it is the name of the Agent; for people there is spec.identity.name"),
    ("pdfMaxMb", DEFAULTS),
    ("pdfMaxPages", DEFAULTS),
    ("pdfModel", DEFAULTS),
    ("runtime", LIMITS),
    ("sandbox", "use spec.sandbox"),
    ("silentReply", DEFAULTS),
    ("skipOptionalBootstrapFiles", DEFAULTS),
    ("startupContext", DEFAULTS),
    ("skills", "use spec.skills"),
    ("subagents.allowAgents", "use spec.delegates"),
    ("timeoutSeconds", DEFAULTS),
    ("tools.allow", "use spec.tools.allow"),
    ("tools.byProvider", "use spec.tools.byProvider"),
    ("tools.deny", "use spec.tools.deny"),
    ("tools.elevated", LIMITS),
    ("tools.exec", "use spec.sandbox"),
    ("tools.fs", "use spec.sandbox"),
    ("tools.profile", "use spec.tools.profile"),
    ("typingIntervalSeconds", DEFAULTS),
    ("userTimezone", DEFAULTS),
    ("voiceModel", DEFAULTS),
    ("workspace", "it is on the claim of the gateway"),
];

const CHANNEL: &str = "use spec.channels of the Agent";
const POLLS: &str = "the gateway fetches the messages, so nothing has to reach it";
const OWN_AGENT: &str = "a channel is bound to its own Agent; use spec.delegates";

/// Paths in the account of a channel.
pub const CHANNELS_OWNED: &[Owned] = &[
    ("$include", "write the keys of the included file here"),
    ("accounts", "add an entry to spec.channels for each bot"),
    ("allowFrom", "use allowFrom of the channel"),
    ("apiRoot", "use apiRoot of the channel"),
    ("botToken", "use botToken of the channel"),
    ("configWrites", NO_FIELD),
    ("defaultAccount", "each channel is an account of its own"),
    ("dmPolicy", "use dmPolicy of the channel"),
    ("execApprovals", LIMITS),
    ("groupAllowFrom", "use groupAllowFrom of the channel"),
    ("groupPolicy", "use groupPolicy of the channel"),
    ("groups", "use groups of the channel"),
    ("network.dangerouslyAllowPrivateNetwork", "the host of apiRoot may have a private address as it is"),
    ("tokenFile", "use botToken of the channel"),
    ("trustedLocalFileRoots", LIMITS),
    ("webhookCertPath", POLLS),
    ("webhookHost", POLLS),
    ("webhookPath", POLLS),
    ("webhookPort", POLLS),
    ("webhookSecret", POLLS),
    ("webhookUrl", POLLS),
];

impl Place {
    /// Its owned paths.
    #[must_use]
    pub const fn owned(self) -> &'static [Owned] {
        match self {
            Self::Gateway => GATEWAY,
            Self::Agent => AGENT,
            Self::Channels => CHANNELS_OWNED,
        }
    }

    /// What to do instead of writing this path; `None`: users may write it.
    #[must_use]
    pub fn remedy(self, path: &str) -> Option<&'static str> {
        let path = self.below_account(path)?;
        let owned = self.owned().iter().find(|(owned, _)| is_within(path, owned)).map(|(_, remedy)| *remedy);
        owned.or_else(|| match self {
            Self::Gateway if account_at(path).is_some_and(|(id, _)| is_reserved(id)) => Some(CHANNEL),
            Self::Channels => (last(path) == "agentId").then_some(OWN_AGENT),
            Self::Gateway | Self::Agent => names_a_program(path).then_some(SANDBOX),
        })
    }

    /// Whether Creel writes something below this path, so that it has to be an object.
    #[must_use]
    pub fn is_shared(self, path: &str) -> bool {
        // An account.
        let Some(path) = self.below_account(path) else { return true };
        let is_above = |owned: &str| {
            let mut keys = owned.split('.');
            path.split('.').all(|key| keys.next().is_some_and(|owned| owned == ANY || owned == key))
                && keys.next().is_some()
        };
        self.owned().iter().any(|(owned, _)| is_above(owned)) || (self == Self::Gateway && is_above_accounts(path))
    }

    /// The path in its account; `None`: it is that of an account.
    fn below_account(self, path: &str) -> Option<&str> {
        match self {
            Self::Channels => path.split_once('.').map(|(_, below)| below),
            Self::Gateway | Self::Agent => Some(path),
        }
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Whether the last key of the path names code or a program.
fn names_a_program(path: &str) -> bool {
    PROGRAMS.contains(&last(path)) && !is_within(path, CHANNELS)
}

/// Whether `path` is `above` or below it.
pub(super) fn is_within(path: &str, above: &str) -> bool {
    let mut keys = path.split('.');
    above.split('.').all(|above| keys.next().is_some_and(|key| above == ANY || above == key))
}

/// What users wrote of these rendered fields: all that Creel does not own.
#[must_use]
pub fn remainder(place: Place, rendered: &Fields) -> Fields {
    below_path(place, "", rendered)
}

fn below_path(place: Place, path: &str, rendered: &Fields) -> Fields {
    let of_user = |(key, value): (&String, &Value)| {
        let path = below(path, key);
        if place.remedy(&path).is_some() {
            return None;
        }
        if place == Place::Gateway
            && path == BINDINGS
            && let Value::Array(bindings) = value
        {
            let rest: Vec<&Value> = bindings.iter().filter(|binding| !is_binding(binding)).collect();
            return (!rest.is_empty()).then(|| (key.clone(), json!(rest)));
        }
        let Value::Object(fields) = value else {
            return (!place.is_shared(&path)).then(|| (key.clone(), value.clone()));
        };
        let rest = below_path(place, &path, fields);
        (!rest.is_empty() || !place.is_shared(&path)).then(|| (key.clone(), Value::Object(rest)))
    };
    rendered.iter().filter_map(of_user).collect()
}
