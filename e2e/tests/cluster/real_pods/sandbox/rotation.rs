//! What a changed value of a Sandbox's Secret does to the Pod that runs with it.

use std::time::Duration;

use e2e::suite::{Shared, TestNamespace, on_shared, sandbox as template, secret, secret_value};
use serde_json::json;

use super::{AGENT, with_env, writer};

/// A change settles within two seconds, so a replacement that should not be shows well within this.
const WATCHED: Duration = Duration::from_secs(10);

const TELL: &str = "echo $TOOL_TOKEN";

#[tokio::test]
async fn a_changed_value_replaces_the_sandbox_pod_at_once_or_when_idle_or_when_deleted() {
    on_shared(Shared::Workspace, "rotation", async |namespace: TestNamespace| {
        let [agent, sandbox, tools] = [AGENT, "box", "tools"].map(|name| namespace.named(name));
        let values = ["first", "second", "third", "fourth"].map(secret_value);
        let set = async |value: &str| namespace.apply(&secret(&tools, "token", value)).await;
        let tells = async |value: &str| {
            let said = namespace.run_in_sandbox(&agent, TELL).await;
            assert!(said == value, "the command saw another value than it should");
        };
        set(&values[0]).await;
        let variable = format!("{{name: TOOL_TOKEN, valueFrom: {{secretKeyRef: {{name: {tools}, key: token}}}}}}");
        let template = with_env(&template(&sandbox, "rw"), &[&variable]);
        let (gateway, pod) = writer(&namespace, &template, &sandbox).await;
        tells(&values[0]).await;

        set(&values[1]).await;
        let pod = namespace.sandbox_replaced(&agent, &pod).await;
        tells(&values[1]).await;

        namespace.merge("Sandbox", &sandbox, &json!({"spec": {"rotation": "WhenIdle"}})).await;
        let running = namespace.run_in_sandbox(&agent, "mkfifo /tmp/over; cat /tmp/over; echo $TOOL_TOKEN");
        let changed = async {
            namespace.runs_in_sandbox(&agent, "cat").await;
            set(&values[2]).await;
            is_pending(&namespace, &tools).await;
            let waits = namespace.stays("the sandbox's Pod", WATCHED, async || namespace.sandbox_ready(&agent).await);
            assert_eq!(waits.await, pod, "it waits for the command");
            namespace.in_container(&pod.name, "shell", "true > /tmp/over").await;
        };
        let (said, ()) = tokio::join!(running, changed);
        assert!(said == values[1], "the command did not end well with the value that it began with");
        let pod = namespace.sandbox_replaced(&agent, &pod).await;
        tells(&values[2]).await;

        namespace.merge("Sandbox", &sandbox, &json!({"spec": {"rotation": "OnDelete"}})).await;
        set(&values[3]).await;
        is_pending(&namespace, &tools).await;
        let stays = namespace.stays("the sandbox's Pod", WATCHED, async || namespace.sandbox_ready(&agent).await);
        assert_eq!(stays.await, pod);
        tells(&values[2]).await;
        namespace.delete_pod(&pod).await;
        namespace.sandbox_replaced(&agent, &pod).await;
        tells(&values[3]).await;
        namespace.sandbox_status(&sandbox, &agent, |status| status["pending"].as_str().is_none_or(str::is_empty)).await;
        assert_eq!(namespace.running(namespace.host_of(&agent)).await, [gateway], "the gateway has no part in it");
    })
    .await;
}

/// The status says which value changed.
async fn is_pending(namespace: &TestNamespace, tools: &str) {
    let [agent, sandbox] = [AGENT, "box"].map(|name| namespace.named(name));
    let names_it = |text: &str| text.contains(&format!("Secret \"{tools}\" key \"token\" changed"));
    namespace.sandbox_status(&sandbox, &agent, |status| status["pending"].as_str().is_some_and(names_it)).await;
}
