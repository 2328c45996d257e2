//! What goes wrong between a gateway's container and a sandbox's: it ends the call that it happens to, with words that say what it was.
//! The same fault is tried as a call of its own, where every stream and status can be seen, and as the model's command.

use e2e::suite::{SOON, TestNamespace, in_namespace};
use serde_json::{Value, json};

use super::calls::Calls;
use super::endurance::endure;
use super::{AGENT, writer_with};

/// A file system in every container that is full at 64 MiB.
const SMALL_DISK: &str = "/dev/shm";

/// Tells how a command ended.
const ENDS: &str = r#"ends() { "$@" && echo "status 0" || echo "status $?"; }"#;

#[tokio::test]
async fn a_fault_between_gateway_and_sandbox_ends_one_call_and_no_other_and_many_calls_leave_nothing_taken() {
    in_namespace("faults", async |namespace: TestNamespace| {
        let (gateway, pod) = writer_with(&namespace, "none").await;
        let calls = Calls { namespace: &namespace, gateway: &gateway, pod: &pod, name: "faults" };
        // Once each way, so that both connections are there.
        calls.run("call true").await;
        assert_eq!(namespace.run_in_sandbox(AGENT, "echo works").await, "works");
        let before = calls.taken().await;
        // Over the connection on which all of the rest happens.
        let other = calls.run("call 'mkfifo /tmp/over; cat /tmp/over'");
        let faults = async {
            namespace.runs_in_sandbox(AGENT, "cat").await;
            either_stream_may_end_before_the_other(&calls).await;
            a_call_whose_reader_leaves_ends(&calls).await;
            a_killed_client_takes_its_command_along(&calls).await;
            a_full_disk_is_told_by_whoever_writes_there(&calls).await;
            another_key_on_either_side_is_refused(&calls).await;
            the_agent_is_told_of_another_key(&calls).await;
            calls.in_sandbox("echo never disturbed > /tmp/over").await;
        };
        let (other, ()) = tokio::join!(other, faults);
        assert_eq!(other, "never disturbed\n");
        calls.leave_nothing(&before).await;
        endure(&calls, 400, "64M").await;
        assert_eq!(namespace.sandbox_ready(AGENT).await, pod, "neither container was restarted");
        assert_eq!(namespace.running(AGENT).await, [gateway]);
    })
    .await;
}

/// What a script says that makes calls, and shows that the next one works.
async fn said(calls: &Calls<'_>, script: &str) -> String {
    let said = calls.run(&format!("{ENDS}\n{script}\ncall 'echo the next one works'")).await;
    let said = said.strip_suffix("the next one works\n");
    said.unwrap_or_else(|| panic!("the call after {script} said something else")).to_owned()
}

/// Waits until no process of this name is left in the sandbox.
async fn ended_in_sandbox(calls: &Calls<'_>, program: &str) {
    let look = async || match calls.in_sandbox(&format!("pgrep -x {program} || true")).await {
        none if none.is_empty() => Ok(()),
        some => Err(some),
    };
    calls.namespace.eventually(&format!("{program} has ended"), SOON, look).await;
}

async fn either_stream_may_end_before_the_other(calls: &Calls<'_>) {
    let input_first = "printf 'all of it' | ends call 'cat; sleep 0.5; echo , and more; exit 4'";
    assert_eq!(said(calls, input_first).await, "all of it, and more\nstatus 4\n");
    let output_first =
        "head -c 1M /dev/zero | ends call 'exec >&- 2>&-; wc -c > /tmp/taken; exit 5'; call 'cat /tmp/taken'";
    assert_eq!(said(calls, output_first).await, "status 5\n1048576\n");
    assert_eq!(calls.namespace.run_in_sandbox(AGENT, "echo said; exec >&- 2>&-; sleep 1").await, "said");
}

async fn a_call_whose_reader_leaves_ends(calls: &Calls<'_>) {
    let script = "{ call yes || echo status $? >&2; } 2> why | head -c 2; cat why";
    let told = "y\ncreel-shell: cannot write the output: Broken pipe (os error 32)\nstatus 255\n";
    assert_eq!(said(calls, script).await, told);
    ended_in_sandbox(calls, "yes").await;
}

