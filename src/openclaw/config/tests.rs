#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use super::agents::{self, ActiveHours, Heartbeat, ModelChoice, ModelName};
use super::models::{self, Api, Cost, HeaderValue, Input, Model, Provider};
use super::*;
use crate::openclaw::live;
use crate::openclaw::names::EnvName;

fn choice(primary: &str, fallbacks: &[&str]) -> ModelChoice {
    let name = |text: &str| {
        let (provider, model) = text.split_once('/').expect("provider/model");
        ModelName { provider: provider.to_owned(), model: model.to_owned() }
    };
    ModelChoice { primary: name(primary), fallbacks: fallbacks.iter().map(|text| name(text)).collect() }
}

/// What the entry of an agent with this model says.
fn fields(primary: &str, fallbacks: &[&str]) -> Fields {
    agents::model(&choice(primary, fallbacks))
}

fn openai() -> Provider {
    Provider {
        base_url: "https://api.openai.com/v1".to_owned(),
        api: Api::OpenaiCompletions,
        api_key: Some(EnvName::provider_key("openai")),
        headers: BTreeMap::from([
            ("X-Org".to_owned(), HeaderValue::Literal("acme".to_owned())),
            ("X-Key".to_owned(), HeaderValue::Secret(EnvName::provider_header("openai", 1))),
        ]),
        models: vec![Model {
            id: "gpt-4o-mini".to_owned(),
            context_window: Some(128_000),
            max_tokens: Some(16_384),
            reasoning: false,
            input: vec![Input::Text, Input::Image],
            cost: Some(Cost { input: 0.15, output: 0.6 }),
        }],
    }
}

fn local() -> Provider {
    Provider {
        base_url: "http://llama.models.svc.cluster.local:8080/v1".to_owned(),
        api: Api::OpenaiCompletions,
        api_key: None,
        headers: BTreeMap::new(),
        models: vec![Model {
            id: "qwen3".to_owned(),
            context_window: None,
            max_tokens: None,
            reasoning: true,
            input: vec![Input::Text],
            cost: None,
        }],
    }
}

/// Adds the Provider of this name, in place of one of that name.
fn provide(gateway: &mut Gateway, name: &str, provider: &Provider) {
    gateway.sections.insert(models::path(name), models::provider(provider));
}

pub(in crate::openclaw) fn gateway() -> Gateway {
    let mut gateway = Gateway {
        system_agent: "concierge".to_owned(),
        layout: Layout::default(),
        agents: BTreeMap::from([
            ("concierge".to_owned(), fields("openai/gpt-4o-mini", &["local/qwen3"])),
            ("writer".to_owned(), fields("local/qwen3", &[])),
        ]),
        sections: Sections::default(),
        accounts: Accounts::new(),
        of_users: OfUsers::default(),
    };
    provide(&mut gateway, "openai", &openai());
    provide(&mut gateway, "local", &local());
    gateway
}

#[test]
fn a_gateway_with_two_agents_and_two_providers() {
    insta::assert_snapshot!(format!("{:#}", render(&gateway())));
}

#[test]
fn an_agent_has_a_heartbeat_if_it_asks_for_one_and_the_others_have_none() {
    let mut gateway = gateway();
    let hours = ActiveHours { start: "22:00".into(), end: "06:00".into(), time_zone: "Europe/Paris".into() };
    let prompt = Some("Look at ${OPENCLAW_GATEWAY_TOKEN}".to_owned());
    let turns = Heartbeat { every: Duration::from_mins(90), active_hours: Some(hours), prompt };
    gateway.agents.get_mut("writer").unwrap().extend(agents::heartbeat(&turns));
    let agents = &render(&gateway)["agents"];
    assert_eq!(
        agents["entries"]["writer"]["heartbeat"],
        json!({
            "every": "5400000ms",
            "target": "none",
            "activeHours": {"start": "22:00", "end": "06:00", "timezone": "Europe/Paris"},
            "prompt": "Look at $${OPENCLAW_GATEWAY_TOKEN}",
        })
    );
    assert_eq!(agents["entries"]["concierge"].get("heartbeat"), None);
    assert_eq!(agents["defaults"]["heartbeat"]["every"], "0m");
}

