//! Keys whose Secret has changed since the Pod that reads them was started.

use super::*;
use crate::gateway::build::build;
use crate::gateway::fixtures::settings;
use crate::gateway::rollout::Decision;
use crate::naming::GatewayNames;

const WORDS: &str = "plugins.entries.brave: Unrecognized key: \"noSuchKey\"";

/// A gateway with keys of its owner that read a Secret, which has another value by now, and that cannot get another Pod.
fn outrun() -> Gathered {
    let mut gathered = company();
    secret(&mut gathered, "search", &[("brave", "one")]);
    of_gateway(&mut gathered, &search());
    settle(&mut gathered);
    secret(&mut gathered, "search", &[("brave", "two")]);
    gathered
}

/// The gateway rejects what is mounted in the Pod that runs.
fn reject(gathered: &mut Gathered) {
    let names = GatewayNames::of("concierge");
    let desired = build(gathered, &plan(gathered), &Decision::UpdateConfigOnly, &settings());
    let revision = desired.config.unwrap().revision.rolled_back(&gathered.live, &names, WORDS, false);
    gathered.live.rejections = revision.rejections;
}

#[test]
fn keys_that_the_pod_with_the_earlier_value_rejects_are_not_mounted_again() {
    let mut gathered = outrun();
    let mut wrong = search();
    wrong["plugins"]["entries"]["brave"]["noSuchKey"] = json!(1);
    of_gateway(&mut gathered, &wrong);
    assert!(plan(&gathered).faults.is_empty());
    reject(&mut gathered);
    let after = plan(&gathered);
    assert_eq!(after.faults["concierge"].reason, reason::REJECTED);
    assert_eq!(after.rejections, gathered.live.rejections);
    secret(&mut gathered, "search", &[("brave", "three")]);
    assert!(plan(&gathered).faults.is_empty(), "another value");
}

#[test]
fn keys_that_were_accepted_and_that_the_pod_with_the_earlier_value_rejects_do_not_stand_in() {
    let mut gathered = outrun();
    reject(&mut gathered);
    let after = plan(&gathered);
    assert_eq!(after.faults["concierge"].reason, reason::REJECTED);
    assert!(document(&after).get("plugins").is_none_or(|plugins| plugins["entries"].get("brave").is_none()));
}
