use super::*;

fn key() -> ChildKey {
    ChildKey { kind: "Service".into(), namespace: "a".into(), name: "b".into() }
}

#[allow(clippy::unnecessary_wraps)]
fn shown(own: u64) -> Option<Shown> {
    Some(Shown { uid: "u".into(), own: Some(own), content: 0, confinement: 0 })
}

fn ledger(before: Option<Shown>, now: Instant) -> Ledger {
    let ledger = Ledger::default();
    ledger.applied(key(), "owner", 7, Shown { uid: "u".into(), own: Some(1), content: 0, confinement: 0 }, before, now);
    ledger
}

#[test]
fn nothing_is_sent_while_everything_is_as_we_left_it() {
    let now = Instant::now();
    let ledger = ledger(None, now);
    assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
    assert!(ledger.is_due(&key(), 8, shown(1).as_ref(), now), "another desire");
    assert!(ledger.is_due(&key(), 7, shown(2).as_ref(), now), "a foreign edit of our fields");
}

#[test]
fn an_edit_in_our_name_is_undone() {
    let now = Instant::now();
    let ledger = ledger(None, now);
    assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
    let edited = Shown { uid: "u".into(), own: Some(1), content: 1, confinement: 0 };
    assert!(ledger.is_due(&key(), 7, Some(&edited), now));
    assert!(ledger.was_edited(&key(), &edited, now));
    assert!(shown(1).is_some_and(|unedited| !ledger.was_edited(&key(), &unedited, now)));
}

#[test]
fn a_late_cache_is_believed_for_thirty_seconds_only() {
    let now = Instant::now();
    let ledger = ledger(shown(9), now);
    assert!(!ledger.is_due(&key(), 7, shown(9).as_ref(), now + Duration::from_secs(29)));
    assert!(ledger.is_due(&key(), 7, shown(9).as_ref(), now + CACHE_LAG));
}

#[test]
fn a_child_deleted_after_the_cache_had_shown_it_is_made_again_at_once() {
    let now = Instant::now();
    let ledger = ledger(None, now);
    assert!(!ledger.is_due(&key(), 7, None, now), "not in the cache yet");
    assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
    assert!(ledger.is_due(&key(), 7, None, now));
}

#[test]
fn an_owner_is_looked_at_again_until_the_cache_has_shown_all_of_its_children() {
    let now = Instant::now();
    let ledger = ledger(None, now);
    let left = ledger.unseen_for("owner", now + Duration::from_secs(10)).map(|left| left + Duration::from_secs(10));
    assert_eq!(left, Some(CACHE_LAG));
    assert_eq!(ledger.unseen_for("other", now), None);
    // Deleted by hand before the cache was looked at: it shows what it showed before the apply.
    assert!(!ledger.is_due(&key(), 7, None, now + Duration::from_secs(10)));
    assert!(ledger.unseen_for("owner", now + Duration::from_secs(10)).is_some());
    assert!(ledger.is_due(&key(), 7, None, now + CACHE_LAG));
    assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
    assert_eq!(ledger.unseen_for("owner", now), None);
}

#[test]
fn a_cache_that_shows_one_apply_after_the_other_shows_no_edit() {
    let now = Instant::now();
    let ledger = ledger(shown(9), now);
    let second = Shown { uid: "u".into(), own: Some(2), content: 0, confinement: 0 };
    ledger.applied(key(), "owner", 8, second, shown(9), now);
    for late in [9, 1] {
        assert!(!ledger.is_due(&key(), 8, shown(late).as_ref(), now), "{late}");
    }
    assert!(ledger.is_due(&key(), 8, shown(3).as_ref(), now));
    assert!(!ledger.is_due(&key(), 8, shown(2).as_ref(), now));
    assert!(ledger.is_due(&key(), 8, shown(1).as_ref(), now), "an edit that takes back what the cache has shown");
}

fn edit(version: u32) -> Edit {
    Edit { manager: Some("reloader".to_owned()), version: Some(version.to_string()) }
}

#[test]
fn the_repair_of_a_disputed_child_waits_unless_pods_are_less_confined_or_its_owner_wants_another() {
    let now = Instant::now();
    let ledger = ledger(None, now);
    assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
    let due = |desired, confinement, may_wait| {
        let edited = Shown { uid: "u".into(), own: Some(2), content: 0, confinement };
        let change = Change { edit: &edit(3), intruded: false, may_wait, confines: false };
        ledger.due((&key(), "owner"), desired, Some(&edited), change, now)
    };
    for version in 0..3 {
        assert_eq!(due(7, 0, true), Due::Repair { confines: false });
        ledger.repaired((key(), false), "owner", edit(version), now);
    }
    assert_eq!(due(7, 0, true), Due::Disputed);
    assert_eq!(due(7, 1, true), Due::Repair { confines: true }, "an edit of what confines Pods");
    assert_eq!(due(7, 0, false), Due::Repair { confines: false }, "a child that does not wait");
    assert_eq!(due(8, 0, true), Due::Repair { confines: false }, "another desire");
    let told = ledger.disputed("owner", now);
    assert_eq!(told, Some(Disputed { child: key(), manager: Some("reloader".to_owned()), confines: false }));
    assert_eq!(ledger.disputed("other", now), None);
    ledger.forget_owner("owner");
    assert_eq!(ledger.disputed("owner", now), None);
}

#[test]
fn what_confines_pods_is_put_back_at_once_while_there_are_any_and_then_ever_more_slowly() {
    let now = Instant::now();
    let ledger = ledger(None, now);
    assert!(!ledger.is_due(&key(), 7, shown(1).as_ref(), now));
    let due = |version: u32| {
        let change = Change { edit: &edit(version), intruded: false, may_wait: true, confines: true };
        ledger.due((&key(), "owner"), 7, shown(2).as_ref(), change, now)
    };
    for version in 0..6 {
        assert_eq!(due(version), Due::Repair { confines: true });
        ledger.repaired((key(), true), "owner", edit(version), now);
        let told = ledger.disputed("owner", now).is_some_and(|told| told.confines);
        assert_eq!(told, version >= 3, "{version}");
    }
    ledger.is_at("owner", Some(1), true);
    assert_eq!(due(6), Due::Disputed);
    ledger.is_at("owner", Some(1), false);
    assert_eq!(due(6), Due::Repair { confines: true });
    ledger.is_at("owner", Some(2), false);
    assert_eq!(ledger.disputed("owner", now), None, "an edit of the owner");
}
