//! What an Agent wrote and is not in force: the gateway, Creel or the API server rejects it.

use super::*;
use crate::api::passthrough::Passthrough;
use crate::gateway::build::config_map;
use crate::gateway::gather::Gathered;
use crate::gateway::rejections::{Circumstances, Keys, Rejections};
use crate::naming::GatewayNames;
use crate::openclaw::config::passthrough::author::Author;

/// What the gateway says of the keys of `writer`, which writes them.
fn reject(gathered: &mut Gathered, words: &str) {
    let fields = serde_json::json!({"noSuchKey": 1});
    let (keys, author) = (fields.as_object().unwrap(), Author::Agent("writer".into()));
    let circumstances = Circumstances { image: gathered.live.image.as_deref(), digests: &gathered.live.digests };
    let rejected = Keys { author: &author, fields: keys, variables: &[], circumstances };
    gathered.live.rejections = Rejections::default().with(rejected, words, false).unwrap();
    edit(gathered, "writer", |agent| agent.spec.config = Passthrough(keys.clone()));
}

#[test]
fn only_the_agent_whose_keys_the_gateway_rejects_is_at_fault() {
    let mut gathered = company();
    reject(&mut gathered, "agents.entries.writer: Unrecognized key: \"noSuchKey\"");
    let state = observed(&gathered, Some(&PodState::Ready), Some(&ConfigState::Applied));
    let status = |agent: &Agent| super::status(agent, &GatewayLookup::On(&state), None, Vec::new(), now()).0;

    let of_writer = status(&gathered.joined[0]);
    assert_eq!(summary_of(&of_writer), words("False", "False", "True", "Rejected"));
    let config = find(&of_writer.conditions, CONFIG_APPLIED).unwrap();
    assert_eq!((config.status.as_str(), config.reason.as_str()), ("False", "Rejected"));
    let message = "The Agent is not on the gateway. The gateway rejected spec.config of Agent \"writer\"; correct or remove what it \
                   names: agents.entries.writer: Unrecognized key: \"noSuchKey\"";
    assert_eq!(config.message, message);
    assert_eq!(find(&of_writer.conditions, REFERENCES_RESOLVED).unwrap().status, "True");

    let of_owner = status(&gathered.owner);
    assert_eq!(summary_of(&of_owner), words("True", "False", "False", "Ready"));
    assert_eq!(find(&of_owner.conditions, CONFIG_APPLIED).unwrap().status, "True");
}

#[test]
fn an_agent_whose_last_accepted_keys_are_in_force_is_ready() {
    let mut gathered = company();
    settle(&mut gathered);
    let (owner, accepted) = (Arc::clone(&gathered.owner), gathered.live.config.clone().unwrap());
    let last_good = config_map::last_good(&owner, &GatewayNames::of("concierge"), &accepted);
    fixtures::keep(&mut gathered.live, last_good);
    reject(&mut gathered, "no such key");
    let of = |pod: &PodState| {
        let state = observed(&gathered, Some(pod), Some(&ConfigState::Applied));
        status(&gathered.joined[0], &GatewayLookup::On(&state), None, Vec::new(), now()).0
    };
    let well = of(&PodState::Ready);
    assert_eq!(summary_of(&well), words("True", "False", "False", "Ready"));
    for (kind, expected) in [(READY, "True"), (CONFIG_APPLIED, "False")] {
        let condition = find(&well.conditions, kind).unwrap();
        assert_eq!(condition.status, expected);
        let start = "The last accepted config remains in use, if any is still accepted. The gateway rejected spec.config of Agent \"writer\"";
        assert!(condition.message.starts_with(start), "{}", condition.message);
    }
    let starts = PodState::Waiting { reason: reason::STARTING, message: "starts".into() };
    assert_eq!(summary_of(&of(&starts)), words("Unknown", "True", "False", "Starting"));
}

#[test]
fn an_agent_whose_keys_belong_to_creel_by_now_is_ready_and_says_that_they_are_not_in_force() {
    let mut gathered = company();
    settle(&mut gathered);
    let owned = serde_json::json!({"model": "openai/gpt-5"});
    edit(&mut gathered, "writer", |agent| agent.spec.config = serde_json::from_value(owned).unwrap());
    let state = observed(&gathered, Some(&PodState::Ready), Some(&ConfigState::Applied));
    let writer = status(&gathered.joined[0], &GatewayLookup::On(&state), None, Vec::new(), now()).0;
    assert_eq!(summary_of(&writer), words("True", "False", "False", "Ready"));
    let condition = |kind| {
        let condition = find(&writer.conditions, kind).unwrap();
        (condition.status.as_str(), condition.reason.as_str(), condition.message.as_str())
    };
    let (status, reason, message) = condition(CONFIG_APPLIED);
    assert_eq!((status, reason), ("False", "LastGoodKept"));
    assert_eq!(condition(READY).2, message);
    assert!(message.starts_with("The last valid config remains in use: spec.config of Agent \"writer\""), "{message}");
    assert_eq!(condition(REFERENCES_RESOLVED).1, "ConfigKeyOwned");
}

#[test]
fn an_edit_whose_pod_the_api_server_rejects_stalls_the_agent_that_was_edited_and_nobody_else() {
    let mut gathered = company();
    settle(&mut gathered);
    let (ready, applied) = (PodState::Ready, ConfigState::Applied);
    let before = observed(&gathered, Some(&ready), Some(&applied));
    let told =
        |agent: &Agent, state: &GatewayState| status(agent, &GatewayLookup::On(state), None, Vec::new(), now()).0;
    let [mut owner, mut writer] = [&gathered.owner, &gathered.joined[0]].map(|agent| Agent::clone(agent));
    owner.status = Some(told(&owner, &before));
    writer.status = Some(told(&writer, &before));
    let well = words("True", "False", "False", "Ready");
    for held_back in [false, true] {
        let state = fixtures::observed_rejected(&gathered, held_back);
        for agent in [&owner, &writer] {
            let status = told(agent, &state);
            assert_eq!(summary_of(&status), well, "what was in force goes on");
            let gateway = find(&status.conditions, GATEWAY_READY).unwrap();
            assert_eq!((gateway.status.as_str(), gateway.reason.as_str()), ("True", "ReplacementRejected"));
        }
    }
    edit(&mut gathered, "concierge", |agent| agent.status.clone_from(&owner.status));
    edit(&mut gathered, "writer", |agent| agent.status.clone_from(&writer.status));
    let stalled = words("False", "False", "True", "ReplacementRejected");
    for (held_back, of_joined) in [(false, &well), (true, &stalled)] {
        let state = fixtures::observed_rejected(&gathered, held_back);
        let status = told(&gathered.owner, &state);
        assert_eq!(summary_of(&status), stalled);
        let message = &find(&status.conditions, STALLED).unwrap().message;
        let named = ["spec.gateway of Agent \"concierge\"", "no such class"];
        assert!(named.iter().all(|words| message.contains(words)), "{message}");
        assert_eq!(summary_of(&told(&gathered.joined[0], &state)), *of_joined);
    }
}
