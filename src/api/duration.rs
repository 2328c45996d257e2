//! Durations as users write them: `30m`, `1h30m`, `90s`. Pure.

use std::time::Duration;

/// The duration in the text; `None` for anything else that the schema let through.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
