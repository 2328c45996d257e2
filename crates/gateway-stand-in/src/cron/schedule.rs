//! When a job runs. Pure: `now` is an argument.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// What a job waits after so many errors in a row, in milliseconds.
const BACKOFF_MS: [i64; 5] = [30_000, 60_000, 300_000, 900_000, 3_600_000];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    Cron(Expression),
    Every { every_ms: i64, anchor_ms: i64 },
    At { at_ms: i64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    pattern: String,
    zone: Option<String>,
    stagger_ms: Option<i64>,
}

impl Schedule {
    /// Reads the schedule of a call; `Err`: what the gateway says to it. `anchor_ms` counts where an interval names none.
    pub fn read(value: &Value, anchor_ms: i64, now_ms: i64) -> Result<Self, String> {
        let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key| value.get(key).and_then(Value::as_i64);
        match text("kind").as_deref() {
            Some("cron") => {
                let pattern = text("expr").ok_or("at /schedule: must have required property 'expr'")?;
                let expression = Expression { pattern, zone: text("tz"), stagger_ms: number("staggerMs") };
                expression.check(now_ms)?;
                Ok(Self::Cron(expression))
            }
            Some("every") => {
                let every_ms = number("everyMs").filter(|every| *every >= 1);
                let every_ms = every_ms.ok_or("at /schedule/everyMs: must be >= 1")?;
                Ok(Self::Every { every_ms, anchor_ms: number("anchorMs").unwrap_or(anchor_ms) })
            }
            Some("at") => {
                let at = text("at").and_then(|at| at.parse::<Timestamp>().ok());
                Ok(Self::At { at_ms: at.ok_or("at /schedule: must have required property 'at'")?.as_millisecond() })
            }
            _ => Err("at /schedule/kind: must be equal to constant".to_owned()),
        }
    }

    /// As the gateway lists it.
    pub fn value(&self) -> Value {
        match self {
            Self::Cron(Expression { pattern, zone, stagger_ms }) => {
                let mut value = json!({"kind": "cron", "expr": pattern});
                if let Some(zone) = zone {
                    value["tz"] = json!(zone);
                }
                if let Some(stagger) = stagger_ms {
                    value["staggerMs"] = json!(stagger);
                }
                value
            }
            Self::Every { every_ms, anchor_ms } => {
                json!({"kind": "every", "everyMs": every_ms, "anchorMs": anchor_ms})
            }
            Self::At { at_ms } => json!({"kind": "at", "at": iso(*at_ms)}),
        }
    }

    /// When it is due after this time. An interval counts from the last run, unless that is too long ago.
    pub fn next(&self, last_run_ms: Option<i64>, now_ms: i64) -> Option<i64> {
        match self {
            Self::Cron(expression) => expression.next(now_ms),
            Self::Every { every_ms, anchor_ms } => {
                let after_last = last_run_ms.map(|last| last + every_ms).filter(|next| *next > now_ms);
                let periods = (now_ms - anchor_ms).div_euclid(*every_ms) + 1;
                Some(after_last.unwrap_or(anchor_ms + periods * every_ms))
            }
            Self::At { at_ms } => Some(*at_ms).filter(|at| *at > now_ms),
        }
    }
}

impl Expression {
    fn parsed(&self) -> Result<(Cron, TimeZone), String> {
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Optional).build();
        let pattern = parser.parse(&self.pattern).map_err(|error| format!("CronPattern: {error}"))?;
        let zone = match &self.zone {
            Some(name) => TimeZone::get(name).map_err(|_| {
                format!("CronDate: Failed to convert date to timezone '{name}'. Invalid time zone specified: {name}")
            })?,
            None => TimeZone::UTC,
        };
        Ok((pattern, zone))
    }

    fn check(&self, now_ms: i64) -> Result<(), String> {
        self.parsed()?;
        let never = || format!("cron expression \"{}\" has no upcoming run time and would never fire", self.pattern);
        self.next(now_ms).map(drop).ok_or_else(never)
    }

    fn next(&self, now_ms: i64) -> Option<i64> {
        let (pattern, zone) = self.parsed().ok()?;
        let now = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(zone);
        pattern.find_next_occurrence(&now, false).ok().map(|next| next.timestamp().as_millisecond())
    }
}

/// How long a job is put off after this many errors in a row.
pub fn backoff_ms(errors: u32) -> i64 {
    let step = usize::try_from(errors).unwrap_or(usize::MAX).saturating_sub(1);
    BACKOFF_MS[step.min(BACKOFF_MS.len() - 1)]
}

/// A time as the gateway writes it.
pub fn iso(time_ms: i64) -> String {
    Timestamp::from_millisecond(time_ms).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
