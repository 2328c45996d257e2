//! Keys that the gateway rejects: those of one user stand in nobody else's way.

mod crashed;

use std::sync::Arc;

use super::*;
use crate::gateway::build::config_map;
use crate::gateway::fixtures::keep;
use crate::gateway::rejections::Rejections;
use crate::gateway::revision::ConfigRevision;
use crate::naming::GatewayNames;

const OF_WRITER: &str = "agents.entries.writer: Unrecognized key: \"noSuchKey\"";

fn names() -> GatewayNames {
    GatewayNames::of("concierge")
}

/// The gateway runs what is planned now, and that is saved.
fn accept(gathered: &mut Gathered) {
    settle(gathered);
    let accepted = Arc::clone(gathered.live.config.as_ref().unwrap());
    keep(&mut gathered.live, config_map::last_good(&gathered.owner, &names(), &accepted));
}

/// A gateway that has accepted a key of its owner and one of `writer`.
fn accepted() -> Gathered {
    let mut gathered = company();
    of_gateway(&mut gathered, &json!({"messages": {"responsePrefix": "auto"}}));
    of_agent(&mut gathered, &json!({"thinkingDefault": "high"}));
    accept(&mut gathered);
    gathered
}

/// The gateway rejects what is planned now with these words. The cache still shows that configuration.
fn reject(gathered: &mut Gathered, words: &str) -> ConfigRevision {
    settle(gathered);
    let revision = ConfigRevision::of_live(&gathered.live, &names()).unwrap();
    let revision = revision.rolled_back(&gathered.live, &names(), words, false);
    gathered.live.rejections = revision.rejections.clone();
    revision
}

/// The gateway starts with what is planned now.
fn start(gathered: &mut Gathered) {
    accept(gathered);
    gathered.live.rejections = gathered.live.rejections.confirmed();
}

fn at_fault(plan: &Plan) -> Vec<&str> {
    plan.faults.keys().map(String::as_str).collect()
}

#[test]
fn the_last_accepted_keys_stand_in_and_edits_of_others_go_on() {
    let mut gathered = accepted();
    let before = hash(&plan(&gathered));
    of_agent(&mut gathered, &json!({"noSuchKey": 1}));
    edit(&mut gathered, "concierge", |agent| agent.spec.model.primary.model = "gpt-4o".into());
    let rolled_back = reject(&mut gathered, OF_WRITER);
    assert!(rolled_back.ruling.is_none());
    assert_eq!(rolled_back.current, gathered.live.last_good(&names()).unwrap());

    let after = plan(&gathered);
    let writer = writer(&after);
    assert_eq!((&writer["thinkingDefault"], writer.get("noSuchKey")), (&json!("high"), None));
    assert_eq!(document(&after)["agents"]["entries"]["concierge"]["model"]["primary"], "p-openai/gpt-4o");
    assert_eq!((hash(&after), at_fault(&after)), (before, vec!["writer"]));
    let fault = &after.faults["writer"];
    assert_eq!((fault.reason, fault.kept.as_slice()), (reason::REJECTED, ["config"].as_slice()));
    let message =
        format!("The gateway rejected spec.config of Agent \"writer\"; correct or remove what it names: {OF_WRITER}");
    assert_eq!(fault.message, message);
}

#[test]
fn two_at_fault_are_found_one_after_the_other() {
    let mut gathered = accepted();
    of_agent(&mut gathered, &json!({"noSuchKey": 1}));
    of_gateway(&mut gathered, &json!({"messages": {"noSuchKey": 1}}));
    let of_gateway = "messages: Unrecognized key: \"noSuchKey\"";
    reject(&mut gathered, &format!("{OF_WRITER}; {of_gateway}"));
    assert_eq!(at_fault(&plan(&gathered)), ["writer"]);
    reject(&mut gathered, of_gateway);
    let after = plan(&gathered);
    assert_eq!(at_fault(&after), ["concierge", "writer"]);
    assert!(
        after.faults["writer"].message.ends_with(OF_WRITER) && after.faults["concierge"].message.ends_with(of_gateway)
    );
    assert_eq!(after.faults["concierge"].kept, ["gateway.config"]);
    assert_eq!(after.config.unwrap(), gathered.live.last_good(&names()).unwrap());
}

#[test]
fn keys_are_asked_again_once_their_author_changes_them() {
    let mut gathered = accepted();
    of_agent(&mut gathered, &json!({"noSuchKey": 1}));
    reject(&mut gathered, OF_WRITER);
    edit(&mut gathered, "concierge", |agent| agent.spec.model.primary.model = "gpt-4o".into());
    assert_eq!(plan(&gathered).rejections, gathered.live.rejections, "an edit of another Agent changes nothing");
    of_agent(&mut gathered, &json!({"thinkingDefault": "low"}));
    let mended = plan(&gathered);
    assert_eq!((writer(&mended)["thinkingDefault"].clone(), at_fault(&mended).len()), (json!("low"), 0));
    assert_eq!(mended.rejections, Rejections::default());
}

