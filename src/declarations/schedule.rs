//! When a CronJob runs, checked before the gateway is asked. Pure: `now` is an argument.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::expression::check;
use crate::api::cron_job::{CronJob, CronJobSpec};
use crate::api::duration;
use crate::kubernetes::conditions::reason;
use crate::openclaw::cron::declaration::Schedule;
use crate::references::digests::Fault;
use crate::references::time_zone;

/// The schedule as the gateway takes it, or what is wrong with it.
pub fn schedule(job: &CronJob, now: Timestamp) -> Result<Schedule, Fault> {
    let spec = &job.spec;
    if let Some(expression) = &spec.schedule {
        let time_zone = spec.time_zone.as_deref().unwrap_or(time_zone::DEFAULT);
        check(&job.name_any(), expression, time_zone)?;
        return Ok(Schedule::Cron { expression: expression.clone(), time_zone: time_zone.to_owned() });
    }
    if let Some(at) = &spec.at {
        return Ok(Schedule::At(at.0));
    }
    let interval =
        spec.every.as_deref().and_then(duration::parse).filter(|interval| *interval >= Duration::from_secs(1));
    let message = || format!("spec.every of CronJob \"{}\" is no duration: write it like 30m or 1h30m", job.name_any());
    let interval = interval.ok_or_else(|| fault(reason::INVALID_SCHEDULE, message()))?;
    let anchor = job.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    Ok(Schedule::Every { interval, anchor })
}

fn fault(reason: &'static str, message: String) -> Fault {
    Fault { reason, message, carried: false }
}

/// Whether the one time of the job has passed.
#[must_use]
pub fn is_over(spec: &CronJobSpec, now: Timestamp) -> bool {
    spec.at.as_ref().is_some_and(|at| at.0 <= now)
}

/// The schedule in one line, for people.
#[must_use]
pub fn text(spec: &CronJobSpec) -> Option<String> {
    match (&spec.schedule, &spec.every, &spec.at) {
        (Some(schedule), ..) => Some(match &spec.time_zone {
            Some(zone) => format!("{schedule} {zone}"),
            None => schedule.clone(),
        }),
        (None, Some(every), _) => Some(format!("every {every}")),
        (None, None, Some(at)) => Some(format!("at {}", at.0)),
        (None, None, None) => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::declarations::fixtures::{at, cron_job};

    fn reason_of(spec: &str) -> Result<Schedule, &'static str> {
        schedule(&cron_job("notes", spec), at("2026-01-01T00:00:00Z")).map_err(|fault| fault.reason)
    }

    #[test]
    fn a_time_that_never_comes_an_unreadable_one_and_an_unknown_zone_are_told_apart() {
        assert_eq!(reason_of("{schedule: '0 0 31 2 *'}"), Err(reason::NEVER_RUNS));
        assert_eq!(reason_of("{schedule: '0 25 * * *'}"), Err(reason::INVALID_SCHEDULE));
        assert_eq!(reason_of("{schedule: '0 0 * * *', timeZone: Europe/Pariss}"), Err(reason::TIME_ZONE_NOT_FOUND));
    }

    #[test]
    fn what_cron_knows_is_let_through() {
        for schedule in ["0 4 * * *", "*/5 * * * MON-FRI", "0 0 29 2 *", "0 0 L * *", "15,45 8-18 1-7 jan-mar 1"] {
            assert!(
                reason_of(&format!("{{schedule: '{schedule}', timeZone: America/New_York}}")).is_ok(),
                "{schedule}"
            );
        }
    }

    #[test]
    fn an_interval_counts_from_the_creation() {
        let schedule = reason_of("{every: 1h30m}").unwrap();
        let anchor = at("2025-12-31T23:00:00Z");
        assert_eq!(schedule, Schedule::Every { interval: Duration::from_mins(90), anchor });
    }

    #[test]
    fn a_schedule_is_told_in_one_line() {
        let line = |spec: &str| text(&cron_job("notes", spec).spec).unwrap();
        assert_eq!(line("{schedule: '0 4 * * *', timeZone: Europe/Paris}"), "0 4 * * * Europe/Paris");
        assert_eq!(line("{every: 30m}"), "every 30m");
        assert_eq!(line("{at: '2027-02-01T16:00:00+01:00'}"), "at 2027-02-01T15:00:00Z");
    }
}
