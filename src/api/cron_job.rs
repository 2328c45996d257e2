//! Kind `CronJob`: work that an Agent does by a schedule, kept by its gateway.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::models::ModelSelection;
use super::references::LocalReference;
use super::runs::RunStatus;

/// A schedule on the gateway of an Agent.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "creel.dev",
    version = "v1alpha1",
    kind = "CronJob",
    plural = "cronjobs",
    shortname = "ccj",
    category = "creel",
    namespaced,
    status = "CronJobStatus",
    derive = "PartialEq",
    doc = "A CronJob tells an Agent to do something by a schedule. The Agent's gateway keeps the job and runs it; Creel declares it there, again whenever the gateway lost or changed it, and shows what became of each run. Runs of one job never overlap. To run it once now: kubectl annotate cronjobs.creel.dev NAME creel.dev/run-now=$(date +%s), any new value counts.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')").message("the name of a CronJob is a DNS label: lower-case letters, digits and '-', starting with a letter, without dots"),
    printcolumn(name = "Agent", type_ = "string", json_path = ".spec.agentRef.name"),
    printcolumn(name = "Schedule", type_ = "string", json_path = ".status.schedule"),
    printcolumn(name = "Suspend", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Next run", type_ = "string", json_path = ".status.nextRunTime"),
    printcolumn(name = "Last", type_ = "string", json_path = ".status.lastRun.status"),
    printcolumn(name = "Failures", type_ = "integer", json_path = ".status.consecutiveFailures"),
    printcolumn(name = "Health", type_ = "string", json_path = ".status.conditions[?(@.type==\"Healthy\")].reason"),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.conditions[?(@.type==\"Healthy\")].lastTransitionTime"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Healthy\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.schedule), has(self.every), has(self.at)].filter(x, x).size() == 1").message("set exactly one of schedule (five fields of cron), every (a duration) and at (a time)"))]
#[x_kube(validation = Rule::new("!has(self.timeZone) || has(self.schedule)").message("timeZone goes with schedule only: every knows no time of the day, and at names its own offset"))]
#[x_kube(validation = Rule::new("!has(self.session) || self.session != 'Main' || !(has(self.model) || has(self.timeout) || has(self.thinking) || (has(self.delivery) && has(self.delivery.mode) && self.delivery.mode != 'None'))").message("with session Main the message joins the Agent's main session: leave out model, timeout, thinking and delivery, or use session Isolated"))]
pub struct CronJobSpec {
    /// The Agent that does the work, in the same namespace. It works in its own workspace and sandbox.
    pub agent_ref: LocalReference,
    /// When to run, as the five fields of cron: minute, hour, day of month, month, day of week. As in Vixie cron a day counts if either
    /// day field matches, when both are set. Example: `0 4 * * *`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^[^\\\\s]+( +[^\\\\s]+){4}$')").message("a schedule has five fields with spaces between them: minute, hour, day of month, month, day of week; for example '0 4 * * *'"))]
    pub schedule: Option<String>,
    /// How long from the beginning of a run to the next, 1 second to 8760 hours; the first is counted from the creation of the CronJob.
    /// Example: `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('8760h')").message("every is a duration from 1s to 8760h, like 30m or 1h30m"))]
    pub every: Option<String>,
    /// The one time at which to run, as RFC 3339. A time that has passed before the gateway knew the job is not caught up: the status says
    /// `Missed`. Example: `2027-02-01T16:00:00+01:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The IANA time zone in which `schedule` is read, daylight saving included. Default: `Etc/UTC`. Example: `Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// What the Agent is told to do, as a user would say it. Nobody is there to answer questions. At most 32,768 characters.
    #[schemars(length(min = 1, max = 32768))]
    #[x_kube(validation = Rule::new("self.trim() != ''").message("say what is to be done"))]
    pub message: String,
    /// `Isolated`: each run has a fresh session of its own; `Main`: the message joins the Agent's main session, as a reminder to itself;
    /// OpenClaw allows that for the Agent that owns the gateway only.
    /// Default: `Isolated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// The model of this job, from Providers that an Agent of the same gateway uses. Default: the Agent's own model and fallbacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSelection>,
    /// How long a run may take, 1 second to 24 hours; a longer one is ended and counts as failed. Default: the gateway's own limit of
    /// 60 minutes. Example: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("timeout is a duration from 1s to 24h, like 10m"))]
    pub timeout: Option<String>,
    /// How much the model thinks, in OpenClaw's words (write `"off"` in quotes: YAML takes the bare word for false); a model that can't
    /// think ignores it. Default: what the Agent's sessions have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// Where the answer goes. Default: nowhere; what the Agent writes and sends itself counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Whether the schedule rests. The job and its history stay; a run in progress goes on to its end. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// In which session of the Agent a run takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Session {
    #[default]
    Isolated,
    Main,
}

/// How much a model thinks, in OpenClaw's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    Off,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Adaptive,
    Max,
    Ultra,
}