async fn a_killed_client_takes_its_command_along(calls: &Calls<'_>) {
    let script = "
        become 'echo begun; sleep 1000' > begun & client=$!
        until [ -s begun ]; do sleep 0.1; done
        kill -9 $client; ends wait $client";
    assert_eq!(said(calls, script).await, "status 137\n");
    ended_in_sandbox(calls, "sleep").await;

    // As OpenClaw does it, which counts from before the command begins: a slow machine needs the longer times.
    let mut told = String::new();
    for seconds in [3, 30, 100] {
        let arguments = json!({"command": "echo begun; sleep 1000", "timeoutSeconds": seconds});
        told = calls.namespace.tool(AGENT, "exec", arguments).await;
        if told.contains("begun") {
            break;
        }
    }
    assert!(told.contains("begun") && told.contains("timed out"), "{told}");
    ended_in_sandbox(calls, "sleep").await;
}

async fn a_full_disk_is_told_by_whoever_writes_there(calls: &Calls<'_>) {
    let in_sandbox = format!("head -c 100M /dev/zero | ends call 'cat > {SMALL_DISK}/full' 2>&1");
    assert_eq!(said(calls, &in_sandbox).await, "cat: write error: No space left on device\nstatus 1\n");
    let told = calls.namespace.run_in_sandbox(AGENT, &format!("date > {SMALL_DISK}/more")).await;
    assert!(told.contains("No space left on device") && told.contains("exited with code"), "{told}");
    calls.in_sandbox(&format!("rm {SMALL_DISK}/*")).await;
    assert_eq!(
        calls.namespace.run_in_sandbox(AGENT, &format!("echo more > {SMALL_DISK}/more; cat {SMALL_DISK}/more")).await,
        "more"
    );

    let in_gateway = format!("{{ call yes || echo status $? >&2; }} 2>&1 > {SMALL_DISK}/full; rm {SMALL_DISK}/full");
    let told = "creel-shell: cannot write the output: No space left on device (os error 28)\nstatus 255\n";
    assert_eq!(said(calls, &in_gateway).await, told);
    ended_in_sandbox(calls, "yes").await;
}

/// Neither the command nor its input may reach a sandbox that is not the one.
async fn another_key_on_either_side_is_refused(calls: &Calls<'_>) {
    let script = "
        ssh-keygen -q -t ed25519 -N '' -f stranger
        echo \"$(cut -d ' ' -f 1 known_hosts) $(cat stranger.pub)\" > strangers
        ssh-keygen -l -f known_hosts | cut -d ' ' -f 2
        sed 's|/known_hosts$|/strangers|' config > other-host
        sed 's|/identity$|/stranger|' config > other-client
        for configuration in other-host other-client; do ends call 'cat > /tmp/entered' < config 2>&1; done
        configuration=config";
    let told = said(calls, script).await;
    let lines: Vec<_> = told.lines().collect();
    let [shown, host, of_host, client, of_client] = lines.as_slice() else { panic!("{told}") };
    assert!(host.starts_with("creel-shell: host key verification failed: ") && host.contains(shown), "{told}");
    assert!(client.ends_with(" refused the client key of user `sandbox`"), "{told}");
    assert_eq!((*of_host, *of_client), ("status 255", "status 255"), "{told}");
    assert_eq!(calls.in_sandbox("ls /tmp").await.lines().find(|name| *name == "entered"), None);
}

/// The same as the agent sees it, with these keys in OpenClaw's own configuration.
async fn the_agent_is_told_of_another_key(calls: &Calls<'_>) {
    let namespace = calls.namespace;
    let with = async |ssh: Option<Value>, expected: &str| {
        let configuration =
            ssh.map(|ssh| json!({"agents": {"entries": {AGENT: {"sandbox": {"ssh": ssh}}}}}).to_string());
        namespace.annotate("Agent", AGENT, "creel.dev/test-config", configuration.as_deref()).await;
        let look = async || match namespace.run_in_sandbox(AGENT, "echo the next one works").await {
            told if told.contains(expected) => Ok(()),
            told => Err(told),
        };
        namespace.eventually(&format!("the agent is told: {expected}"), SOON, look).await;
    };
    let [strangers, stranger] = [calls.run("cat strangers").await, calls.run("cat stranger").await];
    with(Some(json!({"knownHostsData": strangers.trim()})), "host key verification failed").await;
    with(Some(json!({"identityData": stranger})), "refused the client key of user `sandbox`").await;
    with(None, "the next one works").await;
}
