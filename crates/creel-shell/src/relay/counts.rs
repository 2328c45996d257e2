//! What each client has used, as Prometheus reads it. Pure.
//!
//! It is here and not in the status of an Agent, because it changes with every request, and each write of a status reaches everybody who
//! watches Agents.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::clients::Client;

/// What one client has used since the relay started, and how much it uses now.
#[derive(Debug)]
pub struct Counts {
    pub forwarded: AtomicU64,
    pub refused: AtomicU64,
    pub input_tokens: AtomicU64,
    pub output_tokens: AtomicU64,
    running: Arc<Semaphore>,
    /// Turns for large bodies.
    pub large_bodies: Arc<Semaphore>,
}

/// Large bodies of one client at the same time: half of those of all.
const LARGE_BODIES: usize = 2;

impl Default for Counts {
    fn default() -> Self {
        let none = AtomicU64::default;
        Self {
            forwarded: none(),
            refused: none(),
            input_tokens: none(),
            output_tokens: none(),
            running: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
        }
    }
}

impl Counts {
    /// A place for one more request, if fewer than `most` are running.
    pub fn enter(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        let running = Semaphore::MAX_PERMITS - self.running.available_permits();
        (running < most).then(|| self.running.clone().try_acquire_owned().ok())?
    }

    pub fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

/// The counters of these clients in Prometheus' text format.
pub fn text(clients: &[Arc<Client>]) -> String {
    type Counter = (&'static str, fn(&Counts) -> &AtomicU64);
    let families: [(&str, &str, &str, [Counter; 2]); 2] = [
        (
            "creel_relay_requests_total",
            "Requests of clients",
            "result",
            [("forwarded", |counts| &counts.forwarded), ("refused", |counts| &counts.refused)],
        ),
        (
            "creel_relay_tokens_total",
            "Tokens of models, as far as answers report them",
            "type",
            [("input", |counts| &counts.input_tokens), ("output", |counts| &counts.output_tokens)],
        ),
    ];
    let mut text = String::new();
    for (family, help, label, counters) in families {
        let _ = writeln!(text, "# HELP {family} {help}.\n# TYPE {family} counter");
        for client in clients {
            for (value, counter) in counters {
                let count = counter(&client.counts).load(Ordering::Relaxed);
                let _ = writeln!(text, "{family}{{client=\"{}\",{label}=\"{value}\"}} {count}", client.name);
            }
        }
    }
    text
}
