//! Why a condition has its status. Reasons are part of the API: alerts and dashboards match them. Each is defined once, with its
//! meaning and its remedy; `docs/reference/reasons.md` is generated from them.

/// A reason, as the reference documents it.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    pub name: &'static str,
    pub meaning: &'static str,
    /// What to do about it; empty where nothing needs doing.
    pub remedy: &'static str,
}

/// Reasons that belong together, under a heading of the reference.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub title: &'static str,
    /// Where they appear.
    pub place: &'static str,
    pub reasons: &'static [Reason],
}

/// Defines each reason as a constant whose documentation is its meaning, and all of them as [`GROUPS`].
macro_rules! reasons {
    ($($title:literal, $place:literal { $(#[doc = $meaning:literal] $name:ident = $value:literal, $remedy:literal;)+ })+) => {
        $($(#[doc = $meaning] pub const $name: &str = $value;)+)+
        /// All reasons, in the order of the reference.
        pub const GROUPS: &[Group] = &[$(Group {
            title: $title,
            place: $place,
            reasons: &[$(Reason { name: $value, meaning: $meaning, remedy: $remedy }),+],
        }),+];
    };
}

reasons! {
    "All kinds", "any condition; `Ready`, `Reconciling` and `Stalled` also repeat the reason of the condition that decides them" {
        /// The object works as specified.
        READY = "Ready", "";
        /// `Reconciling` or `Stalled` is `False`: there is nothing to report.
        AS_EXPECTED = "AsExpected", "";
        /// Creel has not observed the result of the latest change yet.
        PENDING = "Pending", "Wait; if it does not change for minutes, see the conditions of the Agent that owns the gateway and the log of the operator.";
        /// `spec.suspend` is `true`, on this object or on the Agent that it depends on.
        SUSPENDED = "Suspended", "Set `spec.suspend` to `false` to resume.";
        /// The annotation `creel.dev/paused` is `"true"`: Creel changes nothing that belongs to this object.
        PAUSED = "Paused", "Remove the annotation to resume.";
    }
    "References", "`ReferencesResolved`, `ConfigApplied` and `SandboxReady` of an Agent, `CredentialsResolved` of a Provider, `Ready` of a Sandbox, `Declared` of a CronJob" {
        /// Everything that the spec names exists.
        RESOLVED = "Resolved", "";
        /// Everything that the spec names exists. `spec.gateway.envFrom` loads variables that only Creel sets, such as `OPENCLAW_GATEWAY_PORT`: they have no effect.
        VARIABLES_IGNORED = "VariablesIgnored", "Remove the keys that the message names from the Secret or ConfigMap, or load the others one by one with `spec.gateway.env`.";
        /// Everything that the spec names exists. `spec.config` or `spec.gateway.config` has a secret in plain text.
        SECRET_IN_PLAIN_TEXT = "SecretInPlainText", "Put the value into a Secret, and write `{valueFrom: {secretKeyRef: {name, key}}}` in its place.";
        /// Everything that the spec names exists. `spec.gateway.resources.limits.memory` is too low for OpenClaw.
        MEMORY_LIMIT_LOW = "MemoryLimitLow", "Raise the limit, or remove it to use the default. A gateway with one Agent needs about 1 GiB, each further Agent about 100 MiB.";
        /// `spec.config` or `spec.gateway.config` has a key that only Creel sets. The last valid version remains in use, and the Agent stays ready with it.
        CONFIG_KEY_OWNED = "ConfigKeyOwned", "Remove the key; the message names what to use instead.";
        /// `spec.config` or `spec.gateway.config` has a value that Creel cannot use, for example a variable `${NAME}`. The last valid version remains in use.
        CONFIG_UNSUPPORTED = "ConfigUnsupported", "Correct the value; the message has the form to use.";
        /// `spec.config` or `spec.gateway.config` is too large, or names too many Secrets. The last valid version remains in use.
        CONFIG_TOO_LARGE = "ConfigTooLarge", "Shorten it below the limit in the message.";
        /// The Provider needs no credentials.
        NOT_REQUIRED = "NotRequired", "";
        /// A Secret does not exist. What already runs keeps running.
        SECRET_NOT_FOUND = "SecretNotFound", "Create the Secret that the message names, or correct the reference.";
        /// A Secret exists but does not have the key. What already runs keeps running.
        SECRET_KEY_NOT_FOUND = "SecretKeyNotFound", "Add the key that the message names, or correct the reference. If a Secret that Creel generated lost a key, delete the Secret and Creel recreates it.";
        /// A key of a Secret exists but is empty, or has only whitespace. What already runs keeps running.
        SECRET_KEY_EMPTY = "SecretKeyEmpty", "Set the key that the message names.";
        /// The gateway runs without a key or header of the Agent's Provider, because it was missing or empty when the Pod started: turns of the Agent fail. Other Agents of the gateway are not affected.
        CREDENTIALS_UNAVAILABLE = "CredentialsUnavailable", "Restore the key that the message names: Creel then recreates the Pod. If it stays, set a new value of the annotation `creel.dev/restart`.";
        /// A ConfigMap does not exist. What already runs keeps running.
        CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound", "Create the ConfigMap that the message names, or correct the reference.";
        /// A ConfigMap exists but does not have the key. What already runs keeps running.
        CONFIG_MAP_KEY_NOT_FOUND = "ConfigMapKeyNotFound", "Add the key that the message names, or correct the reference.";
        /// An object cannot be read at the moment. Its last known content remains in use.
        REFERENCE_UNREADABLE = "ReferenceUnreadable", "Creel retries. Check the permissions of the operator and the health of the API server.";
        /// A Provider does not exist.
        PROVIDER_NOT_FOUND = "ProviderNotFound", "Create the Provider, or use the name that the message suggests.";
        /// The Provider does not list the model, or its endpoint does not know it.
        MODEL_NOT_FOUND = "ModelNotFound", "Use a model from `spec.models` of the Provider, or add it there.";
        /// OpenClaw would not send the model's id as it is: it takes what follows an `@` for the name of an auth profile.
        MODEL_ID_UNSUPPORTED = "ModelIdUnsupported", "Use another model, or give the model a name without `@` at its endpoint.";
        /// A Sandbox does not exist. A sandbox Pod that already runs keeps running.
        SANDBOX_NOT_FOUND = "SandboxNotFound", "Create the Sandbox, or correct `spec.sandbox.ref`.";
        /// The Agent that a CronJob names does not exist; or an Agent that `spec.delegates` or `spec.gateway.auth.clients` names is not on the gateway.
        AGENT_NOT_FOUND = "AgentNotFound", "Create the Agent, or correct `spec.agentRef`, `spec.delegates` or the list `agents` of the client. The CronJob waits for it; the other Agents in the list can be used.";
        /// Everything that the spec names exists. `spec.delegates` of an Agent in a sandbox names one without: OpenClaw refuses to start it as a sub-agent.
        DELEGATE_NOT_IN_SANDBOX = "DelegateNotInSandbox", "Set `spec.sandbox` of the Agent that the message names, or remove it from `spec.delegates`.";
        /// The text of a file in `spec.workspace.files` cannot be used. The last valid one remains in use.
        WORKSPACE_FILE_INVALID = "WorkspaceFileInvalid", "Correct the key of the ConfigMap that the message names: UTF-8 text of at most 64 KiB.";
        /// The files of all Agents of a gateway are too large together. Those of this Agent stay as they were.
        WORKSPACE_FILES_TOO_LARGE = "WorkspaceFilesTooLarge", "Shorten `spec.workspace.files` of the Agents on the gateway.";
        /// Everything that the spec names exists. OpenClaw does not use a file in `spec.workspace.files` as its name suggests. It is written all the same.
        WORKSPACE_FILE_NOT_USED = "WorkspaceFileNotUsed", "Put its text where the message says.";
        /// Everything that the spec names exists. OpenClaw takes only a part of the files in `spec.workspace.files` into the prompt.
        WORKSPACE_FILE_TRUNCATED = "WorkspaceFileTruncated", "Shorten the file that the message names, or raise the limit.";
        /// A ConfigMap in `spec.skills` is no skill that OpenClaw can read: `SKILL.md` is missing or has no valid front matter, its `name` is another one, a file is not text, or it is too large. The last valid version of the skill remains in use.
        SKILL_INVALID = "SkillInvalid", "Correct what the message names in the ConfigMap.";
        /// Two Agents of a gateway have a skill of the same name with different variables. OpenClaw has one set for all skills of a name, so the younger Agent does not get the skill.
        SKILL_VARIABLES_DIFFER = "SkillVariablesDiffer", "Give both the same `env`, or rename the skill of the Agent that the message names.";
        /// A client in `spec.gateway.auth.clients` has the token of another client or of the gateway. It is refused.
        CLIENT_TOKEN_SHARED = "ClientTokenShared", "Give the client that the message names a token of its own.";
        /// A bot in `spec.channels` is also that of another channel of this Agent or of an older Agent, which keeps it. The channel is left out.
        BOT_TOKEN_SHARED = "BotTokenShared", "Give each channel a bot of its own, or remove the channel that the message names.";
        /// The Agent whose gateway to use does not exist.
        GATEWAY_NOT_FOUND = "GatewayNotFound", "Create the Agent that `spec.gatewayRef` names, or create a new Agent with another `gatewayRef`.";
        /// The Agent whose gateway to join has no gateway of its own.
        GATEWAY_NOT_OWNED = "GatewayNotOwned", "`spec.gatewayRef` must name an Agent that has no `gatewayRef` itself.";
        /// The claim in `spec.gateway.storage.existingClaim` of an Agent, or in `spec.volumes` of a Sandbox, does not exist. What already runs keeps running.
        CLAIM_NOT_FOUND = "ClaimNotFound", "Create the claim, or correct its name.";
        /// A time zone does not exist.
        TIME_ZONE_NOT_FOUND = "TimeZoneNotFound", "Use an IANA name such as `Europe/Paris`; the message suggests the nearest one.";
    }
    "Objects that Creel creates", "`Ready` and `Stalled` of an Agent, `SandboxReady`; `Contested` also on `GatewayReady`" {
        /// An object with the name that Creel needs exists and is not owned by this Agent. Creel never takes it over. Pods that depend on it are stopped, unless it is a Service.
        NAME_CONFLICT = "NameConflict", "Delete or rename the object that the message names, or use another name for the Agent.";
        /// An object with the name that Creel needs belongs to a deleted Agent of the same name. Kubernetes has not removed it yet.
        BEING_DELETED = "BeingDeleted", "Wait. If it stays, a finalizer holds the object that the message names.";
        /// The API server rejected an object that follows from the spec.
        CHILD_REJECTED = "ChildRejected", "The message has the API server's error: correct the field that it names, or the policy or quota that rejected it.";
        /// Something else keeps changing or deleting an object that Creel created. Creel restores it ever more slowly, at least every 10 minutes. What confines Pods is restored at once: policies, configurations, accounts, and of the Deployment its images, commands, volumes, security settings, and variables such as `NODE_OPTIONS`. If that is changed a fourth time within 10 minutes, the Pods are stopped: the gateway is scaled to zero, the sandbox Pod is deleted.
        CONTESTED = "Contested", "The message names the object and the field manager of the last change: have it leave the object alone. The condition ends 10 minutes after the last repair, or (but for `creel-fence`) when the Agent is edited, and stopped Pods start again.";
        /// Kubernetes does not allow the change of the claim, for example because its storage class cannot be expanded.
        CLAIM_CHANGE_REJECTED = "ClaimChangeRejected", "Undo the change of `spec.gateway.storage` of the Agent or `spec.home` of the Sandbox. The gateway and the sandbox keep running.";
    }
    "Gateway", "`GatewayReady`; `PodPending`, `Unschedulable`, `ImagePullFailed`, `PodFailed` and `Starting` also on `SandboxReady`, about the sandbox Pod" {
        /// The gateway's Pod does not exist yet.
        POD_PENDING = "PodPending", "Wait; if it stays, describe the ReplicaSet of the gateway: a quota or an admission policy may reject the Pod.";
        /// No node can run the Pod.
        UNSCHEDULABLE = "Unschedulable", "The message has the scheduler's explanation: free or add resources, or change `resources`, `podTemplate` or the claim.";
        /// An image cannot be pulled.
        IMAGE_PULL_FAILED = "ImagePullFailed", "Check the image name and `imagePullSecrets`, and that the node can reach the registry or has the image.";
        /// Kubernetes cannot create or start the Pod, or a container of it beside the gateway exits with an error.
        POD_FAILED = "PodFailed", "The message has the error of Kubernetes, or names the container: see its log with `kubectl logs --previous`.";
        /// The gateway is starting.
        STARTING = "Starting", "Wait; see `kubectl logs deployment/<agent>-gateway -c gateway`.";
        /// The Pod is being recreated because its environment or template changed. Also an Event, which names the change.
        ROLLING_OUT = "RollingOut", "";
        /// The new Pod is waiting for the previous one to end, because both use the same claim.
        WAITING_FOR_PREVIOUS_POD = "WaitingForPreviousPod", "Wait. If the node of the previous Pod is lost, delete that Pod once the node is certainly off.";
        /// The gateway exited with an error.
        GATEWAY_CRASHED = "GatewayCrashed", "The message has the end of its log; see also `kubectl logs --previous`.";
        /// Another process uses the state on the claim.
        STATE_IN_USE = "StateInUse", "Wait. If it stays, find another Pod that mounts the same claim.";
        /// The gateway cannot write to its claim.
        STATE_NOT_WRITABLE = "StateNotWritable", "The gateway runs as uid 1000: make the volume writable for it, or use a storage class that honours `fsGroup`. If the claim is full, raise `spec.gateway.storage.size`.";
        /// The claim does not have what `spec.gateway.storage.adopt` takes over: the workspace, or `agents/<name of the Agent>` in the state directory. The gateway does not start, so that the Agent does not answer without its memory. The data on the claim stay as they are.
        ADOPTED_DATA_NOT_FOUND = "AdoptedDataNotFound", "The message names the directory that is missing and those that are there: correct `adopt`, or delete the Agent and create it with the id of an agent on the claim as its name.";
        /// A newer version of OpenClaw has written the state on the claim, and this version refuses to use it.
        STATE_NEWER = "StateNewer", "Use that version or a later one in `spec.gateway.image`, or restore a backup from before the upgrade.";
        /// The gateway, or another container of its Pod, ran out of memory. The message names the container.
        OUT_OF_MEMORY = "OutOfMemory", "For the container `relay`: have its clients send fewer or smaller requests at a time. For `gateway`: raise `spec.gateway.resources.limits.memory`, or remove it to use the default. A gateway with one Agent needs about 1 GiB, each further Agent about 100 MiB.";
        /// The gateway started without its token.
        SECRETS_UNAVAILABLE = "SecretsUnavailable", "Check the Secret in `status.gateway.tokenSecret`.";
    }
    "Configuration", "`ConfigApplied`; `Rejected` also on `GatewayReady`; `Rejected` and `AdminUnreachable` also on `Declared` of a CronJob and on `DevicesReady`" {
        /// The gateway confirmed that it runs this configuration.
        APPLIED = "Applied", "";
        /// The gateway rejected the configuration or the job, or it does not apply the configuration or start with it. What it accepted last remains in use: of the Agent that wrote the rejected keys, or of all its Agents if the author of what it rejects is unknown.
        REJECTED = "Rejected", "The message has the gateway's explanation: correct the field that it names.";
        /// The gateway runs without an entry of `spec.gateway.trustedProxies`: it is no address, or it contains an address from which the operator calls the gateway or the kubelet probes it, and OpenClaw would answer 403 to both.
        PROXY_REJECTED = "ProxyRejected", "List the addresses of the proxies alone. A proxy on the network of the node that runs the gateway cannot be trusted: give it an address of its own.";
        /// The gateway answers but does not load the configuration. Its Pod is recreated once.
        RELOAD_STALLED = "ReloadStalled", "If it stays, see the log of the gateway.";
        /// The operator cannot query the gateway's admin API.
        ADMIN_UNREACHABLE = "AdminUnreachable", "Check that the operator's Pod (`app.kubernetes.io/name: creel`, `app.kubernetes.io/component: operator`) can reach the gateway's port 18789, and the log of the gateway.";
        /// The current spec of the Agent is invalid. Its last valid version remains in use.
        LAST_GOOD_KEPT = "LastGoodKept", "`ReferencesResolved` says what to correct.";
    }
    "Exposure", "`Exposed`, also with `ChildRejected` and `NameConflict`" {
        /// The Ingress or HTTPRoute is as specified. Whether the proxy uses it is in its own status.
        EXPOSED = "Exposed", "";
        /// The Ingress or HTTPRoute is as specified, but the gateway knows no proxy. OpenClaw answers 403 to what an unknown proxy forwards.
        PROXY_UNKNOWN = "ProxyUnknown", "If the proxy is a Pod, select it in `spec.gateway.exposure.from` and have the administrator add its namespace to `network.proxyNamespaces` of the chart. Otherwise list the addresses of the proxies in `spec.gateway.trustedProxies`.";
        /// The Ingress or HTTPRoute is as specified, but `spec.gateway.exposure.from` selects proxies with more than 256 addresses. OpenClaw answers 403 to what those forward that the gateway does not trust.
        TOO_MANY_PROXIES = "TooManyProxies", "Select fewer Pods in `spec.gateway.exposure.from`, or list the ranges of their addresses in `spec.gateway.trustedProxies`.";
        /// The cluster does not have the kind HTTPRoute. The gateway works inside the cluster.
        ROUTE_KIND_NOT_SERVED = "RouteKindNotServed", "Install the Gateway API and a controller for it, or use `spec.gateway.exposure.ingress`.";
    }
    "Sandbox", "`SandboxReady` of an Agent, `Ready` and `status.pods` of a Sandbox; `ReplacementRejected` also on `GatewayReady`, `ConfigApplied` and `Ready` of an Agent" {
        /// Commands can run.
        RUNNING = "Running", "";
        /// The sandbox Pod is being replaced.
        RECREATING = "Recreating", "";
        /// The API server rejects the Pod that a change needs. The running Pod continues without the change.
        REPLACEMENT_REJECTED = "ReplacementRejected", "The message has the API server's error: correct the field of the Sandbox or Agent that it names, or the policy or quota that rejects the Pod. Creel tries again, at the latest after five minutes.";
        /// A sandbox is waiting for the claim, the key or the node of its gateway; or a CronJob is waiting for its gateway.
        WAITING_FOR_GATEWAY = "WaitingForGateway", "See the conditions of the Agent that owns the gateway.";
        /// The node of the Pod does not respond. Creel never force-deletes a Pod.
        NODE_LOST = "NodeLost", "Bring the node back, or delete the Node object if it is gone for good.";
        /// The access mode of the claim is `ReadWriteOncePod`, so that a sandbox cannot share it.
        CLAIM_NOT_SHAREABLE = "ClaimNotShareable", "Use a claim with another access mode, or `workspaceAccess: none`.";
        /// No Agent refers to the Sandbox.
        UNUSED = "Unused", "";
        /// The Sandbox works, with less network than it asks for: the operator has a limit.
        EGRESS_LIMITED = "EgressLimited", "Ask for no more than the limit, which the message names, or have the administrator raise `network.maxEgress` of the chart.";
    }
    "Isolation", "`IsolationVerified`" {
        /// The checks from inside the sandbox passed.
        ISOLATED = "Isolated", "";
        /// The sandbox reached a forbidden address.
        NETWORK_POLICY_NOT_ENFORCED = "NetworkPolicyNotEnforced", "Install a network plugin that enforces NetworkPolicy, then delete the sandbox Pod to check again.";
        /// The sandbox could write to a workspace that is mounted read-only.
        WORKSPACE_WRITABLE = "WorkspaceWritable", "Check the volume driver and the container runtime of the node.";
        /// The sandbox reached no forbidden address, but none of those that it tried is known to answer. So nothing proves that NetworkPolicy is enforced.
        UNPROVEN = "Unproven", "With `network.egress: None` and no `serviceAccountName`, the sandbox tries the Kubernetes API, which answers. Otherwise there is no such address: check the network plugin yourself.";
        /// An address that the sandbox must not reach refused its connection, and nothing shows that the network plugin did so: with `network.egress: None`, a plugin that rejects connections also rejects those to the Kubernetes API.
        CONNECTION_REFUSED = "ConnectionRefused", "Check the network plugin. With `Internet` and `All`, one that rejects connections looks the same as one that does not enforce NetworkPolicy.";
        /// The sandbox has not reported the result of its checks yet, or the checks have changed since.
        NOT_VERIFIED = "NotVerified", "Wait until the sandbox runs. If the message says that the next Pod is checked again, delete the Pod to have it checked now.";
    }
    "Devices", "`DevicesReady` of an Agent, also with `ProxyUnknown`; Events of the Agent report each new request with `PairingRequired` or `ScopesExceeded`, and refused clients" {
        /// All devices of `spec.gateway.devices` are paired, and no other device waits for approval.
        DEVICES_PAIRED = "DevicesPaired", "";
        /// A device asks to be paired, and nothing approves it.
        PAIRING_REQUIRED = "PairingRequired", "If you know the device, set the annotation `creel.dev/approve-device` on the Agent to the id of the request, which the message has, or add the device to `spec.gateway.devices`. Otherwise ignore it: it expires 5 minutes after the last attempt.";
        /// A device of `spec.gateway.devices` asks for more than its entry allows, or has more.
        SCOPES_EXCEEDED = "ScopesExceeded", "Have the device ask for less, add the scopes to its entry, or approve the one request with the annotation `creel.dev/approve-device`. If the device has more than it should, remove it with the annotation `creel.dev/remove-device`: its next request is checked again.";
        /// In the last ten minutes, the gateway refused a page because of its origin.
        ORIGIN_NOT_ALLOWED = "OriginNotAllowed", "If the page is yours, add its origin to `spec.gateway.controlUI.allowedOrigins`: scheme, host and port as the browser shows them.";
        /// In the last ten minutes, the gateway refused a client because its token was missing or wrong.
        TOKEN_MISMATCH = "TokenMismatch", "Use the token in the Secret that `status.gateway.tokenSecret` names, in `connect.params.auth.token`.";
        /// In the last ten minutes, the gateway refused a device whose stored device token is no longer valid.
        DEVICE_TOKEN_MISMATCH = "DeviceTokenMismatch", "Delete the stored device token of the client, or have it send the token of the gateway too. Otherwise remove the device with the annotation `creel.dev/remove-device` and approve its next request.";
        /// A device of `spec.gateway.devices` has not asked to be paired yet.
        WAITING_FOR_DEVICE = "WaitingForDevice", "Connect the device with the token of the gateway. If it fails with `device token mismatch`, delete its stored device token.";
    }
    "Devices: annotations", "Events of an Agent; those of annotations without an effect are also the `reason` of `status.gateway.deviceApproval`, `status.gateway.deviceRejection` and `status.gateway.deviceRemoval`" {
        /// A request was approved with `creel.dev/approve-device`.
        DEVICE_APPROVED = "DeviceApproved", "";
        /// A request was rejected with `creel.dev/reject-device`.
        DEVICE_REJECTED = "DeviceRejected", "";
        /// The devices that `creel.dev/remove-device` names were removed from the gateway.
        DEVICE_REMOVED = "DeviceRemoved", "";
        /// The gateway has no request of this id: it has expired, is decided already, or the device has asked for something else since.
        DEVICE_REQUEST_NOT_FOUND = "DeviceRequestNotFound", "Connect the device again and use the id in `status.gateway.pendingDevices`.";
        /// No device of this id is paired.
        DEVICE_NOT_FOUND = "DeviceNotFound", "Use the id of a paired device, or `all`.";
        /// The gateway did not answer in time when Creel sent what an annotation asks for, and the request or the device is gone since: the gateway has probably done it.
        DEVICE_REQUEST_UNANSWERED = "DeviceRequestUnanswered", "After an approval, connect the device. If the gateway does not let it in, use the new id in `status.gateway.pendingDevices`.";
        /// The gateway refused what an annotation asks for.
        DEVICE_REQUEST_REJECTED = "DeviceRequestRejected", "The message has the gateway's explanation.";
    }
    "Channels", "`ChannelsReady` of an Agent, and the `reason` in its `status.channels`; the faults of references and `CredentialsUnavailable` are there, too" {
        /// Every channel is connected, or switched off.
        CHANNELS_CONNECTED = "ChannelsConnected", "";
        /// The channel receives messages.
        CHANNEL_CONNECTED = "ChannelConnected", "";
        /// The gateway has not connected the channel yet.
        CHANNEL_CONNECTING = "ChannelConnecting", "If it stays, check that the gateway can reach `api.telegram.org` on port 443, or the server of `apiRoot`.";
        /// The channel is switched off with `enabled: false` in its `config`.
        CHANNEL_DISABLED = "ChannelDisabled", "";
        /// The vendor rejects the token. The gateway does not try again before the channel changes.
        CHANNEL_UNAUTHORIZED = "ChannelUnauthorized", "Put the token that BotFather gives into the Secret: the gateway is then recreated.";
        /// Another program fetches the messages of the same bot: a gateway in another namespace or cluster, or OpenClaw elsewhere.
        CHANNEL_CONFLICT = "ChannelConflict", "Stop the other program, or give the channel a bot of its own.";
        /// The gateway cannot reach the vendor. It tries again.
        CHANNEL_UNREACHABLE = "ChannelUnreachable", "The message has the error. Check that the gateway can reach `api.telegram.org` on port 443, or the server of `apiRoot`.";
        /// The gateway gave up on the channel.
        CHANNEL_FAILED = "ChannelFailed", "The message has the explanation of the gateway.";
    }
    "CronJob: the job", "`Declared` and `Ready` of a CronJob; `InvalidSchedule` also on `ReferencesResolved` of an Agent, for `spec.heartbeat.every`" {
        /// The gateway has exactly this job.
        DECLARED = "Declared", "";
        /// The schedule cannot be parsed.
        INVALID_SCHEDULE = "InvalidSchedule", "Correct the field that the message names.";
        /// The schedule matches no date, for example 31 February.
        NEVER_RUNS = "NeverRuns", "Correct `spec.schedule`.";
        /// No Agent on the gateway uses the Provider of the job's model.
        PROVIDER_NOT_ON_GATEWAY = "ProviderNotOnGateway", "Use the Provider in an Agent of the gateway, for example as a fallback, or use another model.";
        /// `spec.at` passed before the gateway had the job. The run does not take place.
        MISSED = "Missed", "Set another time.";
        /// The run of `spec.at` is over.
        COMPLETED = "Completed", "";
        /// The gateway disabled the job after too many failures.
        DISABLED_BY_GATEWAY = "DisabledByGateway", "Fix the cause, then edit the spec (or toggle `spec.suspend`) to resume.";
    }
    "CronJob: the runs", "`Healthy` of a CronJob, and `reason` of its `status.recentRuns`, which can also be `ModelNotFound`" {
        /// No run has ended yet.
        NOT_RUN_YET = "NotRunYet", "";
        /// The last run succeeded.
        SUCCEEDED = "Succeeded", "";
        /// The last run failed.
        RUN_FAILED = "RunFailed", "The message has the gateway's error.";
        /// The last run succeeded, but its answer could not be delivered.
        NOT_DELIVERED = "NotDelivered", "Check `spec.delivery`: the channel, the recipient or the URL.";
        /// The gateway did not start the run. It does not count as a failure.
        SKIPPED = "Skipped", "";
        /// The last run exceeded `spec.timeout`, the gateway's 60-minute limit, or a limit of the model's endpoint.
        TIMED_OUT = "TimedOut", "Raise `spec.timeout`, or make the task smaller.";
        /// The account at the model's endpoint has no credit left.
        CREDIT_EXHAUSTED = "CreditExhausted", "Add credit, or fallbacks of another Provider.";
        /// The model's endpoint rejected the API key.
        UNAUTHORIZED = "Unauthorized", "Correct the key in the Secret of the Provider.";
        /// The model's endpoint limits the rate of requests.
        RATE_LIMITED = "RateLimited", "Run jobs less often, or add fallbacks of another Provider.";
        /// The model's endpoint is overloaded or failed.
        SERVER_ERROR = "ServerError", "Wait, or add fallbacks of another Provider.";
    }
    "Events of a CronJob", "Events of a CronJob; other Events of Agents and CronJobs repeat the reason of `Ready`, or announce a new Pod with `RollingOut`" {
        /// The runs of the job start to fail.
        RUN_FAILING = "RunFailing", "See `Healthy`.";
        /// A run succeeded after failures.
        RUN_RECOVERED = "RunRecovered", "";
        /// Runs were due while the gateway was suspended or away, and did not take place.
        RUN_MISSED = "RunMissed", "See `status.lastMissed`. Set `spec.missedRuns` to `RunOnce` to make up for such runs with one run.";
    }
    "CronJob: requested runs", "Events of a CronJob; those of runs that do not take place are also the `reason` of `status.runNow` and `status.lastMissed.runOnce`" {
        /// The gateway did not accept a run that was requested with `creel.dev/run-now`.
        RUN_REJECTED = "RunRejected", "The Event has the explanation. Creel retries for 10 minutes, unless the gateway no longer has the job.";
        /// The gateway did not start the requested run within 10 minutes. The run does not take place.
        RUN_EXPIRED = "RunExpired", "Set `creel.dev/run-now` to a new value when the gateway answers.";
        /// The annotation `creel.dev/run-now` was removed or changed, or `spec.missedRuns` is no longer `RunOnce`, before the gateway was asked for the run.
        RUN_WITHDRAWN = "RunWithdrawn", "";
        /// The CronJob was created with the annotation `creel.dev/run-now`, for example from a backup. The run does not take place.
        RUN_IGNORED = "RunIgnored", "Set `creel.dev/run-now` to a new value to run the job.";
    }
}
