//! Lets a burst of changes settle, so that ten edits of a Secret recreate a Pod once. Pure but for its own memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Quiet for this long and the change is taken.
const TRAILING: Duration = Duration::from_millis(200);
/// However busy it is, a change waits no longer than this.
const AT_MOST: Duration = Duration::from_secs(2);

/// Remembers, for each key, the newest value wanted and since when.
#[derive(Debug)]
pub struct Debounce<K> {
    waiting: Mutex<HashMap<K, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    wanted: String,
    first: Instant,
    last: Instant,
}

impl<K> Default for Debounce<K> {
    fn default() -> Self {
        Self { waiting: Mutex::new(HashMap::new()) }
    }
}

impl<K: Eq + Hash + Clone> Debounce<K> {
    /// How long to wait before `wanted` may be taken; `None`: take it now.
    pub fn wait(&self, key: &K, wanted: &str, now: Instant) -> Option<Duration> {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = all
            .entry(key.clone())
            .and_modify(|waiting| {
                if waiting.wanted != wanted {
                    wanted.clone_into(&mut waiting.wanted);
                    waiting.last = now;
                }
            })
            .or_insert_with(|| Waiting { wanted: wanted.to_owned(), first: now, last: now });
        let due = (waiting.last + TRAILING).min(waiting.first + AT_MOST);
        if due > now {
            return Some(due - now);
        }
        all.remove(key);
        None
    }

    /// Nothing is wanted any more.
    pub fn settled(&self, key: &K) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_waits_until_it_is_quiet_for_200_ms() {
        let debounce = Debounce::default();
        let start = Instant::now();
        assert_eq!(debounce.wait(&"a", "one", start), Some(TRAILING));
        let later = start + Duration::from_millis(150);
        assert_eq!(debounce.wait(&"a", "two", later), Some(TRAILING));
        assert_eq!(debounce.wait(&"a", "two", later + TRAILING), None);
    }

    #[test]
    fn a_change_waits_two_seconds_at_most() {
        let debounce = Debounce::default();
        let start = Instant::now();
        for step in 0..20 {
            let now = start + Duration::from_millis(step * 100);
            assert!(debounce.wait(&"a", &step.to_string(), now).is_some());
        }
        assert_eq!(debounce.wait(&"a", "last", start + AT_MOST), None);
    }
}
