//! Kind `CronJob`: work that an Agent does on a schedule, as a job on its gateway.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
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
    doc = "A CronJob runs an Agent on a schedule. The Agent's gateway stores and runs the job; Creel keeps the job there in line with the spec and reports the result of each run. Runs of one job never overlap. To run it once now: kubectl annotate cronjobs.creel.dev NAME creel.dev/run-now=$(date +%s) --overwrite; every new value starts one run; remove the annotation to withdraw a request that has not started.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')").message("the name of a CronJob must be a DNS label: lower-case letters, digits and '-', starting with a letter, without dots"),
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
#[x_kube(validation = Rule::new("[has(self.schedule), has(self.every), has(self.at)].filter(x, x).size() == 1").message("set exactly one of schedule (five cron fields), every (a duration) and at (a time)"))]
#[x_kube(validation = Rule::new("!has(self.timeZone) || has(self.schedule)").message("timeZone is only allowed with schedule: every is an interval, and at contains its own offset"))]
#[x_kube(validation = Rule::new("!has(self.session) || self.session != 'Main' || !(has(self.model) || has(self.timeout) || has(self.thinking) || (has(self.delivery) && has(self.delivery.mode) && self.delivery.mode != 'None'))").message("session Main sends the message to the Agent's main session: omit model, timeout, thinking and delivery, or use session Isolated"))]
pub struct CronJobSpec {
    /// The Agent that runs the job, in the same namespace. It works in its own workspace and sandbox.
    pub agent_ref: LocalReference,
    /// When to run, as five cron fields: minute, hour, day of month, month, day of week. As in Vixie cron, if both day fields are set,
    /// a day that matches either of them counts. Example: `0 4 * * *`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^[^\\\\s]+( +[^\\\\s]+){4}$')").message("schedule must have five fields separated by spaces: minute, hour, day of month, month, day of week; for example '0 4 * * *'"))]
    pub schedule: Option<String>,
    /// The interval between the starts of two runs, 1 second to 8760 hours; the first run is one interval after the creation of the
    /// CronJob. Example: `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,11}h)?([0-9]{1,11}m)?([0-9]{1,11}s)?([0-9]{1,11}ms)?$') && duration(self) >= duration('1s') && duration(self) <= duration('8760h')").message("every must be a duration from 1s to 8760h, for example 30m or 1h30m"))]
    pub every: Option<String>,
    /// The time of a single run, in RFC 3339 format. If that time passes before the gateway has the job, the run does not take place and
    /// the reason in the status is `Missed`. Example: `2027-02-01T16:00:00+01:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The IANA time zone in which `schedule` is read, daylight saving included. Default: `Etc/UTC`. Example: `Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// The message to the Agent, as a user would write it. There is no user to answer questions during the run. At most 32,768 characters.
    #[schemars(length(min = 1, max = 32768))]
    #[x_kube(validation = Rule::new("self.trim() != ''").message("message must not be blank"))]
    pub message: String,
    /// The session of a run. `Isolated`: a new session for each run; `Main`: the message is a reminder in the Agent's main session, which
    /// OpenClaw allows only for the Agent that owns the gateway. Default: `Isolated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// The models of this job, from Providers that an Agent of the same gateway uses. Default: the Agent's own model and fallbacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSelection>,
    /// The time limit of a run, 1 second to 24 hours; a run that exceeds it is stopped and counts as failed. Default: the gateway's limit
    /// of 60 minutes. Example: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,11}h)?([0-9]{1,11}m)?([0-9]{1,11}s)?([0-9]{1,11}ms)?$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("timeout must be a duration from 1s to 24h, for example 10m"))]
    pub timeout: Option<String>,
    /// The thinking level, as OpenClaw names it. Quote `"off"`, because YAML reads the bare word as false. Models without reasoning
    /// ignore it. Default: the level of the Agent's sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// Where the answer is sent. Default: nowhere; the Agent can still write files and send messages during the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// What becomes of runs that were due while the gateway was suspended or away. `Skip`: they do not take place; `RunOnce`: the job runs
    /// once when the gateway has it again, however many runs were missed. `status.lastMissed` and an Event report them in either case. After
    /// a crash the gateway itself starts the runs that it missed. Default: `Skip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_runs: Option<MissedRuns>,
    /// Pauses the schedule. The job and its history are kept, and a run in progress completes. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// What becomes of missed runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MissedRuns {
    #[default]
    Skip,
    RunOnce,
}

