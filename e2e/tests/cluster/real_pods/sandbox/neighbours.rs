//! Several Agents on one Sandbox: each has a Pod of its own, and nothing of the others.

use e2e::suite::{RunningPod, SOON, Shared, TestNamespace, in_sandbox, on_shared, sandbox};
use k8s_openapi::api::core::v1::Service;
use kube::api::Api;
use serde_json::json;

/// Every file of this name that a command can find, and what is in it.
const FIND: &str =
    "find / -xdev -name mine.txt -exec cat {} + 2>/dev/null; find /workspaces -name mine.txt -exec cat {} +";

/// An Agent, and the shared gateway that runs it.
struct Neighbour {
    name: String,
    host: &'static str,
}

#[tokio::test]
async fn agents_on_one_sandbox_have_a_pod_each_and_neither_files_nor_keys_of_another() {
    on_shared(Shared::Workspace, "neighbours", async |namespace: TestNamespace| {
        let elsewhere = namespace.also_on(Shared::Sealed).await;
        let sandbox_name = namespace.named("box");
        namespace.apply(&sandbox(&sandbox_name, "rw")).await;
        let mut agents = Vec::new();
        // The first two share a gateway and so a claim; the last is on another one.
        for (place, name) in [(&namespace, "writer"), (&namespace, "helper"), (&elsewhere, "other")] {
            place.apply(&in_sandbox(&sandbox_name, &place.joining(name).await)).await;
            agents.push(Neighbour { name: place.named(name), host: place.host.expect("a shared gateway") });
        }
        let agents: [Neighbour; 3] = agents.try_into().ok().expect("three");
        let mut pods = Vec::new();
        for agent in &agents {
            namespace.ready(&agent.name).await;
            pods.push(namespace.sandbox_ready(&agent.name).await);
        }
        let last = format!("{}-sandbox", agents[2].name);
        namespace
            .sandbox_status(&sandbox_name, &agents[2].name, |status| {
                status["name"] == last.as_str() && status["ready"] == true
            })
            .await;
        let all = async || {
            let status = namespace.get("Sandbox", &sandbox_name).await.data["status"].clone();
            if status["readyPods"] == "3/3" { Ok(()) } else { Err(status.to_string()) }
        };
        namespace.eventually("all three are ready", SOON, all).await;

        each_sees_its_own_files_only(&namespace, &agents).await;
        each_mounts_its_own_secret_only(&namespace, &agents).await;
        no_key_opens_anothers_door(&namespace, &agents, &pods).await;
        one_overrides_the_access(&namespace, &sandbox_name, &agents, &pods).await;
    })
    .await;
}

async fn each_sees_its_own_files_only(namespace: &TestNamespace, agents: &[Neighbour]) {
    for Neighbour { name, host } in agents {
        assert_eq!(
            namespace.run_on(host, name, &format!("echo {name} > mine.txt; hostname")).await,
            format!("{name}-sandbox")
        );
    }
    for Neighbour { name, host } in agents {
        let said = namespace.run_on(host, name, FIND).await;
        assert!(said.lines().all(|line| line == name) && !said.is_empty(), "{name} sees {said:?}");
    }
}

async fn each_mounts_its_own_secret_only(namespace: &TestNamespace, agents: &[Neighbour]) {
    for Neighbour { name, .. } in agents {
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

async fn no_key_opens_anothers_door(
    namespace: &TestNamespace,
    [writer, helper, other]: &[Neighbour; 3],
    pods: &[RunningPod],
) {
    let gateway = namespace.gateway(writer.host).await.name;
    // With a line break at the end, which the format wants and a variable may lack.
    let of_gateway = r#"printf '%s\n' "$CREEL_SSH_KEY""#;
    for Neighbour { name, .. } in [writer, helper] {
        let said = login(namespace, &gateway, of_gateway, name).await;
        assert_eq!(said.as_deref().map(str::trim), Ok(format!("{name}-sandbox").as_str()), "its own gateway may enter");
    }
    let refused = login(namespace, &gateway, of_gateway, &other.name).await.expect_err("another's gateway may enter");
    assert!(refused.contains("Permission denied"), "{refused}");

    // The only key that is in a sandbox.
    let key = "cat $(find /etc/creel -type f -o -type l | xargs grep -l 'PRIVATE KEY' | head -1)";
    let of_sandbox = namespace.in_container(&pods[0].name, "shell", key).await;
    assert!(of_sandbox.contains("PRIVATE KEY"), "no key was found to try with");
    let of_sandbox = format!("printf '%s\\n' '{}'", of_sandbox.trim());
    for Neighbour { name, .. } in [helper, other] {
        let refused = login(namespace, &gateway, &of_sandbox, name).await.expect_err("a sandbox may enter another");
        assert!(refused.contains("Permission denied"), "{refused}");
    }
}

async fn one_overrides_the_access(
    namespace: &TestNamespace,
    sandbox_name: &str,
    [writer, helper, other]: &[Neighbour; 3],
    pods: &[RunningPod],
) {
    namespace.merge("Agent", &helper.name, &json!({"spec": {"sandbox": {"workspaceAccess": "none"}}})).await;
    namespace.sandbox_replaced(&helper.name, &pods[1]).await;
    for (agent, access) in [(helper, "none"), (writer, "rw"), (other, "rw")] {
        namespace.sandbox_status(sandbox_name, &agent.name, |status| status["workspaceAccess"] == access).await;
    }
    namespace.access_in_force(helper.host, &helper.name, "none").await;
    let said = namespace.run_on(helper.host, &helper.name, FIND).await;
    assert!(!said.contains(&helper.name) && !said.contains(&writer.name), "{said}");
    assert_eq!(namespace.sandbox_ready(&writer.name).await, pods[0], "the other's Pod stays");
}
