//! What `NetworkPolicies` of Creel do where somebody enforces them. Alone, because the firewall is that of the whole machine.

use std::collections::{BTreeMap, BTreeSet};

use e2e::images::SANDBOX_IMAGE;
use e2e::model_server::SERVICE;
use e2e::suite::operator::while_replaced;
use e2e::suite::{
    MODELS_NAMESPACE, SOON, START, TestNamespace, agent, in_namespace, in_sandbox, joined_agent, sandbox, secret_value,
    while_enforced,
};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::Api;
use serde_json::{Value, json};

use crate::api_server::stage::make;

/// Of a range for documentation, so nobody is met there: to policies it is an address of the internet.
const INTERNET: &str = "203.0.113.10:80";
/// Where clouds hand out the credentials of their machines.
const METADATA: [&str; 2] = ["169.254.169.254:80", "168.63.129.16:80"];
/// The DNS server of a cluster that caches names on each node. It answers at another port too, which is nobody's business.
const DNS: &str = "169.254.20.10:53";
const BESIDE_DNS: &str = "169.254.20.10:80";
const API_SERVER: &str = "10.96.0.1:443";

/// The Agent with the gateway, and those that joined it; by the network of their sandboxes.
const AGENTS: [&str; 4] = [OWNER, "exception", "internet", "all"];
const OWNER: &str = "closed";

const TRIES: usize = 3;

/// Prints those of its arguments that take a connection within three seconds.
const PYTHON: &str = r#"python3 -c 'import socket, sys
from concurrent.futures import ThreadPoolExecutor
def connects(address):
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
        return address
    except OSError:
        return ""
with ThreadPoolExecutor(16) as pool:
    print(*filter(None, pool.map(connects, sys.argv[1:])))'"#;
/// The same for the gateway's image.
const NODE: &str = r#"node -e 'const { connect } = require("node:net");
const connects = (address) => new Promise((done) => {
  const [host, port] = address.split(":");
  const socket = connect({ host, port: Number(port) });
  const end = (said) => { socket.destroy(); done(said); };
  socket.setTimeout(3000, () => end("")).on("connect", () => end(address)).on("error", () => end(""));
});
Promise.all(process.argv.slice(1).map(connects)).then((all) => console.log(all.filter(Boolean).join(" ")));'"#;

#[tokio::test]
async fn where_policies_are_enforced_each_pod_reaches_what_its_own_opens_and_nothing_else() {
    let dns = DNS.rsplit_once(':').map(|(host, _)| host).expect("a port");
    in_namespace("enforced", async |namespace| {
        let addresses = [INTERNET, METADATA[0], METADATA[1], DNS, BESIDE_DNS];
        let enforced = async || while_enforced(&addresses, async || policies_hold(&namespace).await).await;
        let nothing = async || {};
        while_replaced(&namespace.client, &[("dns.servers[0]", dns)], enforced, nothing).await;
    })
    .await;
}

async fn policies_hold(namespace: &TestNamespace) {
    make_all(namespace).await;
    let everywhere = Everywhere::in_namespace(namespace).await;
    let (models, gateway) = (everywhere.models.as_str(), everywhere.pods["closed-gateway"].as_str());
    let shells = AGENTS.map(|agent| everywhere.pods[&format!("{agent}-sandbox")].as_str());
    everywhere.are_reached("closed-sandbox", &[]).await;
    everywhere.are_reached("exception-sandbox", &[INTERNET]).await;
    // The API server of this cluster has an address that counts as public.
    everywhere.are_reached("internet-sandbox", &[INTERNET, DNS, API_SERVER]).await;
    everywhere.are_reached("all-sandbox", &[INTERNET, DNS, API_SERVER, models]).await;
    everywhere.are_reached("closed-gateway", &[&[INTERNET, DNS, API_SERVER, models], &shells[..]].concat()).await;

    let name = "getent hosts kubernetes.default.svc.cluster.local >/dev/null && echo known || echo unknown";
    assert_eq!(namespace.in_container("internet-sandbox", "shell", name).await.trim(), "known");
    assert_eq!(namespace.in_container("closed-sandbox", "shell", name).await.trim(), "unknown");
    is_verified(namespace, OWNER).await;
    assert_eq!(namespace.run_on("closed", "all", "echo in").await, "in", "the gateway still comes in");

    // What no policy of an Agent selects: a sandbox whose Agent is gone, and a Pod of somebody else.
    let labels = json!({"app.kubernetes.io/managed-by": "creel", "app.kubernetes.io/component": "sandbox"});
    make(namespace, &pod("left", &labels)).await;
    make(namespace, &pod("stranger", &json!({}))).await;
    everywhere.are_reached("left", &[]).await;
    let open = [INTERNET, METADATA[0], METADATA[1], DNS, BESIDE_DNS, API_SERVER, models, gateway];
    everywhere.are_reached("stranger", &open).await;
}

