//! The tools that an Agent may use: what a real gateway makes of a profile and of lists, compared with the guide.

use std::collections::{BTreeMap, BTreeSet};

use e2e::suite::{SOON, Shared, TestNamespace, on_shared};
use gateway_stand_in::contract::socket::{Device, Socket};
use serde_json::{Value, json};

const GUIDE: &str = include_str!("../../../../docs/guides/agents.md");
const SCOPE: &str = "operator.read";

/// What no profile and no list gives to an Agent without a sandbox.
const NEVER: [&str; 9] =
    ["browser", "exec", "gateway", "openclaw", "plugins", "portal", "process", "secrets", "terminal"];

#[tokio::test]
async fn each_profile_gives_the_tools_in_the_guide_and_no_list_brings_back_what_creel_denies() {
    on_shared(Shared::Plain, "tool-profiles", async |namespace: TestNamespace| {
        let profiles = profiles_in_the_guide();
        assert_eq!(profiles.keys().collect::<Vec<_>>(), ["coding", "full", "messaging", "minimal"]);
        for profile in profiles.keys() {
            let agent = namespace.joining(profile).await;
            namespace.apply(&format!("{agent}  tools: {{profile: {profile}}}\n")).await;
        }
        let unset = namespace.join("unset").await;
        let host = namespace.host_of(&unset);
        let pod = namespace.gateway(host).await;
        let device = Device::new();
        let mut socket = let_in(&namespace, host, &device).await;
        for (profile, tools) in &profiles {
            let agent = namespace.named(profile);
            namespace.ready(&agent).await;
            has_exactly(&namespace, &mut socket, &agent, tools).await;
        }
        has_exactly(&namespace, &mut socket, &unset, &profiles["full"]).await;

        let all = [["*"].as_slice(), NEVER.as_slice()].concat();
        let greedy = json!({"profile": "full", "allow": all, "deny": ["web_search"]});
        let provider = json!([{"provider": namespace.named("main"), "deny": ["web_fetch"]}]);
        choose(&namespace, &unset, &greedy, &provider).await;
        let mut all_but_two = profiles["full"].clone();
        all_but_two.retain(|tool| !["web_search", "web_fetch"].contains(&tool.as_str()));
        has_exactly(&namespace, &mut socket, &unset, &all_but_two).await;

        choose(&namespace, &unset, &json!({"profile": "coding", "allow": ["web_fetch", "message"]}), &json!([])).await;
        has_exactly(&namespace, &mut socket, &unset, &BTreeSet::from(["web_fetch".to_owned()])).await;
        assert_eq!(namespace.running(host).await, [pod]);
        namespace.rpc(host, "device.pair.remove", json!({"deviceId": device.id()})).await;
    })
    .await;
}

/// The tools by profile, as the guide has them.
fn profiles_in_the_guide() -> BTreeMap<String, BTreeSet<String>> {
    let rows = GUIDE.lines().filter(|line| line.starts_with("| `"));
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let row = |line: &str| {
        let (profile, tools) = line.trim_start_matches("| ").split_once(" | ")?;
        Some((names(profile).pop_first()?, names(tools)))
    };
    let profiles: BTreeMap<_, _> = rows.filter_map(row).collect();
    for tools in profiles.values() {
        assert!(NEVER.iter().all(|never| !tools.contains(*never)), "{tools:?}");
    }
    profiles
}

/// Connects the device to the gateway of `owner`, and has it approved.
async fn let_in(namespace: &TestNamespace, owner: &str, device: &Device) -> Socket {
    let Err(refusal) = namespace.connect(owner, device, SCOPE).await else {
        panic!("a device that nobody knows is let in")
    };
    let request = json!({"requestId": refusal["details"]["requestId"]});
    namespace.rpc(owner, "device.pair.approve", request).await;
    namespace.connect(owner, device, SCOPE).await.expect("a device that was approved").0
}

async fn choose(namespace: &TestNamespace, agent: &str, tools: &Value, by_provider: &Value) {
    let mut tools = tools.clone();
    tools["byProvider"] = by_provider.clone();
    // Whatever was there goes.
    for field in ["profile", "allow", "deny"] {
        tools.as_object_mut().expect("an object").entry(field).or_insert(Value::Null);
    }
    namespace.merge("Agent", agent, &json!({"spec": {"tools": tools}})).await;
    namespace.applied(agent).await;
}

/// Waits until the Agent has exactly these tools in a session of its own.
async fn has_exactly(namespace: &TestNamespace, socket: &mut Socket, agent: &str, tools: &BTreeSet<String>) {
    namespace.ask(agent, "tools", "a session to look at").await;
    let session = json!({"sessionKey": format!("agent:{agent}:openresponses-user:tools"), "agentId": agent});
    namespace
        .eventually(&format!("the tools of Agent {agent}"), SOON, async || {
            let told = socket.call("tools.effective", session.clone()).await.map_err(|refusal| refusal.to_string())?;
            let groups = told["groups"].as_array().into_iter().flatten();
            let named = groups.flat_map(|group| group["tools"].as_array().into_iter().flatten());
            let found: BTreeSet<String> = named.filter_map(|tool| Some(tool["id"].as_str()?.to_owned())).collect();
            let (more, less): (Vec<_>, Vec<_>) =
                (found.difference(tools).collect(), tools.difference(&found).collect());
            if found == *tools { Ok(()) } else { Err(format!("it also has {more:?}, and lacks {less:?}")) }
        })
        .await;
}