/// Where the answer of a run goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(self.mode == 'Announce') == (has(self.channel) && has(self.to)) && (self.mode == 'Announce' || !(has(self.channel) || has(self.to)))").message("delivery by Announce names channel and to; others name neither"))]
#[x_kube(validation = Rule::new("(self.mode == 'Webhook') == has(self.url)").message("delivery by Webhook names url; others do not"))]
pub struct Delivery {
    /// `None`: nowhere; `Announce`: to somebody on a channel of the gateway; `Webhook`: posted as JSON to a URL. Default: `None`.
    #[serde(default)]
    pub mode: DeliveryMode,
    /// The channel of the gateway by which it is announced. Example: `telegram`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub channel: Option<String>,
    /// To whom it is announced, as the channel writes it. Example: `12345`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub to: Option<String>,
    /// The URL to which the result is posted, without credentials. OpenClaw posts to public addresses only. Example:
    /// `https://hooks.example.com/notes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '' && !self.contains('@')").message("url is an http or https URL without credentials"))]
    pub url: Option<String>,
}

/// How the answer of a run is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeliveryMode {
    #[default]
    None,
    Announce,
    Webhook,
}

/// What Creel observed of a CronJob.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CronJobStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` sums up; `Reconciling` and `Stalled` say whether Creel is working or a person must; `Declared`: the gateway holds exactly
    /// this job; `Healthy`: the last run succeeded, and what it said was delivered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The schedule in one line, for people. Example: `0 4 * * * Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The id of the job on the gateway. It stays the same through edits.
    #[serde(default, rename = "jobID", skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// When the gateway runs it next, in UTC; after failures in a row the gateway waits longer than the schedule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run_time: Option<Time>,
    /// The run that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<Run>,
    /// The last runs, newest first, at most 5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub recent_runs: Vec<Run>,
    /// How many runs in a row failed, as the gateway counts, or were not delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_failures: Option<i32>,
    /// Set when the gateway itself has stopped running the job, after too many failures. Any edit of the spec resumes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_by_gateway: Option<DisabledByGateway>,
    /// The last run that the annotation `creel.dev/run-now` asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_now: Option<RunNow>,
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Run {
    /// When it began.
    pub time: Time,
    /// What became of it: `Succeeded`; `Failed`; `NotDelivered`: the work was done, but its answer did not get where `delivery` says;
    /// `Skipped`: the gateway did not begin it.
    pub status: RunStatus,
    /// Why, in one word, unless it succeeded. Example: `CreditExhausted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, in the gateway's words, at most 400 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took. Example: `7.2s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// US dollars, by the prices in the Provider's spec; absent where it states none. Example: `0.0063`.
    #[serde(default, rename = "costUSD", skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
}

/// Why the gateway stopped running a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct DisabledByGateway {
    /// In the gateway's word. Example: `consecutive-failures`.
    pub reason: String,
    /// Since when.
    pub time: Time,
}

/// A run that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunNow {
    /// The value of the annotation `creel.dev/run-now`. The same value never runs the job twice.
    #[schemars(length(max = 256))]
    pub request: String,
    /// When Creel took it up.
    pub time: Time,
    /// When the last run began before it, by the gateway's clock: a later one that was asked for is this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<MicroTime>,
    /// Whether the gateway's list of runs shows it. Until then Creel sees to it that it takes place.
    pub finished: bool,
}
