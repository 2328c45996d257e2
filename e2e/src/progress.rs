//! Progress for a person or a CI log that waits: one line for each step, and a sign of life while one takes long.
//! Writes to standard error only.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

/// A step that takes longer than this says how long it took.
const WORTH_SAYING: Duration = Duration::from_secs(3);
/// A CI log without output for long looks like a hang.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// Prints lines that begin with the time since it was made.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    started: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Progress {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One line.
    pub fn say(&self, text: impl Display) {
        eprintln!("[{:>4}s] {text}", self.started.elapsed().as_secs());
    }

    /// Says that `work` begins, that it still goes on every 20 s, and what it took when that was more than 3 s.
    pub async fn during<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        self.say(format_args!("{what} …"));
        let started = Instant::now();
        tokio::pin!(work);
        loop {
            match tokio::time::timeout(SIGN_OF_LIFE, &mut work).await {
                Ok(result) => {
                    let took = started.elapsed();
                    if took > WORTH_SAYING {
                        self.say(format_args!("{what}: {:.1} s", took.as_secs_f32()));
                    }
                    return result;
                }
                Err(_still_running) => {
                    self.say(format_args!("{what}: {} s so far …", started.elapsed().as_secs()));
                }
            }
        }
    }
}
