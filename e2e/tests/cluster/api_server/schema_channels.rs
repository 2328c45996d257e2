//! What the API server refuses of the channels of an Agent, and in which words. Only dry runs: nothing is made.

use serde_json::{Value, json};

use super::schema_agent::{accepted, refused};
use super::stage::Server;

/// An Agent with a bot with these fields.
fn bot(fields: &Value) -> Value {
    let mut telegram = json!({"botToken": {"secretKeyRef": {"name": "tg", "key": "token"}}});
    telegram.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    json!({"channels": [{"name": "main", "telegram": telegram}]})
}

#[tokio::test]
async fn a_channel_has_a_kind_and_a_name_of_its_own() {
    let server = Server::new().await;
    refused(&server, json!({"channels": [{"name": "main"}]}), "set the kind of the channel: telegram").await;
    refused(&server, json!({"channels": [{"name": "main", "telegram": {"allowFrom": ["1"]}}]}), "botToken").await;
    let one = bot(&json!({"allowFrom": ["1"]}))["channels"][0].clone();
    refused(&server, json!({"channels": [one, one]}), "Duplicate value").await;
    for name in ["a-channel-with-a-long-name", "a_b", "A"] {
        let mut named = one.clone();
        named["name"] = json!(name);
        refused(&server, json!({"channels": [named]}), "spec.channels[0].name").await;
    }
}

#[tokio::test]
async fn a_bot_is_open_to_everyone_only_where_that_is_said_twice() {
    let server = Server::new().await;
    let words = "dmPolicy allowlist needs at least one user in allowFrom";
    for nobody in [json!({}), json!({"dmPolicy": "allowlist"}), json!({"allowFrom": []})] {
        refused(&server, bot(&nobody), words).await;
    }
    let words = "dmPolicy open needs \"*\" in allowFrom";
    for some in [json!({"dmPolicy": "open"}), json!({"dmPolicy": "open", "allowFrom": ["12345"]})] {
        refused(&server, bot(&some), words).await;
    }
    for fields in [
        json!({"allowFrom": ["12345"]}),
        json!({"dmPolicy": "open", "allowFrom": ["*"]}),
        json!({"dmPolicy": "pairing"}),
        json!({"dmPolicy": "disabled", "groupPolicy": "open", "groups": [{"id": "-100123", "requireMention": false}, {"id": "*"}]}),
    ] {
        accepted(&server, bot(&fields)).await;
    }
}

#[tokio::test]
async fn users_and_groups_are_numbers_and_a_server_is_a_url() {
    let server = Server::new().await;
    for user in ["@ada", "-5", "0", "telegram:5"] {
        refused(&server, bot(&json!({"allowFrom": [user]})), "allowFrom[0]").await;
    }
    for group in ["12345", "@group"] {
        let groups = json!({"allowFrom": ["1"], "groups": [{"id": group}]});
        refused(&server, bot(&groups), "groups[0].id").await;
    }
    for root in ["telegram", "ftp://telegram", "http://user:key@telegram", "http://telegram/?a"] {
        refused(&server, bot(&json!({"allowFrom": ["1"], "apiRoot": root})), "apiRoot must be an http or https URL")
            .await;
    }
    accepted(&server, bot(&json!({"allowFrom": ["1"], "apiRoot": "http://bots.tools.svc:8081"}))).await;
}
