//! The stand-in's clock. It moves only when a test moves it, and by a millisecond with each call, so that no two changes have the same time.

use std::time::Duration;

use jiff::Timestamp;

#[derive(Debug)]
pub struct Clock {
    now_ms: i64,
}

impl Clock {
    /// Starts at the time of the day: clients compare what the gateway says with their own clocks.
    pub fn new() -> Self {
        Self { now_ms: Timestamp::now().as_millisecond() }
    }

    /// Milliseconds since 1970, as the gateway writes times.
    pub fn now(&self) -> i64 {
        self.now_ms
    }

    pub fn tick(&mut self) {
        self.now_ms += 1;
    }

    /// Moves back.
    pub fn turn_back(&mut self, time: Duration) {
        self.now_ms -= milliseconds(time);
    }

    /// Moves forward to this time; never back.
    pub fn move_to(&mut self, time_ms: i64) {
        self.now_ms = self.now_ms.max(time_ms);
    }
}

pub fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
