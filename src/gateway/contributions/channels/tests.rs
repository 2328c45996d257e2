use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::gateway::fixtures::{company, edit, plan, secret, settle};
use crate::gateway::plan::{Plan, changed_parts};
use crate::openclaw::config::document::ConfigDocument;

const MAIN: &str = "creel_writer_main";

fn bot(secret: &str) -> Value {
    json!({"botToken": {"secretKeyRef": {"name": secret, "key": "token"}}, "allowFrom": ["12345"]})
}

fn with(secret: &str, more: &Value) -> Value {
    let mut bot = bot(secret);
    bot.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    bot
}

/// Gives the Agent a channel `main` with this bot.
fn talks(gathered: &mut Gathered, agent: &str, bot: &Value) {
    let channels = serde_json::from_value(json!([{"name": "main", "telegram": bot}])).unwrap();
    edit(gathered, agent, |agent| agent.spec.channels = channels);
}

/// `writer` talks through the bot in the Secret `tg`, and the gateway runs so.
fn settled() -> Gathered {
    let mut gathered = company();
    secret(&mut gathered, "tg", &[("token", "7:one")]);
    talks(&mut gathered, "writer", &bot("tg"));
    settle(&mut gathered);
    gathered
}

fn document(plan: &Plan) -> Value {
    plan.config.as_ref().unwrap().value().clone()
}

fn accounts(plan: &Plan) -> Value {
    document(plan)["channels"]["telegram"]["accounts"].clone()
}

fn hash(plan: &Plan) -> String {
    plan.pod.as_ref().unwrap().hash()
}

#[test]
fn a_bot_is_an_account_that_is_bound_to_its_agent_and_brings_its_token_by_a_new_pod() {
    let mut gathered = company();
    settle(&mut gathered);
    secret(&mut gathered, "tg", &[("token", "7:one")]);
    talks(&mut gathered, "writer", &bot("tg"));
    let plan = plan(&gathered);
    assert!(plan.faults.is_empty(), "{:?}", plan.faults);
    let pod = plan.pod.as_ref().unwrap();
    let parts = changed_parts(&gathered.live.parts, &pod.parts);
    assert_eq!(parts, ["the set of Secrets in spec.channels changed"]);
    let account = &accounts(&plan)[MAIN];
    assert_eq!((&account["dmPolicy"], &account["allowFrom"]), (&json!("allowlist"), &json!(["12345"])));
    assert_eq!(account["botToken"]["id"], json!(pod.channel_env[0].variable));
    let binding = json!({"agentId": "writer", "match": {"channel": "telegram", "accountId": MAIN}});
    assert_eq!(document(&plan)["bindings"], json!([binding]));
}

#[test]
fn a_channel_whose_variable_is_there_is_changed_and_removed_without_a_new_pod() {
    let mut gathered = settled();
    let before = hash(&plan(&gathered));
    talks(&mut gathered, "writer", &with("tg", &json!({"dmPolicy": "open", "allowFrom": ["*"]})));
    talks(&mut gathered, "concierge", &with("tg", &json!({"config": {"enabled": false}})));
    let after = plan(&gathered);
    assert_eq!(accounts(&after)[MAIN]["dmPolicy"], "open");
    assert_eq!(accounts(&after)["creel_concierge_main"]["enabled"], false);
    assert_eq!(hash(&after), before);
    for agent in ["writer", "concierge"] {
        edit(&mut gathered, agent, |agent| agent.spec.channels.clear());
    }
    let gone = plan(&gathered);
    assert_eq!((document(&gone).get("channels"), document(&gone).get("bindings")), (None, None));
    assert_eq!(hash(&gone), before);
}

#[test]
fn another_token_recreates_the_pod_and_names_the_secret() {
    let mut gathered = settled();
    let before = plan(&gathered);
    secret(&mut gathered, "tg", &[("token", "7:two")]);
    let after = plan(&gathered);
    assert_ne!(hash(&after), hash(&before));
    assert_eq!(accounts(&after), accounts(&before));
}

#[test]
fn a_bot_without_its_secret_is_left_out_and_the_agent_stays() {
    let mut gathered = company();
    talks(&mut gathered, "writer", &bot("tg"));
    let plan = plan(&gathered);
    assert!(plan.faults.is_empty());
    let document = document(&plan);
    assert!(document["agents"]["entries"].get("writer").is_some() && document.get("channels").is_none());
    assert_eq!(plan.channel_faults["writer"]["main"].reason, reason::SECRET_NOT_FOUND);
    let warning = &plan.agent_warnings["writer"][0];
    let expected = "Secret \"tg\" does not exist (spec.channels[main].telegram.botToken.secretKeyRef of Agent \"writer\"): create it";
    assert_eq!((warning.message.as_str(), warning.carried), (expected, true));
}

