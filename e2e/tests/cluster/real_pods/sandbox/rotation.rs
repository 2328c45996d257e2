//! What a changed value of a Sandbox's Secret does to the Pod that runs with it.

use std::time::Duration;

use e2e::suite::{TestNamespace, in_namespace, sandbox, secret, secret_value};
use serde_json::json;

use super::{AGENT, with_env, writer};

/// A change settles within two seconds, so a replacement that should not be shows well within this.
const WATCHED: Duration = Duration::from_secs(10);

const TELL: &str = "echo $TOOL_TOKEN";

#[tokio::test]
async fn a_changed_value_replaces_the_sandbox_pod_at_once_or_when_idle_or_when_deleted() {
    in_namespace("rotation", async |namespace: TestNamespace| {
        let values = ["first", "second", "third", "fourth"].map(secret_value);
        let set = async |value: &str| namespace.apply(&secret("tools", "token", value)).await;
        let tells = async |value: &str| {
            let said = namespace.run_in_sandbox(AGENT, TELL).await;
            assert!(said == value, "the command saw another value than it should");
        };
        set(&values[0]).await;
        let variable = "{name: TOOL_TOKEN, valueFrom: {secretKeyRef: {name: tools, key: token}}}";
        let (gateway, pod) = writer(&namespace, &with_env(&sandbox("box", "rw"), &[variable]), "box").await;
        tells(&values[0]).await;

        set(&values[1]).await;
        let pod = namespace.sandbox_replaced(AGENT, &pod).await;
        tells(&values[1]).await;

        namespace.merge("Sandbox", "box", &json!({"spec": {"rotation": "WhenIdle"}})).await;
        let running = namespace.run_in_sandbox(AGENT, "mkfifo /tmp/over; cat /tmp/over; echo $TOOL_TOKEN");
        let changed = async {
            namespace.runs_in_sandbox(AGENT, "cat").await;
            set(&values[2]).await;
            is_pending(&namespace).await;
            let waits = namespace.stays("the sandbox's Pod", WATCHED, async || namespace.sandbox_ready(AGENT).await);
            assert_eq!(waits.await, pod, "it waits for the command");
            namespace.in_container(&pod.name, "shell", "true > /tmp/over").await;
        };
        let (said, ()) = tokio::join!(running, changed);
        assert!(said == values[1], "the command did not end well with the value that it began with");
        let pod = namespace.sandbox_replaced(AGENT, &pod).await;
        tells(&values[2]).await;

        namespace.merge("Sandbox", "box", &json!({"spec": {"rotation": "OnDelete"}})).await;
        set(&values[3]).await;
        is_pending(&namespace).await;
        let stays = namespace.stays("the sandbox's Pod", WATCHED, async || namespace.sandbox_ready(AGENT).await);
        assert_eq!(stays.await, pod);
        tells(&values[2]).await;
        namespace.delete_pod(&pod).await;
        namespace.sandbox_replaced(AGENT, &pod).await;
        tells(&values[3]).await;
        namespace.sandbox_status("box", AGENT, |status| status["pending"].as_str().is_none_or(str::is_empty)).await;
        assert_eq!(namespace.running(AGENT).await, [gateway], "the gateway has no part in it");
    })
    .await;
}

/// The status says which value changed.
async fn is_pending(namespace: &TestNamespace) {
    let names_it = |text: &str| text.contains("Secret \"tools\" key \"token\" changed");
    namespace.sandbox_status("box", AGENT, |status| status["pending"].as_str().is_some_and(names_it)).await;
}
