//! Keys of openclaw.json that users write themselves: taken up, refused and rejected by a real gateway.

use std::collections::{BTreeMap, BTreeSet};

use e2e::suite::{
    Condition, RunningPod, SOON, Shared, TestNamespace, agent, in_namespace, on_shared, secret, secret_value,
};
use serde_json::{Value, json};

use super::blame;

#[tokio::test]
async fn an_agent_on_a_shared_gateway_has_keys_of_its_own_without_a_restart() {
    on_shared(Shared::Plain, "own-keys", async |namespace: TestNamespace| {
        let support = namespace.join("support").await;
        let pod = namespace.gateway(namespace.host_of(&support)).await;
        namespace.merge("Agent", &support, &json!({"spec": {"config": {"bootstrapMaxChars": 10_000}}})).await;
        in_force(&namespace, &support, &format!("agents.entries.{support}.bootstrapMaxChars")).await;

        namespace.merge("Agent", &support, &json!({"spec": {"config": {"compaction": {"mode": "default"}}}})).await;
        let said = refused(&namespace, &support, "ConfigKeyOwned").await;
        for part in ["compaction", "agents.defaults in spec.gateway.config", &support] {
            assert!(said.contains(part), "{part:?} is not in {said:?}");
        }
        lists(&namespace, &support, &format!("agents.entries.{support}.bootstrapMaxChars")).await;
        assert_eq!(namespace.ask(&support, "s", "at fault").await, "You said: at fault");
        assert_eq!(namespace.running(namespace.host_of(&support)).await, [pod]);
    })
    .await;
}

/// The name has a meaning: what is rendered here is not expected to be valid.
#[tokio::test]
async fn keys_of_a_gateway_are_applied_recreate_it_or_are_refused() {
    in_namespace("refused-config", async |namespace: TestNamespace| {
        namespace.serve("main", &secret_value("key")).await;
        namespace.apply(&secret("search", "brave", &secret_value("search"))).await;
        namespace.apply(&agent("support", "main/small")).await;
        namespace.ready("support").await;
        let pod = namespace.gateway("support").await;
        the_tables_are_those_of_openclaw(&namespace, &pod).await;

        set(&namespace, &json!({"agents": {"defaults": {"maxConcurrent": 2}}})).await;
        in_force(&namespace, "support", "agents.defaults.maxConcurrent").await;
        answers(&namespace, &pod, "with a hot key").await;

        set(&namespace, &json!({"gateway": {"port": 1}})).await;
        let said = refused(&namespace, "support", "ConfigKeyOwned").await;
        assert!(said.contains("gateway.port (the gateway listens on port 18789)"), "{said}");
        answers(&namespace, &pod, "with an owned key").await;
        // OpenClaw holds this valid, and does not start with it.
        let unverified = json!({"main": {"request": {"tls": {"insecureSkipVerify": true}}}});
        set(&namespace, &json!({"gateway": null, "models": {"providers": unverified}})).await;
        refused_for(&namespace, "ConfigKeyOwned", "models (use a Provider)").await;
        answers(&namespace, &pod, "with a key that is fatal at the next start").await;
        set(&namespace, &json!({"models": null, "skills": skill("nowhere")})).await;
        let said = refused(&namespace, "support", "SecretNotFound").await;
        let named =
            "Secret \"nowhere\" does not exist (spec.gateway.config.skills.entries.notes.apiKey of Agent \"support\")";
        assert!(said.contains(named), "{said}");
        answers(&namespace, &pod, "without the Secret").await;

        let hooks = json!({"enabled": false, "token": reference("search")});
        let diagnostics = json!({"otel": {"enabled": false}});
        let config = json!({"skills": skill("search"), "hooks": hooks, "diagnostics": diagnostics});
        // One rollout for all of it.
        let skills = gated_skill(&namespace).await;
        let spec = json!({"gateway": {"config": config}, "skills": skills});
        namespace.merge("Agent", "support", &json!({"spec": spec})).await;
        let next = namespace.replaced("support", &pod).await;
        namespace.ready("support").await;
        let status = namespace.get("Agent", "support").await.data["status"]["gateway"].clone();
        let reason = status["lastRollout"]["reason"].as_str().unwrap_or_default().to_owned();
        let parts =
            ["spec.gateway.config.diagnostics changed", "the set of Secrets in spec.gateway.config and spec.config"];
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
        in_force(&namespace, "support", "skills.entries.notes.apiKey").await;
        has_gated_skill(&namespace).await;

        let next = blame::each_answers_for_their_own_keys(&namespace, &next).await;
        blame::what_is_valid_and_never_applied_is_its_authors(&namespace, &next).await;
        blame::much_text_is_applied(&namespace, &next).await;
        answers(&namespace, &next, "after all of it").await;
    })
    .await;
}

fn reference(secret: &str) -> Value {
    json!({"valueFrom": {"secretKeyRef": {"name": secret, "key": "brave"}}})
}

fn skill(secret: &str) -> Value {
    json!({"entries": {"notes": {"apiKey": reference(secret)}}})
}

/// The only skill of an Agent, which OpenClaw hides without its variable.
async fn gated_skill(namespace: &TestNamespace) -> Value {
    let requires = json!({"openclaw": {"requires": {"env": ["SEARCH_KEY"]}}});
    let text = format!("---\ndescription: Searching with a key.\nmetadata: {requires}\n---\nSearch.\n");
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gated"}, "data": {"SKILL.md": text}});
    namespace.apply(&map.to_string()).await;
    json!([{"name": "gated", "configMapRef": {"name": "gated"}, "env": [variable("SEARCH_KEY", reference("search"))]}])
}

