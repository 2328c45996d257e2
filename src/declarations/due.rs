//! When a CronJob is due, by its schedule alone. Pure: `now` is an argument.

use jiff::{SignedDuration, Timestamp};

use super::expression::parsed;
use super::schedule::schedule;
use crate::api::CronJob;
use crate::openclaw::cron::declaration::Schedule;
use crate::references::time_zone;

/// Runs that are counted at most.
const MOST: usize = 100;

/// Runs that were due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub newest: Timestamp,
    /// At most 100.
    pub count: usize,
}

/// When it is due next after this time; `None`: never, or its schedule can't be read.
#[must_use]
pub fn next(job: &CronJob, now: Timestamp) -> Option<Timestamp> {
    match schedule(job, now).ok()? {
        Schedule::At(at) => Some(at).filter(|at| *at > now),
        Schedule::Every { interval, anchor } => {
            let interval = SignedDuration::try_from(interval).ok()?;
            let periods = now.duration_since(anchor).as_millis().div_euclid(interval.as_millis().max(1)) + 1;
            anchor.checked_add(interval.checked_mul(i32::try_from(periods).ok()?)?).ok()
        }
        Schedule::Cron { expression, time_zone } => {
            let now = now.to_zoned(time_zone::check(&time_zone, "").ok()?);
            parsed(&expression)?.find_next_occurrence(&now, false).ok().map(|next| next.timestamp())
        }
    }
}

/// What was due from this time on, at which it was due, until now; `None`: nothing.
#[must_use]
pub fn since(job: &CronJob, first: Timestamp, now: Timestamp) -> Option<Due> {
    if first > now {
        return None;
    }
    let only = Due { newest: first, count: 1 };
    Some(match schedule(job, now).ok()? {
        Schedule::At(_) => only,
        Schedule::Every { interval, .. } => {
            let interval = SignedDuration::try_from(interval).ok()?;
            let periods = now.duration_since(first).as_millis() / interval.as_millis().max(1);
            let newest = first.checked_add(interval.checked_mul(i32::try_from(periods).ok()?)?).ok()?;
            Due { newest, count: usize::try_from(periods).map_or(MOST, |periods| (periods + 1).min(MOST)) }
        }
        Schedule::Cron { expression, time_zone } => {
            // A run that is due this second is due.
            let end = (now + SignedDuration::from_secs(1)).to_zoned(time_zone::check(&time_zone, "").ok()?);
            let cron = parsed(&expression)?;
            let times = cron.iter_before(end).map(|time| time.timestamp());
            let due: Vec<Timestamp> =
                times.skip_while(|time| *time > now).take_while(|time| *time >= first).take(MOST).collect();
            due.first().map_or(only, |newest| Due { newest: *newest, count: due.len() })
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::declarations::fixtures::{at, cron_job};

    fn due(spec: &str, first: &str, now: &str) -> Option<(String, usize)> {
        since(&cron_job("notes", spec), at(first), at(now)).map(|due| (due.newest.to_string(), due.count))
    }

    fn is(newest: &str, count: usize) -> (String, usize) {
        (newest.to_owned(), count)
    }

    #[test]
    fn what_was_due_is_counted_by_the_schedule() {
        let hourly = "{schedule: '0 * * * *', timeZone: Europe/Paris}";
        assert_eq!(due(hourly, "2026-01-01T04:00:00Z", "2026-01-01T03:59:59Z"), None);
        assert_eq!(due(hourly, "2026-01-01T04:00:00Z", "2026-01-01T04:00:00Z"), Some(is("2026-01-01T04:00:00Z", 1)));
        assert_eq!(due(hourly, "2026-01-01T04:00:00Z", "2026-01-01T06:30:00Z"), Some(is("2026-01-01T06:00:00Z", 3)));
        assert_eq!(due(hourly, "2025-01-01T04:00:00Z", "2026-01-01T06:30:00Z"), Some(is("2026-01-01T06:00:00Z", 100)));
    }

    #[test]
    fn an_interval_goes_on_from_the_run_that_was_awaited() {
        let spec = "{every: 10m}";
        assert_eq!(due(spec, "2026-01-01T04:03:00Z", "2026-01-01T04:02:59Z"), None);
        assert_eq!(due(spec, "2026-01-01T04:03:00Z", "2026-01-01T04:12:59Z"), Some(is("2026-01-01T04:03:00Z", 1)));
        assert_eq!(due(spec, "2026-01-01T04:03:00Z", "2026-01-01T04:25:00Z"), Some(is("2026-01-01T04:23:00Z", 3)));
        assert_eq!(
            due("{every: 1s}", "2016-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            Some(is("2026-01-01T00:00:00Z", 100))
        );
    }

    #[test]
    fn one_time_is_due_once() {
        let spec = "{at: '2026-01-01T04:00:00Z'}";
        assert_eq!(due(spec, "2026-01-01T04:00:00Z", "2026-01-09T00:00:00Z"), Some(is("2026-01-01T04:00:00Z", 1)));
        assert_eq!(next(&cron_job("notes", spec), at("2026-01-09T00:00:00Z")), None);
    }

    #[test]
    fn the_next_run_is_the_schedules() {
        let next = |spec: &str| next(&cron_job("notes", spec), at("2026-01-01T04:05:00Z")).unwrap().to_string();
        assert_eq!(next("{schedule: '0 4 * * *', timeZone: Europe/Paris}"), "2026-01-02T03:00:00Z");
        // From the creation, at 23:00.
        assert_eq!(next("{every: 2h}"), "2026-01-01T05:00:00Z");
        assert_eq!(next("{at: '2026-01-01T05:00:00Z'}"), "2026-01-01T05:00:00Z");
    }
}