/// The Pod tries it once, at its start. Where the firewall was later than that, the next Pod shows it.
async fn is_verified(namespace: &TestNamespace, agent: &str) {
    for _ in 0..TRIES {
        let pod = namespace.sandbox_ready(agent).await;
        let told =
            namespace.condition("Agent", agent, "IsolationVerified", START, |told| told.reason != "NotVerified").await;
        if told.status == "True" {
            assert_eq!(told.reason, "Isolated", "{told:?}");
            return;
        }
        namespace.delete_pod(&pod).await;
        namespace.sandbox_replaced(agent, &pod).await;
    }
    panic!("the isolation of {agent} is not verified in {TRIES} Pods");
}

/// One gateway, and an Agent for each kind of network.
async fn make_all(namespace: &TestNamespace) {
    namespace.serve("main", &secret_value("key")).await;
    let host = INTERNET.rsplit_once(':').expect("a port").0;
    let networks = [
        "egress: None".to_owned(),
        format!("allow: [{{cidr: {host}/32, ports: [80]}}]"),
        "egress: Internet".to_owned(),
        "egress: All".to_owned(),
    ];
    for (name, network) in AGENTS.into_iter().zip(networks) {
        namespace.apply(&format!("{}  network:\n    {network}\n", sandbox(name, "none"))).await;
        let yaml = if name == OWNER { agent(name, "main/small") } else { joined_agent(name, OWNER, "main/small") };
        namespace.apply(&in_sandbox(name, &yaml)).await;
    }
    for name in AGENTS {
        namespace.ready(name).await;
        namespace.sandbox_ready(name).await;
    }
}

/// Every address that is tried.
struct Everywhere<'a> {
    namespace: &'a TestNamespace,
    /// The model server, a Pod of another namespace, by its Service.
    models: String,
    /// The port of each Pod of ours, by the Pod's name, that of the gateway's Deployment for its Pod.
    pods: BTreeMap<String, String>,
}

impl<'a> Everywhere<'a> {
    async fn in_namespace(namespace: &'a TestNamespace) -> Self {
        let services: Api<Service> = Api::namespaced(namespace.client.clone(), MODELS_NAMESPACE);
        let models = services.get(SERVICE.0).await.expect("the model server has a Service");
        let models = models.spec.and_then(|spec| spec.cluster_ip).expect("an address");
        let mut pods = BTreeMap::new();
        for agent in AGENTS {
            let pod = namespace.sandbox_pod(agent).await.expect("a sandbox");
            pods.insert(format!("{agent}-sandbox"), format!("{}:2222", address(&pod)));
        }
        let gateway = namespace.pods(OWNER).await;
        pods.insert(format!("{OWNER}-gateway"), format!("{}:18789", address(&gateway[0])));
        Self { namespace, models: format!("{models}:{}", SERVICE.1), pods }
    }

    /// Waits until the Pod reaches these addresses and no other: the firewall hears of a new Pod a moment after it began.
    async fn are_reached(&self, pod: &str, expected: &[&str]) {
        let fixed = [INTERNET, METADATA[0], METADATA[1], DNS, BESIDE_DNS, API_SERVER, &self.models];
        // What a Pod says to itself passes no firewall.
        let others = self.pods.iter().filter(|(name, _)| *name != pod).map(|(_, address)| address.as_str());
        let all: Vec<_> = fixed.into_iter().chain(others).collect();
        let is_gateway = pod.ends_with("-gateway");
        let (program, container) = if is_gateway { (NODE, "gateway") } else { (PYTHON, "shell") };
        let target = if is_gateway { format!("deployment/{pod}") } else { pod.to_owned() };
        let script = format!("{program} {}", all.join(" "));
        let expected: BTreeSet<_> = expected.iter().map(|address| (*address).to_owned()).collect();
        self.namespace
            .eventually(&format!("{pod} reaches {expected:?} alone"), SOON, async || {
                let said = self.namespace.try_in_container(&target, container, &script).await?;
                let reached: BTreeSet<_> = said.split_whitespace().map(str::to_owned).collect();
                if reached == expected { Ok(()) } else { Err(format!("{reached:?}")) }
            })
            .await;
    }
}

fn address(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()).expect("an address")
}

/// A Pod that could be a sandbox.
fn pod(name: &str, labels: &Value) -> Value {
    let security = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let shell =
        json!({"name": "shell", "image": SANDBOX_IMAGE, "command": ["sleep", "infinity"], "securityContext": security});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": {
        "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0, "containers": [shell]}})
}
