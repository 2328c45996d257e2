use serde_json::json;

use super::super::render;
use super::super::tests::gateway;
use super::*;

fn object(value: Value) -> Fields {
    serde_json::from_value(value).unwrap()
}

fn refused(place: Place, config: Value) -> Vec<(String, Why)> {
    let refused = read(place, &object(config)).unwrap_err();
    refused.into_iter().map(|refusal| (refusal.path, refusal.why)).collect()
}

fn reference(key: &str) -> Value {
    json!({"valueFrom": {"secretKeyRef": {"name": "keys", "key": key}}})
}

/// Otherwise a user's key would be overridden without a word, or be taken for what Creel rendered.
#[test]
fn whatever_creel_renders_is_owned() {
    assert_eq!(paths(&render(&gateway())), Vec::<String>::new());
}

#[test]
fn keys_of_users_stand_beside_those_of_creel_and_are_found_again() {
    let mut gateway = gateway();
    gateway.of_users.gateway = object(json!({
        "agents": {"defaults": {"maxConcurrent": 2}},
        "session": {"reset": {"mode": "daily"}},
        "tools": {"web": {"search": {"provider": "brave"}}},
        "messages": {},
    }));
    let of_writer = json!({"thinkingDefault": "high", "tools": {"alsoAllow": ["notes"]}});
    gateway.of_users.agents.insert("writer".to_owned(), object(of_writer.clone()));
    let document = render(&gateway);
    assert_eq!(document["agents"]["defaults"]["skipBootstrap"], true);
    assert_eq!(document["session"]["dmScope"], "per-channel-peer");
    assert_eq!(document["agents"]["entries"]["writer"]["tools"]["exec"]["mode"], "deny");
    assert_eq!(
        paths(&document),
        [
            "agents.defaults.maxConcurrent",
            "agents.entries.writer.thinkingDefault",
            "agents.entries.writer.tools.alsoAllow",
            "messages",
            "session.reset.mode",
            "tools.web.search.provider",
        ]
    );
    assert_eq!(remainder(Place::Gateway, &object(document.clone())), gateway.of_users.gateway);
    assert_eq!(remainder(Place::Agent, &object(document["agents"]["entries"]["writer"].clone())), object(of_writer));
}

#[test]
fn what_creel_says_counts_whatever_stands_under_it() {
    let mut rendered = json!({"a": {"b": 1, "list": [1]}, "c": 2});
    add_under(&mut rendered, json!({"a": {"b": 5, "list": [7], "d": 6}, "c": {"e": 1}, "f": {}}));
    assert_eq!(rendered, json!({"a": {"b": 1, "list": [1], "d": 6}, "c": 2, "f": {}}));
}

#[test]
fn an_owned_path_is_refused_at_it_and_below_it_and_so_is_a_value_that_hides_it() {
    let found =
        refused(Place::Gateway, json!({"gateway": {"auth": {"token": "x"}, "port": 1}, "env": {}, "tools": []}));
    let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["env", "gateway.auth", "gateway.port", "tools"]);
    assert_eq!(found[1].1, Why::Owned("use spec.gateway.auth"));
    assert_eq!(found[3].1, Why::NotAnObject);
    assert_eq!(refused(Place::Gateway, json!({"agents": reference("a")})), [("agents".to_owned(), Why::NotAnObject)]);
    assert!(read(Place::Gateway, &object(json!({"gateway": {"portals": {}}}))).is_ok());
}

#[test]
fn keys_that_openclaw_has_for_all_agents_only_belong_to_the_gateway() {
    for key in ["compaction", "maxConcurrent", "timeoutSeconds", "userTimezone", "imageModel", "contextPruning"] {
        let found = refused(Place::Agent, json!({ key: {} }));
        assert!(matches!(found[0].1, Why::Owned(remedy) if remedy.contains("spec.gateway.config")), "{key}");
        assert!(read(Place::Gateway, &object(json!({"agents": {"defaults": {key: {}}}}))).is_ok(), "{key}");
    }
}