fn variable(name: &str, mut reference: Value) -> Value {
    reference["name"] = name.into();
    reference
}

async fn has_gated_skill(namespace: &TestNamespace) {
    namespace
        .eventually("the skill with a key is in the prompt", SOON, async || {
            let prompt = namespace.ask_and_see("support", "gated", "with a skill").await.prompt.0;
            let has_it = prompt.contains("Searching with a key.");
            has_it.then_some(()).ok_or(format!("a prompt of {} bytes without it", prompt.len()))
        })
        .await;
}

/// Merges these keys into `spec.gateway.config`.
async fn set(namespace: &TestNamespace, config: &Value) {
    namespace.merge("Agent", "support", &json!({"spec": {"gateway": {"config": config}}})).await;
}

/// Waits until the gateway confirms a configuration with this path of a user.
pub async fn in_force(namespace: &TestNamespace, agent: &str, path: &str) {
    lists(namespace, agent, path).await;
    namespace.applied(agent).await;
}

/// Waits until the status says that the gateway has this path of a user.
async fn lists(namespace: &TestNamespace, agent: &str, path: &str) {
    let listed = async || {
        let paths = namespace.get("Agent", agent).await.data["status"]["gateway"]["passthrough"].clone();
        paths.as_array().is_some_and(|all| all.contains(&json!(path))).then_some(()).ok_or(paths.to_string())
    };
    namespace.eventually(path, SOON, listed).await;
}

/// Waits until the Agent's keys are refused; in which words.
async fn refused(namespace: &TestNamespace, agent: &str, reason: &str) -> String {
    let refused = |found: &Condition| found.status == "False" && found.reason == reason;
    namespace.condition("Agent", agent, "ReferencesResolved", SOON, refused).await.message
}

/// Waits until `spec.gateway.config` is refused with these words.
async fn refused_for(namespace: &TestNamespace, reason: &str, words: &str) {
    let refused =
        |found: &Condition| found.status == "False" && found.reason == reason && found.message.contains(words);
    namespace.condition("Agent", "support", "ReferencesResolved", SOON, refused).await;
}

/// The same Pod answers.
async fn answers(namespace: &TestNamespace, pod: &RunningPod, words: &str) {
    assert_eq!(namespace.ask("support", "s", words).await, format!("You said: {words}"));
    assert_eq!(namespace.running("support").await, std::slice::from_ref(pod));
}

/// The tables of the operator, one path on a line.
const HOT: &str = include_str!("../../../../src/openclaw/config/passthrough/hot_keys.txt");
const SECRET_INPUTS: &str = include_str!("../../../../src/openclaw/config/passthrough/secret_inputs.txt");

/// Prints what OpenClaw does at a change of each path that its rules name, and of those that follow.
const KINDS: &str = r#"cd /app/node_modules/openclaw/dist && node -e '
    const file = require("fs").readdirSync(".").find((name) => /^config-reload-plan-.*\.mjs$/.test(name));
    import(process.cwd() + "/" + file).then((module) => {
        const named = (name) => Object.values(module).find((value) => value.name === name);
        const paths = [...named("listConfigReloadRefinementPrefixes")(), ...process.argv.slice(1)];
        const kind = named("resolveConfigReloadMetadata");
        console.log(JSON.stringify(Object.fromEntries(paths.map((path) => [path, kind(path).kind]))));
        process.exit(0);
    });' "#;

const CREDENTIALS: &str =
    "cat /app/node_modules/openclaw/docs/reference/secretref-user-supplied-credentials-matrix.json";

/// What Creel knows of hot keys and of secrets, OpenClaw knows alike.
async fn the_tables_are_those_of_openclaw(namespace: &TestNamespace, pod: &RunningPod) {
    let hot: Vec<&str> = HOT.lines().collect();
    let kinds = namespace.in_container(&pod.name, "gateway", &format!("{KINDS}{}", hot.join(" "))).await;
    let kinds: BTreeMap<String, String> = serde_json::from_str(&kinds).expect("kinds by path");
    let is_hot = |path: &&String| {
        hot.iter().any(|hot| path.strip_prefix(hot).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    let cold: Vec<&String> = kinds.iter().filter(|(_, kind)| *kind == "restart").map(|(path, _)| path).collect();
    assert_eq!(cold.into_iter().filter(is_hot).collect::<Vec<_>>(), ["mcp.apps"], "{kinds:?}");

    let said = namespace.in_container(&pod.name, "gateway", CREDENTIALS).await;
    let said: Value = serde_json::from_str(&said).expect("a list of credentials");
    let ours: BTreeSet<String> = SECRET_INPUTS.lines().map(str::to_owned).collect();
    let theirs =
        said["entries"].as_array().into_iter().flatten().filter(|entry| entry["configFile"] == "openclaw.json");
    let theirs = theirs
        .filter_map(|entry| entry["path"].as_str())
        .filter(|path| !path.starts_with("models.") && !path.starts_with("gateway."));
    let of_channel =
        |path: &str| if path.starts_with("channels.") { path.replacen(".accounts.*", "", 1) } else { path.to_owned() };
    assert_eq!(theirs.map(of_channel).collect::<BTreeSet<_>>(), ours);
}
