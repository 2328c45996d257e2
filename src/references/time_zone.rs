//! Time zones by their IANA names, for what runs at the gateway. Pure: the database is part of the program, as the operator's image holds no other.
//!
//! The gateway itself says nothing of a zone that it does not know: for a heartbeat's hours it takes its own instead.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase, TimeZoneName};

use super::suggest;

/// The zone of whoever names none.
pub const DEFAULT: &str = "Etc/UTC";

/// A name of the database for places whose zone nobody has set yet. The gateway does not know it.
const NO_ZONE: &str = "Factory";

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of this name, or why there is none. `place` is the field and its object: `spec.timeZone of CronJob "notes"`.
pub fn check(name: &str, place: &str) -> Result<TimeZone, String> {
    if !name.eq_ignore_ascii_case(NO_ZONE)
        && let Ok(zone) = DATABASE.get(name)
    {
        return Ok(zone);
    }
    let known: Vec<_> = DATABASE.available().filter(|known| known.as_str() != NO_ZONE).collect();
    let meant = suggest::suggestion(name, known.iter().map(TimeZoneName::as_str));
    Err(format!("Time zone \"{name}\" does not exist ({place}){meant}: use an IANA name, for example \"Europe/Paris\""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PLACE: &str = "spec.timeZone of CronJob \"notes\"";

    #[test]
    fn a_zone_is_found_by_its_name_in_any_case() {
        for name in [DEFAULT, "UTC", "Europe/Paris", "europe/paris", "America/Argentina/Buenos_Aires", "Europe/Kyiv"] {
            assert!(check(name, PLACE).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_zone_that_does_not_exist_is_named_with_the_one_that_was_probably_meant() {
        assert_eq!(
            check("Europe/Pari", PLACE).unwrap_err(),
            "Time zone \"Europe/Pari\" does not exist (spec.timeZone of CronJob \"notes\") (did you mean \"Europe/Paris\"?): \
             use an IANA name, for example \"Europe/Paris\""
        );
    }

    #[test]
    fn what_the_gateway_would_not_know_is_no_zone() {
        for name in ["Factory", "local", "user", "GMT+2", "../etc/passwd", " Europe/Paris", ""] {
            assert!(check(name, PLACE).is_err(), "{name}");
        }
    }
}