#[test]
fn a_secret_is_a_reference_where_openclaw_takes_one_and_a_variable_where_it_takes_text() {
    let config = json!({
        "plugins": {"entries": {"brave": {"config": {"webSearch": {"apiKey": reference("brave")}}}}},
        "channels": {"discord": {"accounts": {"main": {"token": reference("discord")}}, "token": reference("discord")}},
        "mcp": {"servers": {"docs": {"headers": {"Authorization": reference("docs")}}}},
    });
    let passed = read(Place::Gateway, &object(config)).unwrap();
    let document = Value::Object(passed.fields);
    let brave = &document["plugins"]["entries"]["brave"]["config"]["webSearch"]["apiKey"];
    assert_eq!((&brave["source"], &brave["provider"]), (&json!("env"), &json!("default")));
    let discord = &document["channels"]["discord"];
    assert_eq!(discord["token"], discord["accounts"]["main"]["token"]);
    let header = document["mcp"]["servers"]["docs"]["headers"]["Authorization"].as_str().unwrap();
    assert!(header.starts_with("${CREEL_TEXT_") && header.ends_with('}'), "{header}");
    let variables: Vec<_> = passed.variables.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(variables, crate::openclaw::live::variables(&document).into_iter().collect::<Vec<_>>());
    assert_eq!(variables.len(), 3);
    assert_eq!(passed.plain_secrets, Vec::<String>::new());

    let of_agent = read(Place::Agent, &object(json!({"memory": {"search": {"remote": {"apiKey": reference("a")}}}})));
    assert_eq!(of_agent.unwrap().fields["memory"]["search"]["remote"]["apiKey"]["source"], "env");
}

#[test]
fn a_secret_in_plain_text_is_found() {
    let hooks = json!({"hooks": {"token": "abc", "path": "/hooks"}, "skills": {"entries": {"x": {"apiKey": "abc"}}}});
    let passed = read(Place::Gateway, &object(hooks.clone())).unwrap();
    assert_eq!(passed.plain_secrets, ["hooks.token", "skills.entries.x.apiKey"]);
    assert_eq!(Value::Object(passed.fields), hooks);
}

#[test]
fn what_would_reach_for_variables_or_files_of_the_gateway_is_refused() {
    let config = json!({
        "a": "${OPENCLAW_GATEWAY_TOKEN}",
        "b": [{"source": "env", "provider": "default", "id": "OPENCLAW_GATEWAY_TOKEN"}],
        "c": {"d": {"$include": "/etc/passwd"}},
        "e": {"valueFrom": {"secretKeyRef": {"name": "keys"}}},
        "f": "$${LITERAL} ${lower}",
    });
    assert_eq!(
        refused(Place::Gateway, config),
        [
            ("a".to_owned(), Why::Variable("OPENCLAW_GATEWAY_TOKEN".to_owned())),
            ("b[0]".to_owned(), Why::SecretRef),
            ("c.d".to_owned(), Why::Include),
            ("e".to_owned(), Why::MalformedReference),
        ]
    );
    assert!(matches!(refused(Place::Agent, json!({"$include": "x"}))[0].1, Why::Owned(_)));
}

#[test]
fn what_a_running_gateway_does_not_take_up_is_told_by_its_first_key() {
    let config = object(json!({
        "messages": {"responsePrefix": "auto"},
        "memory": {"citations": "on", "search": {"provider": "local"}},
        "browser": {"cdpUrl": "http://chrome:9222"},
        "mcp": {"servers": {}, "apps": {"port": 1, "sandboxOrigin": "https://x"}},
        "noSuchKey": {},
    }));
    let wanted = json!({
        "memory": {"search": {"provider": "local"}},
        "browser": {"cdpUrl": "http://chrome:9222"},
        "mcp": {"apps": {"port": 1}},
        "noSuchKey": {},
    });
    assert_eq!(json!(reload::cold(&config)), wanted);
}

/// The guides have the same tables.
#[test]
fn the_guides_name_every_owned_path_with_its_remedy() {
    let guide = include_str!("../../../../docs/guides/passthrough.md");
    let (_, tables) = guide.split_once("\nIn `spec.gateway.config`:\n").unwrap();
    let (gateway, agent) = tables.split_once("\nIn `spec.config`:\n").unwrap();
    let channels = include_str!("../../../../docs/guides/channels.md");
    let (_, channels) = channels.split_once("\n## Keys that Creel sets\n").unwrap();
    for (table, place) in [(gateway, Place::Gateway), (agent, Place::Agent), (channels, Place::Channels)] {
        for (path, remedy) in place.owned() {
            let row = |line: &&str| line.contains(&format!("`{path}`")) && line.ends_with(&format!("| {remedy} |"));
            assert_eq!(table.lines().filter(row).count(), 1, "{path}");
        }
        assert_eq!(
            table
                .lines()
                .filter(|line| line.starts_with("| `"))
                .map(|line| line.matches('`').count() / 2)
                .sum::<usize>(),
            place.owned().len()
        );
    }
}