#[test]
fn of_two_agents_with_one_bot_the_older_keeps_it_whatever_the_secrets_are_called() {
    let mut gathered = settled();
    secret(&mut gathered, "copy", &[("token", "7:one\n")]);
    talks(&mut gathered, "concierge", &bot("copy"));
    let born = |agent: &mut Agent, time: &str| {
        agent.metadata.creation_timestamp = Some(serde_json::from_value(json!(time)).unwrap());
    };
    edit(&mut gathered, "writer", |agent| born(agent, "2026-01-01T00:00:00Z"));
    edit(&mut gathered, "concierge", |agent| born(agent, "2026-01-02T00:00:00Z"));
    let older = plan(&gathered);
    assert_eq!(accounts(&older).as_object().unwrap().keys().collect::<Vec<_>>(), [MAIN]);
    let fault = &older.channel_faults["concierge"]["main"];
    assert_eq!(fault.reason, reason::BOT_TOKEN_SHARED);
    let expected = "Key \"token\" of Secret \"copy\" (spec.channels[main].telegram.botToken of Agent \"concierge\") is also the token of channel \"main\" of Agent \"writer\", which keeps the bot: use another bot";
    assert_eq!(fault.message, expected);
    edit(&mut gathered, "writer", |agent| agent.spec.suspend = true);
    let suspended = plan(&gathered);
    assert!(suspended.channel_faults.is_empty(), "one that is suspended fetches no messages");
}

#[test]
fn keys_of_the_user_stand_beside_creels_and_those_that_creel_sets_are_refused_by_name_while_the_last_good_ones_stay() {
    let mut gathered = settled();
    talks(
        &mut gathered,
        "writer",
        &with("tg", &json!({"config": {"linkPreview": false, "network": {"autoSelectFamily": true}}})),
    );
    settle(&mut gathered);
    let good = plan(&gathered);
    assert_eq!(accounts(&good)[MAIN]["linkPreview"], false);
    let elsewhere = json!({"7": {"topics": {"1": {"agentId": "concierge"}}}});
    let owned = json!({"config": {"direct": elsewhere, "dmPolicy": "open", "linkPreview": true, "trustedLocalFileRoots": ["/"]}});
    talks(&mut gathered, "writer", &with("tg", &owned));
    let after = plan(&gathered);
    let fault = &after.faults["writer"];
    assert_eq!((fault.reason, fault.last_good_kept()), (reason::CONFIG_KEY_OWNED, true));
    let expected = "spec.channels[main].telegram.config of Agent \"writer\" has keys that only Creel sets: \
                    direct.7.topics.1.agentId (a channel is bound to its own Agent; use spec.delegates); \
                    dmPolicy (use dmPolicy of the channel); trustedLocalFileRoots (it limits what agents can do in the gateway's own process)";
    assert_eq!(fault.message, expected);
    assert_eq!(document(&after), document(&good));
}

#[test]
fn accounts_and_bindings_of_the_gateways_owner_stay_beside_those_of_channels() {
    let mut gathered = settled();
    let theirs = json!({"agentId": "concierge", "match": {"channel": "telegram", "accountId": "own"}});
    let own = json!({"enabled": false});
    let config = json!({"channels": {"telegram": {"accounts": {"own": own}}}, "bindings": [theirs]});
    edit(&mut gathered, "concierge", |agent| {
        agent.spec.gateway.get_or_insert_default().config = serde_json::from_value(config).unwrap();
    });
    let plan = plan(&gathered);
    assert!(plan.faults.is_empty(), "{:?}", plan.faults);
    assert_eq!(accounts(&plan).as_object().unwrap().keys().collect::<Vec<_>>(), [MAIN, "own"]);
    let bindings = document(&plan)["bindings"].clone();
    assert_eq!((bindings.as_array().unwrap().len(), &bindings[1]), (2, &theirs));
    let read = crate::openclaw::config::passthrough::read_back(&document(&plan));
    assert_eq!(read.gateway["bindings"], json!([theirs]));
    assert_eq!(read.gateway["channels"]["telegram"]["accounts"], json!({"own": own}));
    assert!(read.channels["writer"].is_empty());
}

#[test]
fn nothing_of_the_gateways_owner_takes_the_place_of_a_channel() {
    let mut gathered = settled();
    let before = document(&plan(&gathered));
    for config in [
        json!({"channels": {"telegram": {"accounts": {MAIN: {"dmPolicy": "open"}}}}}),
        json!({"bindings": [{"agentId": "concierge", "match": {"channel": "telegram", "accountId": MAIN}}]}),
    ] {
        edit(&mut gathered, "concierge", |agent| {
            agent.spec.gateway.get_or_insert_default().config = serde_json::from_value(config).unwrap();
        });
        let plan = plan(&gathered);
        let fault = &plan.faults["concierge"];
        assert_eq!(fault.reason, reason::CONFIG_KEY_OWNED);
        assert!(fault.message.contains("use spec.channels of the Agent"), "{}", fault.message);
        assert_eq!(document(&plan), before);
    }
}

#[test]
fn what_an_agent_that_does_not_parse_had_stays() {
    let mut gathered = settled();
    let before = document(&plan(&gathered));
    gathered.live.config = Some(Arc::new(ConfigDocument::new(before.clone())));
    gathered.joined.clear();
    gathered.unparsable.insert("writer".to_owned());
    assert_eq!(document(&plan(&gathered))["channels"], before["channels"]);
}
