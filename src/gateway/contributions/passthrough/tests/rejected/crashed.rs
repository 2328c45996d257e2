//! Gateways that do not start, and whose keys may be why.

use super::*;

const NO_WORDS: &str = "the gateway does not start with it and exits with code 1 without a message";

/// The gateway does not start with what is planned now, with these words, and has nothing to go back to.
fn fail(gathered: &mut Gathered, words: &str) -> ConfigRevision {
    settle(gathered);
    let revision =
        ConfigRevision::of_live(&gathered.live, &names()).unwrap().acquitted(&gathered.live, &names(), words);
    gathered.live.rejections = revision.rejections.clone();
    revision
}

#[test]
fn a_new_gateway_that_does_not_start_over_the_keys_of_one_agent_starts_without_it() {
    for words in [NO_WORDS, "Gateway failed to start: agents.entries.writer.params: no"] {
        let mut gathered = company();
        of_agent(&mut gathered, &json!({"params": 1}));
        assert!(fail(&mut gathered, words).ruling.is_none());
        let after = plan(&gathered);
        assert_eq!(
            document(&after)["agents"]["entries"].as_object().unwrap().keys().collect::<Vec<_>>(),
            ["concierge"]
        );
        assert_eq!(at_fault(&after), ["writer"]);
        start(&mut gathered);
        assert_eq!(at_fault(&plan(&gathered)), ["writer"]);
    }
}

#[test]
fn a_new_gateway_that_does_not_start_over_keys_of_two_is_searched_by_its_words_alone() {
    let mut gathered = company();
    of_agent(&mut gathered, &json!({"params": 1}));
    of_gateway(&mut gathered, &json!({"hooks": {"enabled": true}}));
    fail(&mut gathered, NO_WORDS);
    assert_eq!(gathered.live.rejections, Rejections::default(), "it is unknown whose keys these are");
    fail(&mut gathered, "Gateway failed to start: Error: hooks.allowedSessionKeyPrefixes is required");
    assert_eq!(at_fault(&plan(&gathered)), ["concierge"]);
}

#[test]
fn whom_the_words_of_a_crash_name_is_tried_out_once_and_not_again() {
    let words = "Gateway failed to start: Error: hooks.allowedSessionKeyPrefixes is required";
    let mut gathered = company();
    of_gateway(&mut gathered, &json!({"hooks": {"enabled": true}}));
    fail(&mut gathered, words);
    assert_eq!(at_fault(&plan(&gathered)), ["concierge"]);
    for _ in 0..3 {
        fail(&mut gathered, words);
        assert!(plan(&gathered).faults.is_empty(), "it does not start without these keys either");
    }
}

#[test]
fn a_guess_is_withdrawn_if_the_gateway_does_not_start_without_these_keys_either() {
    let mut gathered = company();
    of_agent(&mut gathered, &json!({"params": 1}));
    let before = plan(&gathered).config;
    fail(&mut gathered, NO_WORDS);
    assert_eq!(at_fault(&plan(&gathered)), ["writer"]);
    fail(&mut gathered, NO_WORDS);
    let after = plan(&gathered);
    assert_eq!((after.config, after.faults.len()), (before, 0));
    assert_eq!(after.rejections, gathered.live.rejections, "that it is innocent is remembered");
    fail(&mut gathered, NO_WORDS);
    assert!(plan(&gathered).faults.is_empty(), "and it is not guessed again");
    start(&mut gathered);
    assert_eq!(gathered.live.rejections, Rejections::default());
}

#[test]
fn a_guess_about_an_edit_is_withdrawn_if_the_gateway_does_not_apply_what_is_without_it() {
    let words = "the gateway read it and did not apply it; its log says why";
    let mut gathered = accepted();
    of_agent(&mut gathered, &json!({"thinkingDefault": "low"}));
    edit(&mut gathered, "concierge", |agent| agent.spec.model.primary.model = "gpt-4o".into());
    reject(&mut gathered, words);
    assert_eq!(at_fault(&plan(&gathered)), ["writer"]);
    assert!(reject(&mut gathered, words).ruling.is_none());
    let after = plan(&gathered);
    assert_eq!((at_fault(&after).len(), &writer(&after)["thinkingDefault"]), (0, &json!("low")));
    assert!(reject(&mut gathered, words).ruling.is_some(), "it is a matter of the whole configuration");
}

#[test]
fn what_words_say_is_not_withdrawn() {
    let mut gathered = accepted();
    of_agent(&mut gathered, &json!({"noSuchKey": 1}));
    reject(&mut gathered, OF_WRITER);
    assert!(reject(&mut gathered, "no").ruling.is_some());
    assert_eq!(at_fault(&plan(&gathered)), ["writer"]);
}

#[test]
fn a_crash_takes_no_keys_away_that_the_gateway_started_with_before_whatever_its_last_words_look_like() {
    let mut gathered = accepted();
    gathered.live.image = Some("newer".into());
    edit(&mut gathered, "concierge", |agent| {
        agent.spec.gateway.get_or_insert_default().image = Some("newer".into());
        agent.spec.model.primary.model = "gpt-4o".into();
    });
    settle(&mut gathered);
    let words = "the gateway does not start with it and exits with code 1: agents.entries.writer.thinkingDefault: no";
    let revision = ConfigRevision::of_live(&gathered.live, &names()).unwrap();
    let suspected = revision.rolled_back(&gathered.live, &names(), words, true);
    let acquitted = suspected.acquitted(&gathered.live, &names(), words);
    assert!(acquitted.ruling.is_some() && acquitted.is_desired());
    gathered.live.rejections = acquitted.rejections;
    let after = plan(&gathered);
    assert!(after.faults.is_empty() && writer(&after).get("thinkingDefault").is_some());
}

#[test]
fn a_gateway_that_does_not_start_with_the_accepted_keys_either_says_nothing_against_the_new_ones() {
    let mut gathered = accepted();
    of_agent(&mut gathered, &json!({"thinkingDefault": "low"}));
    settle(&mut gathered);
    let revision = ConfigRevision::of_live(&gathered.live, &names()).unwrap();
    let acquitted = revision.rolled_back(&gathered.live, &names(), NO_WORDS, true);
    let acquitted = acquitted.acquitted(&gathered.live, &names(), NO_WORDS);
    assert!(acquitted.is_desired() && acquitted.rejections == Rejections::default());
}
