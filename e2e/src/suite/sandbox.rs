//! The sandbox of an Agent: its Pod, and turns in which the model uses tools there, because the scripted one does what it is told. Touches the network.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use kube::api::Api;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::namespace::{SOON, START, TestNamespace};
use super::objects::{Condition, condition};
use super::pods::{RunningPod, is_ready};
use super::secrets::random;

/// The port of a sandbox, at its Service too.
const SSH: u16 = 2222;
/// Milliseconds: as long as OpenClaw waits at most before it lets a command run on in the background.
const IN_THE_FOREGROUND: u32 = 110_000;

impl TestNamespace {
    /// A turn in which the Agent's model calls a tool; what the tool returned. Each is a session of its own, so that none waits for
    /// another. `Err`: there was no answer, and why.
    pub async fn try_tool(&self, owner: &str, agent: &str, tool: &str, arguments: Value) -> Result<String, String> {
        let words = json!({"name": tool, "arguments": arguments}).to_string();
        self.try_ask(owner, agent, &random(8), &words).await
    }

    /// The same for an Agent on its own gateway, or the shared one, which answers.
    pub async fn tool(&self, agent: &str, tool: &str, arguments: Value) -> String {
        let answered = self.try_tool(self.host_of(agent), agent, tool, arguments).await;
        answered.unwrap_or_else(|seen| panic!("Agent {agent} does not answer: {seen}"))
    }

    /// What a command says that the model has the Agent run, and how it failed if it did.
    pub async fn run_in_sandbox(&self, agent: &str, command: &str) -> String {
        self.run_on(self.host_of(agent), agent, command).await
    }

    /// The same for an Agent on the gateway of `owner`.
    pub async fn run_on(&self, owner: &str, agent: &str, command: &str) -> String {
        let arguments = json!({"command": command, "yieldMs": IN_THE_FOREGROUND});
        let answered = self.try_tool(owner, agent, "exec", arguments).await;
        answered.unwrap_or_else(|seen| panic!("Agent {agent} does not answer: {seen}"))
    }

    /// The Pod in which the Agent's commands run; `None` when there is none, or it ends.
    pub async fn sandbox_pod(&self, agent: &str) -> Option<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.name);
        let found = pods.get_opt(&format!("{agent}-sandbox")).await.expect("Pods can be read");
        found.filter(|pod| pod.metadata.deletion_timestamp.is_none())
    }

    /// Waits until commands of the Agent can run: its condition and its Pod say so.
    pub async fn sandbox_ready(&self, agent: &str) -> RunningPod {
        let what = format!("commands of Agent {agent} can run");
        let ready = self.eventually(&what, START, async || {
            let told = condition(&self.get("Agent", agent).await, "SandboxReady");
            let pod = self.sandbox_pod(agent).await;
            let runs = told.as_ref().is_some_and(|told| told.current && told.status == "True");
            match pod.as_ref().filter(|pod| runs && is_ready(pod)) {
                Some(pod) => Ok(RunningPod::of(pod)),
                None => Err(format!("{told:?} {:?}", pod.as_ref().map(RunningPod::of))),
            }
        });
        let pod = ready.await;
        self.service_leads_to_a_pod(&format!("{agent}-sandbox")).await;
        pod
    }

    /// kube-proxy hears of a ready Pod a moment later than others; this machine comes in by its rules too.
    async fn service_leads_to_a_pod(&self, service: &str) {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.name);
        let spec = services.get(service).await.expect("the sandbox has a Service").spec;
        let address = spec.and_then(|spec| spec.cluster_ip).expect("a Service has an address");
        self.eventually(&format!("Service {service} leads to a Pod"), SOON, async || {
            let connected = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect((&*address, SSH))).await;
            connected.map_err(|late| late.to_string())?.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Waits until another Pod than `before` is ready, and commands of the Agent can run there.
    pub async fn sandbox_replaced(&self, agent: &str, before: &RunningPod) -> RunningPod {
        self.eventually(&format!("another Pod than {} is ready", before.name), START, async || {
            match self.sandbox_pod(agent).await {
                Some(pod) if pod.uid().as_deref() != Some(&before.uid) && is_ready(&pod) => Ok(()),
                other => Err(format!("{:?}", other.as_ref().map(RunningPod::of))),
            }
        })
        .await;
        self.sandbox_ready(agent).await
    }

    /// Waits until the gateway runs a configuration in which the Agent has this access to its workspace.
    pub async fn access_in_force(&self, owner: &str, agent: &str, access: &str) {
        self.eventually(&format!("the gateway gives Agent {agent} the access {access}"), SOON, async || {
            let told = self.try_rpc(owner, "config.get", json!({})).await?;
            let said = &told["parsed"]["agents"]["entries"][agent]["sandbox"]["workspaceAccess"];
            let in_force = told["configRevisionHash"] == told["appliedConfigHash"];
            if in_force && said.as_str() == Some(access) { Ok(()) } else { Err(said.to_string()) }
        })
        .await;
    }

    /// What the status of the Sandbox says of this Agent's Pod, once it fits.
    pub async fn sandbox_status(&self, sandbox: &str, agent: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.eventually(&format!("what Sandbox {sandbox} says of Agent {agent}"), SOON, async || {
            let status = self.get("Sandbox", sandbox).await.data["status"].clone();
            let pods = status["pods"].as_array().cloned().unwrap_or_default();
            let found = pods.into_iter().find(|pod| pod["agent"] == agent);
            found.filter(|pod| fits(pod)).ok_or_else(|| status.to_string())
        })
        .await
    }

    /// Waits for this reason in the Agent's condition `SandboxReady`.
    pub async fn sandbox_reason(&self, agent: &str, reason: &str) -> Condition {
        self.condition("Agent", agent, "SandboxReady", SOON, |found| found.reason == reason).await
    }

    /// Waits until a process of this name runs in the sandbox's Pod, which shows that a command has begun.
    pub async fn runs_in_sandbox(&self, agent: &str, program: &str) {
        let pod = format!("{agent}-sandbox");
        let look = async || self.try_in_container(&pod, "shell", &format!("pgrep -x {program}")).await;
        self.eventually(&format!("{program} runs in the sandbox of {agent}"), SOON, look).await;
    }
}
