//! Durations as users write them: `30m`, `1h30m`, `90s`. Pure.
//!
//! CEL reads units in any order and any number; we read each of them once at most, from the largest to the smallest. The patterns of the
//! schema say so.

use std::time::Duration;

/// The duration in the text; `None` for anything else that the schema let through.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::string::string_regex;
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::api::CRD_FILES;

    /// The pattern of every field of the CRDs that is a duration.
    fn patterns() -> BTreeSet<String> {
        let crds = CRD_FILES.map(|(_, crd)| serde_json::to_string(&crd()).unwrap()).concat();
        let rules = crds.split("\"rule\":\"").skip(1).filter_map(|rest| rest.split('"').next());
        let durations = rules.filter(|rule| rule.contains("duration(self)"));
        durations.map(|rule| rule.split('\'').nth(1).unwrap().to_owned()).collect()
    }

    #[test]
    fn every_duration_that_the_schema_accepts_is_read() {
        assert!(!patterns().is_empty());
        for pattern in patterns() {
            let accepted = string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap();
            // The schema of each field asks for two characters.
            let accepted = accepted.prop_filter("too short", |text| text.len() >= 2);
            TestRunner::default()
                .run(&accepted, |text| {
                    prop_assert!(parse(&text).is_some(), "{text} is accepted and not read");
                    Ok(())
                })
                .unwrap();
        }
    }

    #[test]
    fn a_duration_is_read_as_kubernetes_reads_it() {
        assert_eq!(parse("30m"), Some(Duration::from_mins(30)));
        assert_eq!(parse("1h30m"), Some(Duration::from_mins(90)));
        assert_eq!(parse("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("8760h"), Some(Duration::from_hours(8760)));
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-5m"), None);
    }
}
