//! Where the commands of an Agent run, and how little they can do there.

use e2e::suite::{SOON, Shared, TestNamespace, on_shared, secret_value};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use serde_json::{Value, json};

use super::{AGENT, writer_with};

/// Tells what a command can do, from within.
const LOOK: &str = "
echo host $(hostname)
echo user $(id -u) $(id -g)
touch /creel-probe 2>/dev/null && echo root-filesystem writable || echo root-filesystem read-only
touch /tmp/creel-probe && echo scratch writable
test -e /var/run/secrets/kubernetes.io && echo api-token present || echo api-token absent
grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
";
/// The names of the variables of a container, as its first process got them.
const NAMES_OF_CONTAINER: &str = "tr '\\0' '\\n' < /proc/1/environ | grep -aoE '^[A-Za-z_][A-Za-z_0-9]*=' | sort -u";
/// The names of the variables of every process, its own included.
const NAMES: &str =
    "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -aoE '^[A-Za-z_][A-Za-z_0-9]*=' | sort -u";
/// What every process has, whosever it is; `KUBERNETES_*` is where the API server is, for everybody.
const EVERYBODYS: [&str; 8] = ["HOME=", "HOSTNAME=", "LANG=", "OLDPWD=", "PATH=", "PWD=", "SHLVL=", "TERM="];

#[tokio::test]
async fn the_models_commands_run_in_the_sandbox_pod_and_can_do_no_more_than_they_must() {
    on_shared(Shared::Workspace, "shell", async |namespace: TestNamespace| {
        let agent = namespace.named(AGENT);
        let (gateway, pod) = writer_with(&namespace, "rw").await;
        let said = namespace.run_in_sandbox(&agent, LOOK).await;
        for expected in [
            &format!("host {}", pod.name),
            "user 1000 1000",
            "root-filesystem read-only",
            "scratch writable",
            "api-token absent",
            "CapEff:\t0000000000000000",
            "CapPrm:\t0000000000000000",
            "CapBnd:\t0000000000000000",
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
        ] {
            assert!(said.contains(expected), "{expected:?} is not in what the command saw:\n{said}");
        }
        nothing_of_the_gateway_is_there(&namespace, &agent, &gateway.name, &pod.name).await;
        the_gateway_is_out_of_reach(&namespace, &agent, &gateway.name).await;
        the_spec_is_hardened(&namespace, &pod.name).await;
    })
    .await;
}

async fn nothing_of_the_gateway_is_there(namespace: &TestNamespace, agent: &str, gateway: &str, pod: &str) {
    let of_gateway = namespace.in_container(gateway, "gateway", NAMES_OF_CONTAINER).await;
    let of_gateway: Vec<_> =
        of_gateway.lines().filter(|name| !EVERYBODYS.contains(name) && !name.starts_with("KUBERNETES_")).collect();
    assert!(
        of_gateway.contains(&"OPENCLAW_GATEWAY_TOKEN=") && of_gateway.contains(&"CREEL_SSH_KEY="),
        "{of_gateway:?}"
    );
    let seen = namespace.run_in_sandbox(agent, NAMES).await;
    let leaked: Vec<_> = seen.lines().filter(|name| of_gateway.contains(name)).collect();
    assert!(leaked.is_empty(), "variables of the gateway are in the sandbox: {leaked:?}");

    let secrets: Api<Secret> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let everything = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'";
    let everything = namespace.in_container(pod, "shell", everything).await;
    // The gateway's own, and the one with the key of its Provider.
    for secret in [&format!("{}-secret", namespace.host_of(agent)), "main"] {
        for (key, value) in secrets.get(secret).await.expect(secret).data.unwrap_or_default() {
            // Random bytes are no environment.
            let Ok(value) = String::from_utf8(value.0) else { continue };
            let private = value.lines().find(|line| !line.starts_with("-----") && !line.starts_with("ssh-"));
            let found = private.is_some_and(|line| everything.contains(line));
            assert!(!found, "key {key} of Secret {secret} is in the sandbox");
        }
    }
}

