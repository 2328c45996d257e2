//! How often a caller may change something: each method thirty times a minute. A call counts whether it succeeds or not.

use std::collections::HashMap;

use crate::refusal::Refusal;

const WRITES: [&str; 4] = ["cron.add", "cron.update", "cron.remove", "cron.run"];
const WINDOW_MS: i64 = 60_000;
const CALLS: u32 = 30;

/// The windows that are open, by caller and method. Each begins with its first call and ends a minute later.
#[derive(Debug, Default)]
pub struct Limits {
    windows: HashMap<(String, String), Window>,
}

#[derive(Debug)]
struct Window {
    began_ms: i64,
    calls: u32,
}

impl Limits {
    /// Counts a call, or refuses it.
    pub fn count(&mut self, caller: &str, method: &str, now_ms: i64) -> Result<(), Refusal> {
        if !WRITES.contains(&method) {
            return Ok(());
        }
        let window = self.windows.entry((caller.to_owned(), method.to_owned()));
        let window = window.or_insert(Window { began_ms: now_ms, calls: 0 });
        if now_ms >= window.began_ms + WINDOW_MS {
            *window = Window { began_ms: now_ms, calls: 0 };
        }
        if window.calls == CALLS {
            return Err(Refusal::too_many_writes(method, window.began_ms + WINDOW_MS - now_ms));
        }
        window.calls += 1;
        Ok(())
    }
}