/// In which session of the Agent a run takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Session {
    #[default]
    Isolated,
    Main,
}

/// The thinking level of a model, as OpenClaw names it.
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

/// Where the answer of a run is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(self.mode == 'Announce') == (has(self.channel) && has(self.to)) && (self.mode == 'Announce' || !(has(self.channel) || has(self.to)))").message("mode Announce requires channel and to; other modes allow neither"))]
#[x_kube(validation = Rule::new("(self.mode == 'Webhook') == has(self.url)").message("mode Webhook requires url; other modes do not allow it"))]
pub struct Delivery {
    /// `None`: the answer is not sent; `Announce`: to a recipient on a channel of the gateway; `Webhook`: as JSON to a URL.
    /// Default: `None`.
    #[serde(default)]
    pub mode: DeliveryMode,
    /// The channel of the gateway that sends the answer. Example: `telegram`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub channel: Option<String>,
    /// The recipient, in the notation of the channel. Example: `12345`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub to: Option<String>,
    /// The URL that receives the result in a POST request, without credentials. OpenClaw posts to public addresses only. Example:
    /// `https://hooks.example.com/notes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '' && !self.contains('@')").message("url must be an http or https URL without credentials"))]
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
    /// `Ready`: the summary; `Reconciling`: Creel is still working; `Stalled`: a person must act; `Declared`: the gateway has exactly
    /// this job; `Healthy`: the last run succeeded and its answer was delivered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The schedule in one line. Example: `0 4 * * * Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The id of the job on the gateway. Edits do not change it.
    #[serde(default, rename = "jobID", skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// When the next run starts, in UTC. After consecutive failures the gateway waits longer than the schedule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run_time: Option<Time>,
    /// The most recent run that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<Run>,
    /// The most recent runs, newest first, at most 5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub recent_runs: Vec<Run>,
    /// The number of consecutive runs that failed, or whose answer was not delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_failures: Option<i32>,
    /// Set when the gateway has disabled the job after too many failures. Any edit of the spec enables it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_by_gateway: Option<DisabledByGateway>,
    /// The runs that were due when the gateway was last suspended or away, and did not take place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_missed: Option<LastMissed>,
    /// While the gateway is suspended or away: when the first run that may be missed is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited_run_time: Option<Time>,
    /// The last run requested with the annotation `creel.dev/run-now`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_now: Option<RunNow>,
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Run {
    /// When it started.
    pub time: Time,
    /// The result: `Succeeded`; `Failed`; `NotDelivered`: the run succeeded, but its answer could not be delivered; `Skipped`: the
    /// gateway did not start it.
    pub status: RunStatus,
    /// The reason in one word; absent if the run succeeded. Example: `CreditExhausted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The error message of the gateway, at most 400 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long the run took. Example: `7.2s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// The cost in US dollars, from the prices in the Provider's spec; absent without prices. Example: `0.0063`.
    #[serde(default, rename = "costUSD", skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
}

/// Why the gateway disabled a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct DisabledByGateway {
    /// The reason that the gateway gives. Example: `consecutive-failures`.
    pub reason: String,
    /// When the gateway disabled it.
    pub time: Time,
}

/// Runs that did not take place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastMissed {
    /// When the newest of them was due.
    pub time: Time,
    /// How many there were. It is not counted further than 100.
    pub count: i32,
    /// The run that makes up for them, if `spec.missedRuns` is `RunOnce`. Its `request` is the time of the newest missed run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_once: Option<RunNow>,
}

/// A requested run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunNow {
    /// What requests it: the value of the annotation `creel.dev/run-now`. The same value never runs the job twice.
    #[schemars(length(max = 256))]
    pub request: String,
    /// When Creel accepted the request. A run that the gateway has not started 10 minutes later does not take place.
    pub time: Time,
    /// The runs that the gateway listed before Creel asked it for this one, in a short form. Absent before that and after the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 201), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub known_runs: Option<Vec<String>>,
    /// The id that the gateway gave the run.
    #[serde(default, rename = "runID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub run_id: Option<String>,
    /// Whether the request is settled: the run has ended, or does not take place. Creel retries until it is true.
    pub finished: bool,
    /// Why the run does not take place; absent if it did. Example: `RunExpired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
