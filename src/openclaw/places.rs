//! Who may ask a gateway now, so that gateways that hang hold up nobody else. Memory only.
//!
//! - A reconcile works in one of a few places, and leaves its place while it waits for a gateway.
//! - One call at a time goes to each gateway, two to those of each namespace, and not too many at all. Who waits longer than a moment is
//!   sent away.
//! - A method that ran out of time is left alone for a while, twice as long each time, until it answers or another process of the gateway
//!   runs. If another method then runs out of time, too, and none has answered in between, so is the whole gateway.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::rpc::{Endpoint, RpcError};

const PER_GATEWAY: usize = 1;
const PER_NAMESPACE: usize = 2;
/// A call that waits costs little more than a connection.
const ALL: usize = 128;
/// How long to wait for one's turn. Most calls take milliseconds.
const TURN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 2 });

/// For how long a gateway is left alone after its first call that ran out of time, and at most.
const SILENCE: Duration = Duration::from_secs(5);
pub(super) const MOST_SILENCE: Duration = Duration::from_mins(5);

tokio::task_local! {
    static DESK: Desk;
}

/// The place of one reconcile; empty while it waits for a gateway.
struct Desk {
    room: Arc<Semaphore>,
    place: Cell<Option<OwnedSemaphorePermit>>,
}

/// Does the work once there is a place for it in this room.
pub async fn in_place<F: Future>(room: &Arc<Semaphore>, work: impl FnOnce() -> F) -> F::Output {
    let place = Arc::clone(room).acquire_owned().await.ok();
    let desk = Desk { room: Arc::clone(room), place: Cell::new(place) };
    // On the heap, and made only now: hundreds may wait for a place.
    DESK.scope(desk, Box::pin(work())).await
}

/// Waits for a gateway; meanwhile the place is another one's.
pub(super) async fn out_of_place<T>(wait: impl Future<Output = T>) -> T {
    let room = DESK.try_with(|desk| desk.place.take().map(|_place| Arc::clone(&desk.room))).ok().flatten();
    let waited = wait.await;
    if let Some(room) = room {
        let place = room.acquire_owned().await.ok();
        DESK.with(|desk| desk.place.set(place));
    }
    waited
}

/// The calls to gateways in progress, and the gateways that do not answer.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    /// By gateway and by namespace, as long as somebody is there.
    lines: Mutex<HashMap<Line, Arc<Semaphore>>>,
    /// By the run of its process.
    silent: Mutex<HashMap<String, Silence>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Line {
    /// By the run of its process.
    Gateway(String),
    Namespace(String),
}

/// What a gateway let run out of time.
#[derive(Debug, Default)]
struct Silence {
    methods: HashMap<&'static str, Pause>,
    /// The method that did since the gateway answered last.
    unanswered: Option<&'static str>,
    /// Set while it answers nothing at all.
    all: Option<Pause>,
}

/// For how long not to ask, after so many calls in a row.
#[derive(Clone, Copy, Debug)]
struct Pause {
    calls: u32,
    until: Instant,
}

impl Silence {
    fn pauses(&self) -> impl Iterator<Item = &Pause> {
        self.methods.values().chain(&self.all)
    }

    fn answered(&mut self, method: &str) {
        self.methods.remove(method);
        (self.unanswered, self.all) = (None, None);
    }

    fn ran_out_of_time(&mut self, run: &str, method: &'static str, now: Instant) {
        self.methods.insert(method, Pause::after(self.methods.get(method), run, now));
        match self.unanswered {
            Some(other) if other != method => self.all = Some(Pause::after(self.all.as_ref(), run, now)),
            _ => self.unanswered = Some(method),
        }
    }
}

impl Pause {
    fn after(before: Option<&Self>, run: &str, now: Instant) -> Self {
        let calls = before.map_or(0, |before| before.calls);
        Self { calls: calls.saturating_add(1), until: now + silence(run, calls) }
    }
}

impl Default for Places {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(ALL)), lines: Mutex::default(), silent: Mutex::default() }
    }
}

impl Places {
    /// Makes the call of this method when it is its turn. What the caller gets of a gateway that is left alone does not differ from what it
    /// gets of one that is silent.
    pub(super) async fn call<T, E>(
        &self,
        gateway: &Endpoint,
        method: &'static str,
        call: impl Future<Output = Result<T, E>>,
        is_silent: impl Fn(&E) -> bool,
    ) -> Result<T, E>
    where
        E: From<RpcError>,
    {
        out_of_place(async {
            let _turn = self.turn(gateway).await?;
            if self.is_left_alone(&gateway.run, method, Instant::now()) {
                return Err(RpcError::Silent.into());
            }
            let answered = call.await;
            match &answered {
                Err(error) if is_silent(error) => self.keep_silent(&gateway.run, method, Instant::now()),
                _ => self.keep_answered(&gateway.run, method),
            }
            answered
        })
        .await
    }

    async fn turn(&self, gateway: &Endpoint) -> Result<[OwnedSemaphorePermit; 3], RpcError> {
        let until = Instant::now() + TURN;
        let enter = async |line: Arc<Semaphore>| {
            timeout_at(until, line.acquire_owned()).await.ok().and_then(Result::ok).ok_or(RpcError::Busy)
        };
        Ok([
            enter(self.line(Line::Gateway(gateway.run.clone()), PER_GATEWAY)).await?,
            enter(self.line(Line::Namespace(gateway.namespace.clone()), PER_NAMESPACE)).await?,
            enter(Arc::clone(&self.all)).await?,
        ])
    }

    fn line(&self, line: Line, places: usize) -> Arc<Semaphore> {
        let mut lines = lock(&self.lines);
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        Arc::clone(lines.entry(line).or_insert_with(|| Arc::new(Semaphore::new(places))))
    }

    fn is_left_alone(&self, run: &str, method: &str, now: Instant) -> bool {
        let silent = lock(&self.silent);
        let pauses = silent.get(run).map(|silence| [silence.methods.get(method), silence.all.as_ref()]);
        pauses.into_iter().flatten().flatten().any(|pause| now < pause.until)
    }

    fn keep_answered(&self, run: &str, method: &str) {
        if let Some(silence) = lock(&self.silent).get_mut(run) {
            silence.answered(method);
        }
    }

    /// One more call ran out of time.
    fn keep_silent(&self, run: &str, method: &'static str, now: Instant) {
        let mut silent = lock(&self.silent);
        // A process that is gone is asked no more.
        silent.retain(|_, silence| silence.pauses().any(|pause| now < pause.until + 2 * MOST_SILENCE));
        silent.entry(run.to_owned()).or_default().ran_out_of_time(run, method, now);
    }
}

/// How long this gateway is left alone after so many calls before: longer or shorter by a fifth, so that many do not come at once.
fn silence(run: &str, calls: u32) -> Duration {
    let doubled = SILENCE.saturating_mul(1 << calls.min(10)).min(MOST_SILENCE);
    let share = u32::try_from(xxh3_64_with_seed(run.as_bytes(), calls.into()) % 400).unwrap_or_default();
    doubled * (800 + share) / 1000
}

fn lock<T>(memory: &Mutex<T>) -> MutexGuard<'_, T> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