#[test]
fn a_new_agent_whose_keys_are_rejected_is_left_out() {
    let mut gathered = accepted();
    let mut novice = Agent::clone(&gathered.joined[0]);
    novice.metadata.name = Some("novice".to_owned());
    novice.spec.config = serde_json::from_value(json!({"noSuchKey": 1})).unwrap();
    gathered.joined.push(Arc::new(novice));
    reject(&mut gathered, "agents.entries.novice: Unrecognized key: \"noSuchKey\"");
    let after = plan(&gathered);
    assert_eq!(at_fault(&after), ["novice"]);
    assert!(!after.faults["novice"].last_good_kept());
    assert_eq!(after.config.unwrap(), gathered.live.last_good(&names()).unwrap());
}

#[test]
fn a_gateway_that_has_accepted_nothing_yet_starts_without_the_agent_at_fault() {
    let mut gathered = company();
    of_agent(&mut gathered, &json!({"noSuchKey": 1}));
    let rolled_back = reject(&mut gathered, OF_WRITER);
    assert!(rolled_back.is_desired() && rolled_back.ruling.is_none());
    let after = plan(&gathered);
    assert_eq!(document(&after)["agents"]["entries"].as_object().unwrap().keys().collect::<Vec<_>>(), ["concierge"]);
}

#[test]
fn the_pod_goes_back_with_the_keys_of_the_gateway() {
    let mut gathered = accepted();
    let before = hash(&plan(&gathered));
    of_gateway(&mut gathered, &json!({"browser": {"noSuchKey": 1}}));
    assert_ne!(hash(&plan(&gathered)), before);
    reject(&mut gathered, "browser: Unrecognized key: \"noSuchKey\"");
    let after = plan(&gathered);
    assert_eq!((hash(&after), at_fault(&after)), (before, vec!["concierge"]));
    assert_eq!(document(&after)["messages"]["responsePrefix"], "auto");
}

#[test]
fn without_words_the_only_one_who_changed_keys_is_at_fault() {
    let words = "the gateway read it and did not apply it; its log says why";
    let mut gathered = accepted();
    of_gateway(&mut gathered, &json!({"hooks": {"enabled": true}}));
    edit(&mut gathered, "writer", |agent| agent.spec.model.primary.model = "deepseek-v3".into());
    assert!(reject(&mut gathered, words).ruling.is_none());
    assert_eq!(at_fault(&plan(&gathered)), ["concierge"]);

    let mut gathered = accepted();
    of_gateway(&mut gathered, &json!({"hooks": {"enabled": true}}));
    of_agent(&mut gathered, &json!({"thinkingDefault": "low"}));
    let rolled_back = reject(&mut gathered, words);
    assert!(rolled_back.ruling.is_some(), "it is unknown whose keys these are");
    assert_eq!(rolled_back.rejections, Rejections::default());
}

#[test]
fn what_no_user_wrote_is_a_matter_of_the_whole_configuration() {
    let mut gathered = accepted();
    edit(&mut gathered, "concierge", |agent| agent.spec.model.primary.model = "gpt-4o".into());
    assert!(reject(&mut gathered, OF_WRITER).ruling.is_some(), "these keys are accepted");
    of_agent(&mut gathered, &json!({"thinkingDefault": "low"}));
    assert!(reject(&mut gathered, "models.providers.p-openai.baseUrl: Invalid url").ruling.is_some());
}

#[test]
fn whoever_is_to_blame_for_a_start_that_fails_is_known_once_the_last_good_configuration_starts() {
    let words = "the gateway does not start with it and exits with code 1: Gateway failed to start: Error: \
                 hooks.allowedSessionKeyPrefixes is required";
    let mut gathered = accepted();
    of_gateway(&mut gathered, &json!({"hooks": {"enabled": true}}));
    settle(&mut gathered);
    let revision = ConfigRevision::of_live(&gathered.live, &names()).unwrap();
    let suspected = revision.rolled_back(&gathered.live, &names(), words, true);
    assert!(suspected.rejection().unwrap().failed_start && suspected.rejections == Rejections::default());
    let convicted = suspected.convicted(&gathered.live, &names());
    assert!(convicted.ruling.is_none());
    gathered.live.rejections = convicted.rejections;
    assert_eq!(at_fault(&plan(&gathered)), ["concierge"]);
}

#[test]
fn the_next_process_of_the_operator_finds_them_at_the_mounted_configuration() {
    let mut gathered = accepted();
    of_agent(&mut gathered, &json!({"noSuchKey": 1}));
    let rolled_back = reject(&mut gathered, OF_WRITER);
    let map = config_map::mounted(&gathered.owner, &names(), &rolled_back);
    assert_eq!(Rejections::read_back(&map.metadata.annotations.unwrap()), rolled_back.rejections);
}

/// What is left once somebody deleted the Deployment.
fn without_deployment(gathered: &mut Gathered) {
    let live = &mut gathered.live;
    (live.deployment, live.config, live.environment) = (None, None, Vec::new());
    (live.digests, live.parts) = Default::default();
}

