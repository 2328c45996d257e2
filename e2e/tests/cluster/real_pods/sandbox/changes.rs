//! Sandboxes and Pods that come and go while an Agent works: no call hangs, and the next one works.

use e2e::suite::{RunningPod, SOON, Shared, TestNamespace, on_shared, sandbox};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, EvictParams};
use serde_json::json;

use super::fence::no_sandbox_outlives_its_policies;
use super::{AGENT, with_env, writer, writer_with};

#[tokio::test]
async fn an_agent_moves_to_another_sandbox_and_its_pod_outlives_a_deleted_one_and_no_policy_of_its_own() {
    on_shared(Shared::Workspace, "moves", async |namespace: TestNamespace| {
        let [agent, first, second] = [AGENT, "first", "second"].map(|name| namespace.named(name));
        let with_name = |name: &str| with_env(&sandbox(name, "rw"), &[&format!("{{name: WHERE, value: {name}}}")]);
        namespace.apply(&with_name(&second)).await;
        let (gateway, pod) = writer(&namespace, &with_name(&first), &first).await;
        assert_eq!(namespace.run_in_sandbox(&agent, "echo $WHERE; echo kept > kept.txt").await, first);

        namespace.merge("Agent", &agent, &json!({"spec": {"sandbox": {"ref": {"name": second}}}})).await;
        let pod = namespace.sandbox_replaced(&agent, &pod).await;
        assert_eq!(namespace.run_in_sandbox(&agent, "echo $WHERE; cat kept.txt").await, format!("{second}\nkept"));
        namespace.sandbox_status(&second, &agent, |status| status["ready"] == true).await;
        let left = async || {
            let status = namespace.get("Sandbox", &first).await.data["status"].clone();
            if status["pods"].as_array().is_none_or(Vec::is_empty) { Ok(()) } else { Err(status.to_string()) }
        };
        namespace.eventually("the Sandbox that it left has no Pods", SOON, left).await;

        namespace.delete("Sandbox", &second).await;
        let condition = namespace.sandbox_reason(&agent, "SandboxNotFound").await;
        assert!(condition.message.contains(&format!("Sandbox \"{second}\"")), "{condition:?}");
        assert_eq!(namespace.run_in_sandbox(&agent, "echo $WHERE").await, second, "the Pod goes on");
        let now = namespace.sandbox_pod(&agent).await.as_ref().map(RunningPod::of);
        assert_eq!(now.as_ref(), Some(&pod));
        namespace.apply(&with_name(&second)).await;
        assert_eq!(namespace.sandbox_ready(&agent).await, pod, "the same Sandbox again is no change");
        assert_eq!(namespace.running(namespace.host_of(&agent)).await, [gateway]);

        no_sandbox_outlives_its_policies(&namespace, (namespace.host_of(&agent), &agent)).await;
    })
    .await;
}

#[tokio::test]
async fn after_a_sandbox_pod_was_deleted_or_evicted_or_has_ended_the_next_call_works() {
    on_shared(Shared::Workspace, "pod-goes", async |namespace: TestNamespace| {
        let agent = namespace.named(AGENT);
        let (gateway, pod) = writer_with(&namespace, "rw").await;
        assert_eq!(namespace.run_in_sandbox(&agent, "echo kept > kept.txt; cat kept.txt").await, "kept");

        let pod = cut_off(&namespace, &pod, async || namespace.delete_pod(&pod).await).await;
        let pod = cut_off(&namespace, &pod, async || {
            let pods: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
            pods.evict(&pod.name, &EvictParams::default()).await.expect("the Pod can be evicted");
        })
        .await;
        // Told to end from within: its phase becomes Succeeded or Failed, or the container starts again.
        let ends = "for p in /proc/[0-9]*; do [ ${p#/proc/} = $$ ] || kill -TERM ${p#/proc/}; done 2>/dev/null; true";
        cut_off(&namespace, &pod, async || {
            namespace.try_in_container(&pod.name, "shell", ends).await.ok();
        })
        .await;
        assert_eq!(namespace.running(namespace.host_of(&agent)).await, [gateway], "the gateway has no part in it");
    })
    .await;
}

/// Ends the Pod while a command runs there: the call ends, and the next one works in what comes then.
async fn cut_off(namespace: &TestNamespace, before: &RunningPod, ends: impl AsyncFn()) -> RunningPod {
    let agent = namespace.named(AGENT);
    let call = namespace.run_in_sandbox(&agent, "sleep 1000; echo never");
    let end = async {
        namespace.runs_in_sandbox(&agent, "sleep").await;
        ends().await;
    };
    let (said, ()) = tokio::join!(call, end);
    // A call that hangs would come back without an exit code: OpenClaw then lets its command run on in the background.
    assert!(said.contains("exited with code") && !said.contains("never"), "{said}");
    namespace
        .eventually("another Pod, or the same again, runs commands", SOON, async || {
            let now = namespace.sandbox_ready(&agent).await;
            if now == *before { Err(format!("{now:?}")) } else { Ok(()) }
        })
        .await;
    assert_eq!(namespace.run_in_sandbox(&agent, "cat kept.txt").await, "kept");
    namespace.sandbox_ready(&agent).await
}
