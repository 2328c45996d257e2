use serde_json::json;

use super::*;
use crate::gateway::build::config_map;
use crate::gateway::fixtures::{company, keep, settle};
use crate::gateway::gather::Gathered;

fn names() -> GatewayNames {
    GatewayNames::of("concierge")
}

fn document(text: &str) -> Arc<ConfigDocument> {
    Arc::new(ConfigDocument::new(json!(text)))
}

/// A gateway whose last good configuration is `good`, and that rejected `bad`.
fn rejected() -> Gathered {
    let mut gathered = company();
    settle(&mut gathered);
    keep(&mut gathered.live, config_map::last_good(&gathered.owner, &names(), &document("good")));
    let revision = ConfigRevision::of_live(&gathered.live, &names()).unwrap();
    let revision = ConfigRevision { desired: Some(document("bad")), ..revision };
    let revision = revision.rolled_back(&gathered.live, &names(), "no such key", false);
    assert_eq!((&revision.current, revision.is_desired()), (&document("good"), false));
    keep(&mut gathered.live, config_map::mounted(&gathered.owner, &names(), &revision));
    gathered
}

/// What the Pod mounts if this is desired, for an image.
fn select(gathered: &Gathered, desired: &str, image: &str) -> ConfigRevision {
    let plan = gathered.live.annotation(naming::PLAN).unwrap();
    ConfigRevision::select(&gathered.live, &names(), plan, image, document(desired))
}

fn image(gathered: &Gathered) -> String {
    gathered.live.image.clone().unwrap()
}

#[test]
fn the_last_good_configuration_stands_in_for_the_one_that_was_rejected_and_for_no_other() {
    let gathered = rejected();
    let bad = select(&gathered, "bad", &image(&gathered));
    assert_eq!(bad.current, document("good"));
    assert_eq!(bad.rejection().unwrap().message, "no such key");
    let next = select(&gathered, "next", &image(&gathered));
    assert!(next.is_desired() && next.ruling.is_none());
}

#[test]
fn another_image_gets_the_configuration_that_this_one_rejected() {
    let gathered = rejected();
    assert!(select(&gathered, "bad", "another").is_desired());
}

#[test]
fn without_a_last_good_configuration_the_rejected_one_stays() {
    let mut gathered = rejected();
    gathered.live.config_maps.remove(&names().accepted);
    let bad = select(&gathered, "bad", &image(&gathered));
    assert!(bad.is_desired() && bad.rejection().is_some());
}

#[test]
fn a_cache_that_is_late_does_not_bring_back_what_was_rolled_back() {
    let mut gathered = company();
    settle(&mut gathered);
    keep(&mut gathered.live, config_map::last_good(&gathered.owner, &names(), &document("good")));
    let bad = select(&gathered, "bad", &image(&gathered));
    gathered.live.ruling = bad.rolled_back(&gathered.live, &names(), "no such key", false).ruling;
    let again = select(&gathered, "bad", &image(&gathered));
    assert_eq!((again.current, again.ruling), (document("good"), gathered.live.ruling.clone()));
    gathered.live.config = Some(document("bad"));
    let live = ConfigRevision::of_live(&gathered.live, &names()).unwrap();
    assert_eq!((live.current, live.desired), (document("good"), Some(document("bad"))));
    assert!(select(&gathered, "next", &image(&gathered)).is_desired());
}

#[test]
fn the_last_good_configuration_that_a_pod_mounts_is_not_the_desired_one() {
    let mut gathered = rejected();
    gathered.live.config = Some(document("good"));
    let live = ConfigRevision::of_live(&gathered.live, &names()).unwrap();
    assert!(!live.is_desired() && live.rejection().is_some());
    let again = live.rolled_back(&gathered.live, &names(), "this one too", false);
    assert_eq!(again.rejection().unwrap().hash, live.rejection().unwrap().hash);
}

#[test]
fn a_configuration_that_is_not_to_blame_after_all_is_mounted_again() {
    let gathered = rejected();
    let acquitted = select(&gathered, "bad", &image(&gathered)).acquitted(&gathered.live, &names(), "no");
    assert!(acquitted.is_desired() && acquitted.rejection().is_none());
    assert_eq!(acquitted.current, document("bad"));
}

#[test]
fn a_cache_that_is_late_does_not_undo_an_acquittal() {
    let mut gathered = rejected();
    let acquitted = select(&gathered, "bad", &image(&gathered)).acquitted(&gathered.live, &names(), "no");
    gathered.live.ruling.clone_from(&acquitted.ruling);
    assert_eq!(select(&gathered, "bad", &image(&gathered)), acquitted);
    let live = ConfigRevision::of_live(&gathered.live, &names()).unwrap();
    assert!(live.rejection().is_none());
}

#[test]
fn the_next_process_of_the_operator_knows_what_was_suspected_and_what_was_acquitted() {
    let mut gathered = rejected();
    let bad = select(&gathered, "bad", &image(&gathered));
    let suspected = bad.rolled_back(&gathered.live, &names(), "code 1", true);
    for ruled in [suspected.clone(), suspected.acquitted(&gathered.live, &names(), "no")] {
        keep(&mut gathered.live, config_map::mounted(&gathered.owner, &names(), &ruled));
        assert_eq!(select(&gathered, "bad", &image(&gathered)), ruled);
    }
}

#[test]
fn what_an_earlier_version_of_the_operator_rolled_back_stays_so() {
    let mut gathered = rejected();
    let bad = select(&gathered, "bad", &image(&gathered));
    let mut map = config_map::mounted(&gathered.owner, &names(), &bad);
    let annotations = map.annotations_mut();
    for (now, earlier) in [(REJECTED_HASH, REFUSED_HASH), (REJECTED_MESSAGE, REFUSED_MESSAGE)] {
        let value = annotations.remove(now).unwrap();
        annotations.insert(earlier.to_owned(), value);
    }
    keep(&mut gathered.live, map);
    assert_eq!(select(&gathered, "bad", &image(&gathered)), bad);
}

#[test]
fn a_rejection_is_certain_once_the_gateway_runs_the_last_good_configuration() {
    let gathered = rejected();
    let suspected = select(&gathered, "bad", &image(&gathered)).rolled_back(&gathered.live, &names(), "code 1", true);
    let convicted = suspected.convicted(&gathered.live, &names());
    assert!(!convicted.rejection().unwrap().failed_start && !convicted.is_desired());
    assert_eq!(convicted.rejection().unwrap().hash, suspected.rejection().unwrap().hash);
}

#[test]
fn a_long_message_is_cut() {
    let live = rejected().live;
    let revision = ConfigRevision::of_live(&live, &names()).unwrap();
    let rolled_back = revision.rolled_back(&live, &names(), &"ä".repeat(5_000), false);
    assert_eq!(rolled_back.rejection().unwrap().message.chars().count(), MESSAGE_LIMIT);
}