#[test]
fn they_stand_in_also_if_the_deployment_or_the_accepted_configuration_is_deleted() {
    let mut rejected = accepted();
    of_agent(&mut rejected, &json!({"noSuchKey": 1}));
    reject(&mut rejected, OF_WRITER);
    settle(&mut rejected);
    let kept = plan(&rejected);
    let deletions: [fn(&mut Gathered); 2] = [without_deployment, |gathered| {
        gathered.live.config_maps.remove(&names().accepted);
    }];
    for delete in deletions {
        let mut gathered = Gathered { live: rejected.live.clone(), ..accepted() };
        of_agent(&mut gathered, &json!({"noSuchKey": 1}));
        delete(&mut gathered);
        let after = plan(&gathered);
        assert_eq!((&after.config, at_fault(&after)), (&kept.config, vec!["writer"]));
        assert_eq!(after.rejections, rejected.live.rejections, "they are not tried again");
    }
}

#[test]
fn a_secret_that_the_present_keys_name_too_is_known_without_the_deployment() {
    let remote =
        |more: Value| json!({"memory": {"search": {"remote": {"apiKey": reference("search", "brave")}}}, "more": more});
    let mut gathered = company();
    secret(&mut gathered, "search", &[("brave", "k")]);
    of_agent(&mut gathered, &remote(Value::Null));
    accept(&mut gathered);
    let accepted = writer(&plan(&gathered));
    of_agent(&mut gathered, &remote(json!(1)));
    reject(&mut gathered, "agents.entries.writer.more: Invalid input");
    without_deployment(&mut gathered);
    assert_eq!(writer(&plan(&gathered)), accepted);
}

#[test]
fn keys_that_another_image_rejects_are_left_out_and_the_agent_stays() {
    let mut gathered = accepted();
    gathered.live.image = Some("newer".into());
    of_gateway(&mut gathered, &json!({"messages": {"responsePrefix": "auto"}}));
    edit(&mut gathered, "concierge", |agent| {
        agent.spec.gateway.get_or_insert_default().image = Some("newer".into());
    });
    let rolled_back = reject(&mut gathered, "agents.entries.writer.thinkingDefault: Invalid input");
    assert!(rolled_back.ruling.is_none());
    let after = plan(&gathered);
    assert_eq!((at_fault(&after), writer(&after).get("thinkingDefault")), (vec!["writer"], None));
    assert_eq!(document(&after)["messages"]["responsePrefix"], "auto");
    reject(&mut gathered, "messages.responsePrefix: Invalid input");
    let after = plan(&gathered);
    assert_eq!(
        (at_fault(&after), document(&after)["messages"].get("responsePrefix")),
        (vec!["concierge", "writer"], None)
    );
    start(&mut gathered);
    assert_eq!(plan(&gathered).config, after.config);
}

#[test]
fn a_value_of_a_secret_that_the_gateway_rejects_takes_only_its_keys_away_until_it_changes() {
    let mut gathered = company();
    secret(&mut gathered, "search", &[("brave", "good")]);
    of_agent(&mut gathered, &json!({"params": {"text": reference("search", "brave")}}));
    accept(&mut gathered);
    secret(&mut gathered, "search", &[("brave", "bad")]);
    reject(&mut gathered, "agents.entries.writer.params.text: Invalid input");
    let after = plan(&gathered);
    assert_eq!((at_fault(&after), writer(&after).get("params")), (vec!["writer"], None));
    start(&mut gathered);
    assert_eq!(at_fault(&plan(&gathered)), ["writer"]);
    secret(&mut gathered, "search", &[("brave", "mended")]);
    let mended = plan(&gathered);
    assert!(mended.faults.is_empty() && writer(&mended).get("params").is_some());
}

#[test]
fn the_last_accepted_keys_stay_with_the_secret_that_the_bad_edit_switched_away_from() {
    let remote = |secret: &str| json!({"memory": {"search": {"remote": {"apiKey": reference(secret, "brave")}}}});
    let mut gathered = company();
    secret(&mut gathered, "search", &[("brave", "k")]);
    secret(&mut gathered, "other", &[("brave", "k")]);
    of_agent(&mut gathered, &remote("search"));
    accept(&mut gathered);
    let before = writer(&plan(&gathered));
    let mut edited = remote("other");
    edited["noSuchKey"] = json!(1);
    of_agent(&mut gathered, &edited);
    assert!(plan(&gathered).faults.is_empty());
    reject(&mut gathered, OF_WRITER);
    let (running, after) = (gathered.live.annotation(crate::naming::PLAN).unwrap().to_owned(), plan(&gathered));
    assert_eq!((writer(&after), at_fault(&after)), (before, vec!["writer"]));
    assert_eq!(hash(&after), running, "the Pod has both, and is not replaced once more");

    of_agent(&mut gathered, &remote("other"));
    accept(&mut gathered);
    assert_eq!(hash(&plan(&gathered)), running);
    edit(&mut gathered, "concierge", |agent| {
        agent.metadata.annotations = Some([(crate::naming::RESTART.to_owned(), "1".to_owned())].into());
    });
    let names: Vec<_> = plan(&gathered).pod.unwrap().config_env.into_iter().map(|variable| variable.secret).collect();
    assert_eq!(names, ["other"], "what is no longer needed goes with the next Pod");
}
