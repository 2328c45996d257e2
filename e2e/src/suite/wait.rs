//! Waiting until something holds, and watching that nothing changes. Uses the clock.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::{Instant, sleep};

const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Looks until `look` succeeds. `Err` says what was seen instead; it is returned when a look that began after `limit` still fails,
/// with the time that it took.
pub async fn eventually<T>(limit: Duration, mut look: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let started = Instant::now();
    loop {
        // A look may be a slow turn of an agent, begun before what it looks for.
        let late = started.elapsed() > limit;
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if late => {
                return Err(format!("still not so after {} s; last seen: {seen}", started.elapsed().as_secs()));
            }
            Err(_) => sleep(LOOK_AGAIN).await,
        }
    }
}

/// Watches for `duration` that `look` goes on to see the same; `Err` says what changed and when.
pub async fn stays<T: PartialEq + Debug>(duration: Duration, mut look: impl AsyncFnMut() -> T) -> Result<T, String> {
    let started = Instant::now();
    let before = look().await;
    while started.elapsed() < duration {
        sleep(LOOK_AGAIN).await;
        let now = look().await;
        if now != before {
            return Err(format!("changed after {} ms from {before:?} to {now:?}", started.elapsed().as_millis()));
        }
    }
    Ok(before)
}
