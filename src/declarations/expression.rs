//! Cron expressions: read, and checked once for each. Pure: what was found is remembered, and depends on the arguments only.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};
use jiff::civil::Date;

use crate::kubernetes::conditions::reason;
use crate::references::digests::Fault;
use crate::references::time_zone;

/// What was found of schedules, each with the name of its CronJob, which the message names.
static CHECKED: LazyLock<Checked> = LazyLock::new(Checked::default);
/// Schedules of which it is remembered: more than one gateway runs, at some hundred bytes each.
const REMEMBERED: usize = 8_192;

/// In these years each of the fourteen kinds of years occurs: seven weekdays to begin with, leap years and others.
const ALL_KINDS_OF_YEARS: std::ops::Range<i16> = 2000..2028;
const WEEKDAYS: [Weekday; 7] = [
    Weekday::Sunday,
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
];

#[derive(Default)]
struct Checked(Mutex<HashMap<[String; 3], Result<(), Fault>>>);

impl Checked {
    fn of(&self, key: [&str; 3], check: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        let key = key.map(str::to_owned);
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&key) {
            return found.clone();
        }
        let found = check();
        let mut known = known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, found.clone());
        found
    }
}

/// The expression, if it can be read: five fields.
#[must_use]
pub fn parsed(expression: &str) -> Option<Cron> {
    parse(expression).ok()
}

fn parse(expression: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(expression).map_err(|error| error.to_string())
}

/// What is wrong with the schedule of the CronJob of this name.
pub fn check(name: &str, expression: &str, time_zone: &str) -> Result<(), Fault> {
    CHECKED.of([name, expression, time_zone], || {
        let fault = |reason, message| Err(Fault { reason, message, carried: false });
        if let Err(message) = time_zone::check(time_zone, &format!("spec.timeZone of CronJob \"{name}\"")) {
            return fault(reason::TIME_ZONE_NOT_FOUND, message);
        }
        let place = format!("(spec.schedule of CronJob \"{name}\")");
        match parse(expression) {
            Err(why) => {
                fault(reason::INVALID_SCHEDULE, format!("schedule \"{expression}\" cannot be parsed {place}: {why}"))
            }
            Ok(cron) if days_until_match(&cron).is_none() => fault(
                reason::NEVER_RUNS,
                format!("schedule \"{expression}\" names a time that never comes {place}: no month has such a day"),
            ),
            Ok(_) => Ok(()),
        }
    })
}

/// How many days had to be looked at until one matched; `None`: none ever does.
fn days_until_match(cron: &Cron) -> Option<usize> {
    let months = ALL_KINDS_OF_YEARS.flat_map(|year| (1..=12_i8).map(move |month| (year, month)));
    let is_named = |month: i8| cron.pattern.month_match(month.unsigned_abs().into()).unwrap_or(false);
    let named = months.filter(|(_, month)| is_named(*month));
    let days = named.flat_map(|(year, month)| (1..=31_i8).filter_map(move |day| Date::new(year, month, day).ok()));
    days.enumerate().find(|(_, day)| matches(cron, *day)).map(|(before, _)| before + 1)
}

fn matches(cron: &Cron, day: Date) -> bool {
    let weekday = WEEKDAYS.get(usize::from(day.weekday().to_sunday_zero_offset().unsigned_abs()));
    let [month, of_month] = [day.month(), day.day()].map(|number| u32::from(number.unsigned_abs()));
    let is_match = |weekday| cron.pattern.day_match(day.year().into(), month, of_month, weekday).unwrap_or(false);
    weekday.copied().is_some_and(is_match)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn days(expression: &str) -> Option<usize> {
        days_until_match(&parsed(expression).unwrap())
    }

    #[test]
    fn what_never_comes_is_found_out_after_few_days_and_what_comes_sooner() {
        for never in ["0 0 31 2,4,6,9,11 *", "0 0 30 2 *", "* * 31 4,6,9,11 *"] {
            assert_eq!(days(never), None, "{never}");
        }
        // A leap day on each weekday, the rarest of days, within 28 Februaries.
        for weekday in 0..7 {
            let looked_at = days(&format!("0 0 29 2 +{weekday}")).unwrap();
            assert!(looked_at <= 28 * 29, "{weekday}: {looked_at}");
        }
        for often in ["0 4 * * *", "0 0 L * *", "0 0 * * 5#5", "0 0 15W * *", "0 0 31 2 1"] {
            assert!(days(often).unwrap() <= 366, "{often}");
        }
    }

    #[test]
    fn the_longest_search_ends_after_28_years() {
        let worst = "59 23 31 2,4,6,9,11 *";
        let cron = parsed(worst).unwrap();
        let months = (1..=12).filter(|month| cron.pattern.month_match(*month).unwrap()).count();
        assert!(days(worst).is_none() && months * 31 * 28 < 5_000);
    }

    #[test]
    fn a_schedule_is_checked_once_and_memory_has_a_bound() {
        let (checked, mut checks) = (Checked::default(), 0);
        for _ in 0..3 {
            let found = checked.of(["notes", "0 4 * * *", "UTC"], || {
                checks += 1;
                Ok(())
            });
            assert!(found.is_ok());
        }
        assert_eq!(checks, 1);
        for number in 0..3 * REMEMBERED {
            checked.of(["notes", &number.to_string(), "UTC"], || Ok(())).unwrap();
        }
        assert!(checked.0.lock().unwrap().len() <= REMEMBERED);
    }
}
