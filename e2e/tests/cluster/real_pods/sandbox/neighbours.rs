//! Several Agents on one Sandbox: each has a Pod of its own, and nothing of the others.

use e2e::suite::{
    RunningPod, SOON, TestNamespace, agent, in_namespace, in_sandbox, joined_agent, sandbox, secret_value,
};
use k8s_openapi::api::core::v1::Service;
use kube::api::Api;
use serde_json::json;

/// Every file of this name that a command can find, and what is in it.
const FIND: &str =
    "find / -xdev -name mine.txt -exec cat {} + 2>/dev/null; find /workspaces -name mine.txt -exec cat {} +";

/// `writer` and `helper` share a gateway and so a claim; `other` has a gateway of its own.
const AGENTS: [(&str, &str); 3] = [("writer", "writer"), ("writer", "helper"), ("other", "other")];

#[tokio::test]
async fn agents_on_one_sandbox_have_a_pod_each_and_neither_files_nor_keys_of_another() {
    in_namespace("neighbours", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        namespace.apply(&sandbox("box", "rw")).await;
        namespace.apply(&in_sandbox("box", &joined_agent("helper", "writer", "main/small"))).await;
        for owner in ["writer", "other"] {
            namespace.apply(&in_sandbox("box", &agent(owner, "main/small"))).await;
        }
        let mut pods = Vec::new();
        for (_, name) in AGENTS {
            namespace.ready(name).await;
            pods.push(namespace.sandbox_ready(name).await);
        }
        namespace
            .sandbox_status("box", "other", |status| status["name"] == "other-sandbox" && status["ready"] == true)
            .await;
        let all = async || {
            let status = namespace.get("Sandbox", "box").await.data["status"].clone();
            if status["readyPods"] == "3/3" { Ok(()) } else { Err(status.to_string()) }
        };
        namespace.eventually("all three are ready", SOON, all).await;

        each_sees_its_own_files_only(&namespace).await;
        each_mounts_its_own_secret_only(&namespace).await;
        no_key_opens_anothers_door(&namespace, &pods).await;
        one_overrides_the_access(&namespace, &pods).await;
    })
    .await;
}

async fn each_sees_its_own_files_only(namespace: &TestNamespace) {
    for (owner, name) in AGENTS {
        assert_eq!(
            namespace.run_on(owner, name, &format!("echo {name} > mine.txt; hostname")).await,
            format!("{name}-sandbox")
        );
    }
    for (owner, name) in AGENTS {
        let said = namespace.run_on(owner, name, FIND).await;
        assert!(said.lines().all(|line| line == name) && !said.is_empty(), "{name} sees {said:?}");
    }
}

async fn each_mounts_its_own_secret_only(namespace: &TestNamespace) {
    for (_, name) in AGENTS {
        let pod = namespace.get("Pod", &format!("{name}-sandbox")).await;
        let volumes = pod.data["spec"]["volumes"].as_array().expect("volumes").clone();
        let secrets: Vec<_> = volumes.iter().filter_map(|volume| volume["secret"]["secretName"].as_str()).collect();
        assert_eq!(secrets, [format!("{name}-sandbox")]);
    }
}

/// A login with this private key at the door of an Agent's sandbox, tried from the gateway's Pod, which has plain ssh.
async fn login(namespace: &TestNamespace, from: &str, key: &str, agent: &str) -> Result<String, String> {
    let services: Api<Service> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let service = services.get(&format!("{agent}-sandbox")).await.expect("the Service of a sandbox");
    let address = service.spec.and_then(|spec| spec.cluster_ip).expect("an address");
    let script = format!(
        "umask 077; {key} > /tmp/door-key; ssh -F none -i /tmp/door-key -o IdentitiesOnly=yes -o BatchMode=yes \
         -o ConnectTimeout=60 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p 2222 sandbox@{address} hostname"
    );
    namespace.try_in_container(from, "gateway", &script).await
}

async fn no_key_opens_anothers_door(namespace: &TestNamespace, pods: &[RunningPod]) {
    let gateway = namespace.gateway("writer").await.name;
    // With a line break at the end, which the format wants and a variable may lack.
    let of_gateway = r#"printf '%s\n' "$CREEL_SSH_KEY""#;
    for agent in ["writer", "helper"] {
        let said = login(namespace, &gateway, of_gateway, agent).await;
        assert_eq!(
            said.as_deref().map(str::trim),
            Ok(format!("{agent}-sandbox").as_str()),
            "its own gateway may enter"
        );
    }
    let refused = login(namespace, &gateway, of_gateway, "other").await.expect_err("another's gateway may enter");
    assert!(refused.contains("Permission denied"), "{refused}");

    // The only key that is in a sandbox.
    let key = "cat $(find /etc/creel -type f -o -type l | xargs grep -l 'PRIVATE KEY' | head -1)";
    let of_sandbox = namespace.in_container(&pods[0].name, "shell", key).await;
    assert!(of_sandbox.contains("PRIVATE KEY"), "no key was found to try with");
    let of_sandbox = format!("printf '%s\\n' '{}'", of_sandbox.trim());
    for agent in ["helper", "other"] {
        let refused = login(namespace, &gateway, &of_sandbox, agent).await.expect_err("a sandbox may enter another");
        assert!(refused.contains("Permission denied"), "{refused}");
    }
}

async fn one_overrides_the_access(namespace: &TestNamespace, pods: &[RunningPod]) {
    namespace.merge("Agent", "helper", &json!({"spec": {"sandbox": {"workspaceAccess": "none"}}})).await;
    namespace.sandbox_replaced("helper", &pods[1]).await;
    for (agent, access) in [("helper", "none"), ("writer", "rw"), ("other", "rw")] {
        namespace.sandbox_status("box", agent, |status| status["workspaceAccess"] == access).await;
    }
    namespace.access_in_force("writer", "helper", "none").await;
    let said = namespace.run_on("writer", "helper", FIND).await;
    assert!(!said.contains("helper") && !said.contains("writer"), "{said}");
    assert_eq!(namespace.sandbox_ready("writer").await, pods[0], "the other's Pod stays");
}