/// A command that asks for the gateway's own machine is refused, and does not run.
async fn the_gateway_is_out_of_reach(namespace: &TestNamespace, agent: &str, gateway: &str) {
    let escaped = namespace.named("escaped");
    for (asked, words) in [
        (json!({"host": "gateway"}), "exec host not allowed"),
        (json!({"elevated": true}), "elevated is not available"),
    ] {
        let mut arguments = asked.clone();
        arguments["command"] = json!(format!("touch /tmp/{escaped}"));
        let said = namespace.tool(agent, "exec", arguments).await;
        assert!(said.contains(words), "{asked}: {said}");
    }
    let seen = namespace.in_container(gateway, "gateway", "ls /tmp").await;
    assert!(!seen.lines().any(|name| name == escaped), "a command ran in the gateway: {seen}");
}

async fn the_spec_is_hardened(namespace: &TestNamespace, pod: &str) {
    let spec = namespace.get("Pod", pod).await.data["spec"].clone();
    assert_eq!((&spec["automountServiceAccountToken"], &spec["enableServiceLinks"]), (&json!(false), &json!(false)));
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array().expect(list) {
            let context = &container["securityContext"];
            assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
            assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
            assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{container}");
        }
    }
    let unlimited = |volume: &&Value| !volume["emptyDir"].is_null() && volume["emptyDir"]["sizeLimit"].is_null();
    let volumes = spec["volumes"].as_array().expect("volumes");
    assert_eq!(volumes.iter().find(unlimited), None, "scratch space has a limit");
}

#[tokio::test]
async fn a_sandbox_that_restarts_in_the_middle_of_a_call_gives_a_clear_error_and_the_next_call_works() {
    on_shared(Shared::Sealed, "mid-call", async |namespace: TestNamespace| {
        let agent = &namespace.named(AGENT);
        let (gateway, pod) = writer_with(&namespace, "none").await;
        let interrupted = namespace.run_in_sandbox(agent, "echo begun; sleep 1000; echo never");
        let restarted = async {
            namespace.runs_in_sandbox(agent, "sleep").await;
            // Every process of the container but the one that this script is.
            let kill = "for p in /proc/[0-9]*; do [ ${p#/proc/} = $$ ] || kill -9 ${p#/proc/}; done 2>/dev/null; true";
            namespace.try_in_container(&pod.name, "shell", kill).await.ok();
        };
        let (said, ()) = tokio::join!(interrupted, restarted);
        assert!(!said.contains("never"), "{said}");
        // Either the command was gone a moment before the connection, or the connection was. A call that hangs would come back
        // without an exit code: OpenClaw then lets its command run on in the background.
        let told =
            said.contains("exited with code 137") || said.contains("sandbox") && said.contains("exited with code");
        assert!(said.contains("begun") && told, "{said}");

        namespace
            .eventually("the container was restarted", SOON, async || {
                let now = namespace.sandbox_ready(agent).await;
                if now.restarts > pod.restarts || now.uid != pod.uid { Ok(()) } else { Err(format!("{now:?}")) }
            })
            .await;
        assert_eq!(namespace.run_in_sandbox(agent, "echo again").await, "again");
        assert_eq!(namespace.running(namespace.host_of(agent)).await, [gateway], "the gateway has no part in it");
    })
    .await;
}

#[tokio::test]
async fn secrets_of_a_sandbox_reach_its_commands_and_not_the_gateway() {
    on_shared(Shared::Sealed, "sandbox-env", async |namespace: TestNamespace| {
        let [agent, name, tools] = [AGENT, "box", "tools"].map(|name| namespace.named(name));
        let value = secret_value("tool");
        namespace.apply(&e2e::suite::secret(&tools, "token", &value)).await;
        let variable = format!("{{name: TOOL_TOKEN, valueFrom: {{secretKeyRef: {{name: {tools}, key: token}}}}}}");
        let sandbox = super::with_env(&e2e::suite::sandbox(&name, "none"), &[&variable]);
        let sandbox = format!("{sandbox}  envFrom:\n    - prefix: ALL_\n      secretRef:\n        name: {tools}\n");
        let (gateway, _pod) = super::writer(&namespace, &sandbox, &name).await;
        let said = namespace.run_in_sandbox(&agent, "echo $TOOL_TOKEN $ALL_token").await;
        assert!(said == format!("{value} {value}"), "the command saw other values");
        let names = namespace.in_container(&gateway.name, "gateway", NAMES_OF_CONTAINER).await;
        assert!(!names.contains("TOOL_TOKEN") && !names.contains("ALL_token"), "{names}");
    })
    .await;
}
