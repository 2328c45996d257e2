//! Whether the network keeps to the sandbox's policy is tried and told, not assumed. This cluster enforces no NetworkPolicy by itself;
//! here one rule of the machine's packet filter does, for one Pod, as a network plugin would.

use e2e::cluster::Cluster;
use e2e::command::run;
use e2e::suite::{SOON, START, Shared, TestNamespace, on_shared};
use serde_json::json;
use tokio::process::Command;

use super::{AGENT, writer_with};

const API_SERVER: &str = "10.96.0.1:443";

#[tokio::test]
async fn isolation_is_verified_where_the_network_enforces_it_and_else_told_to_be_missing() {
    on_shared(Shared::Workspace, "isolation", async |namespace: TestNamespace| {
        let agent = &namespace.named(AGENT);
        let cluster = Cluster::open().await.expect("a cluster");
        assert!(
            cluster.logs().is_some(),
            "this test writes to the packet filter of the machine that the cluster runs on"
        );
        let (_gateway, pod) = writer_with(&namespace, "ro").await;
        let verified = async |status: &str| {
            namespace.condition("Agent", agent, "IsolationVerified", START, |found| found.status == status).await
        };
        let told = verified("False").await;
        assert_eq!(told.reason, "NetworkPolicyNotEnforced");
        assert!(told.message.contains(API_SERVER), "{told:?}");
        // Visible, and no reason to stop: whose network can't do better still has an assistant.
        namespace.ready(agent).await;
        let open = async || if connects(&namespace, agent).await { Ok(()) } else { Err("no connection".to_owned()) };
        namespace.eventually("the API server is reached, as the condition says", SOON, open).await;

        let policy = namespace.get("NetworkPolicy", &format!("{agent}-sandbox")).await.data["spec"].clone();
        // The API server keeps no empty list.
        let nothing = policy["policyTypes"] == json!(["Ingress", "Egress"]) && policy["egress"].is_null();
        assert!(nothing, "what the filter does below is what the policy says: {policy}");
        namespace.delete_pod(&pod).await;
        let address = next_address(&namespace, agent, &pod.uid).await;
        let filter = Filter::on(&address).await;
        namespace.sandbox_replaced(agent, &pod).await;
        let told = verified("True").await;
        assert!(told.reason == "Isolated" && told.message.contains(API_SERVER), "{told:?}");
        assert!(!connects(&namespace, agent).await, "the condition would be wrong");
        assert_eq!(namespace.run_in_sandbox(agent, "echo in").await, "in", "the gateway still comes in");
        filter.off().await;
    })
    .await;
}

/// Whether a command in the sandbox reaches the API server.
async fn connects(namespace: &TestNamespace, agent: &str) -> bool {
    let try_it = "python3 -c 'import socket; socket.create_connection((\"10.96.0.1\", 443), 3)' 2>&1 && echo connected";
    let said = namespace.run_in_sandbox(agent, try_it).await;
    assert!(said == "connected" || said.contains("timed out"), "{API_SERVER}: {said}");
    said == "connected"
}

/// The address of the Pod that comes next.
async fn next_address(namespace: &TestNamespace, agent: &str, before: &str) -> String {
    namespace
        .eventually("the next Pod has an address", START, async || {
            let pod = namespace.sandbox_pod(agent).await.filter(|pod| pod.metadata.uid.as_deref() != Some(before));
            pod.and_then(|pod| pod.status?.pod_ip).ok_or_else(|| "no address".to_owned())
        })
        .await
}

/// A rule that drops each connection that begins at one address.
struct Filter(Vec<String>);

impl Filter {
    async fn on(address: &str) -> Self {
        let rule = ["PREROUTING", "--source", address, "--match", "conntrack", "--ctstate", "NEW", "--jump", "DROP"];
        let filter = Self(rule.map(str::to_owned).to_vec());
        filter.change("--insert").await;
        filter
    }

    async fn off(self) {
        self.change("--delete").await;
    }

    /// In a table that sees packets before an address of a Service becomes another.
    async fn change(&self, action: &str) {
        let mut iptables = Command::new("/usr/sbin/iptables");
        iptables.args(["--wait", "10", "--table", "mangle", action]).args(&self.0);
        run(&mut iptables).await.expect("iptables");
    }
}

impl Drop for Filter {
    /// A failed test leaves no rule behind: the address will belong to another Pod. One that is gone already is no error.
    fn drop(&mut self) {
        let mut iptables = std::process::Command::new("/usr/sbin/iptables");
        iptables.args(["--wait", "10", "--table", "mangle", "--delete"]).args(&self.0);
        iptables.stderr(std::process::Stdio::null()).status().ok();
    }
}