#[test]
fn every_protocol_is_written_as_openclaw_spells_it() {
    let words = [
        (Api::OpenaiCompletions, "openai-completions"),
        (Api::OpenaiResponses, "openai-responses"),
        (Api::AnthropicMessages, "anthropic-messages"),
        (Api::GoogleGenerativeAi, "google-generative-ai"),
        (Api::Ollama, "ollama"),
        (Api::AzureOpenaiResponses, "azure-openai-responses"),
    ];
    for (api, word) in words {
        assert_eq!(json!(api), json!(word));
    }
}

#[test]
fn fields_and_a_provider_that_are_read_back_are_rendered_as_they_were() {
    let before = render(&gateway());
    let mut kept = gateway();
    let writer = live::fields(&live::agent(&before, "writer").unwrap(), &[agents::MODEL, agents::HEARTBEAT]);
    assert_eq!(writer.keys().collect::<Vec<_>>(), [agents::MODEL]);
    kept.agents.insert("writer".to_owned(), writer);
    kept.sections.insert(models::path("openai"), live::provider(&before, "openai").unwrap());
    assert_eq!(render(&kept), before);
}

#[test]
fn a_live_entry_names_the_providers_and_variables_it_needs() {
    let document = render(&gateway());
    let models: Vec<_> = live::models_of(&live::agent(&document, "concierge").unwrap()).into_iter().collect();
    assert_eq!(models, [("local".to_owned(), "qwen3".to_owned()), ("openai".to_owned(), "gpt-4o-mini".to_owned())]);
    let variables = live::variables(&document);
    let variables: Vec<_> = variables.iter().map(EnvName::as_str).collect();
    assert_eq!(variables, ["CREEL_PROVIDER_OPENAI__HEADER_1", "CREEL_PROVIDER_OPENAI__KEY", "OPENCLAW_GATEWAY_TOKEN"]);
}

#[test]
fn a_variable_that_a_user_names_in_a_header_is_not_substituted() {
    let mut provider = openai();
    provider.headers.insert("X-Org".to_owned(), HeaderValue::Literal("${OPENCLAW_GATEWAY_TOKEN}".to_owned()));
    assert_eq!(models::provider(&provider)["headers"]["X-Org"], "$${OPENCLAW_GATEWAY_TOKEN}");
}

#[test]
fn no_agent_has_a_shell_or_files_outside_its_workspace() {
    let document = render(&gateway());
    for entry in document["agents"]["entries"].as_object().unwrap().values() {
        assert_eq!(entry["tools"]["exec"]["mode"], "deny");
        assert_eq!(entry["tools"]["fs"]["workspaceOnly"], true);
    }
    assert_eq!(document["tools"]["sessions"]["visibility"], "tree");
    assert_eq!(document["tools"]["agentToAgent"]["enabled"], false);
    assert_eq!(document["cron"]["triggers"]["enabled"], false);
}

#[test]
fn no_field_of_an_entry_names_another_agent_or_another_workspace() {
    let mut gateway = gateway();
    gateway
        .agents
        .get_mut("writer")
        .unwrap()
        .extend([("name".to_owned(), json!("concierge")), ("workspace".to_owned(), json!("/etc"))]);
    let writer = render(&gateway)["agents"]["entries"]["writer"].clone();
    assert_eq!(
        (&writer["name"], &writer["workspace"]),
        (&json!("writer"), &json!("/home/node/.openclaw/workspaces/writer"))
    );
}

#[test]
fn an_edit_of_a_redacted_leaf_moves_the_marker() {
    let mut edited = gateway();
    let mut provider = openai();
    provider.headers.insert("X-Org".to_owned(), HeaderValue::Literal("other".to_owned()));
    provide(&mut edited, "openai", &provider);
    assert_ne!(marker::of(&render(&edited)), marker::of(&render(&gateway())));
}
