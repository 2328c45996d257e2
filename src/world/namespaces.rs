//! Runs controllers whose keys are namespaces, for what has to go when the last object of ours is gone. Touches the network through them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::FuturesUnordered;
use futures::{StreamExt, future};
use tokio::sync::mpsc::UnboundedReceiver;

use super::attempt::{wait_after, within_time};
use super::queues::{Controller, Trigger};
use crate::kubernetes::backoff::Backoff;
use crate::kubernetes::reconciler::ReconcileError;
use crate::telemetry::metrics::Metrics;

/// So many namespaces at once. One whose API calls hang keeps its place until its time is over: an admission webhook may be why.
const MAX_CONCURRENT: usize = 32;

/// A controller of namespaces.
pub trait NamespaceReconciler: Send + Sync + 'static {
    /// Whose queue it serves.
    const CONTROLLER: Controller;

    /// One reconcile. Returns when to look again; `None`: when something changes.
    fn reconcile(&self, namespace: &str) -> impl Future<Output = Result<Option<Duration>, ReconcileError>> + Send;
}

/// Ends with the queue. A namespace that is queued is reconciled at once, however long it was to wait, and never twice at once.
pub async fn run<R: NamespaceReconciler>(
    reconciler: Arc<R>,
    mut queue: UnboundedReceiver<Trigger>,
    metrics: Arc<Metrics>,
) {
    let (mut agenda, backoff) = (Agenda::default(), Backoff::default());
    let mut attempts = FuturesUnordered::new();
    loop {
        while let Some(namespace) = agenda.begin(Instant::now()) {
            attempts.push(attempt(&*reconciler, namespace, &metrics, &backoff));
        }
        tokio::select! {
            trigger = queue.recv() => {
                let Some(trigger) = trigger else { return };
                agenda.queue(trigger.namespace, Instant::now());
                // A burst of events of one namespace is one reconcile.
                while let Ok(trigger) = queue.try_recv() {
                    agenda.queue(trigger.namespace, Instant::now());
                }
            }
            Some((namespace, wait)) = attempts.next() => agenda.end(namespace, wait.map(|wait| Instant::now() + wait)),
            () = until(agenda.next()) => {}
        }
    }
}

/// Which namespaces are due when, and which are being reconciled.
#[derive(Default)]
struct Agenda {
    due: BTreeMap<String, Instant>,
    busy: BTreeSet<String>,
}

impl Agenda {
    fn queue(&mut self, namespace: String, now: Instant) {
        self.due.insert(namespace, now);
    }

    /// Those that can begin once they are due.
    fn waiting(&self) -> impl Iterator<Item = (&String, Instant)> {
        let is_free = self.busy.len() < MAX_CONCURRENT;
        self.due.iter().filter(move |(name, _)| is_free && !self.busy.contains(*name)).map(|(name, at)| (name, *at))
    }

    /// When the next one can begin; `None`: not before one ends or is queued.
    fn next(&self) -> Option<Instant> {
        self.waiting().map(|(_, at)| at).min()
    }

    /// Takes one that is due.
    fn begin(&mut self, now: Instant) -> Option<String> {
        let (namespace, at) = self.waiting().min_by_key(|(_, at)| *at)?;
        if at > now {
            return None;
        }
        let namespace = namespace.clone();
        self.due.remove(&namespace);
        self.busy.insert(namespace.clone());
        Some(namespace)
    }

    /// One has ended, and is due again. One that was queued meanwhile is due already.
    fn end(&mut self, namespace: String, again: Option<Instant>) {
        self.busy.remove(&namespace);
        if let Some(again) = again {
            self.due.entry(namespace).or_insert(again);
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => future::pending().await,
    }
}

/// One reconcile, and when the next one is due.
async fn attempt<R: NamespaceReconciler>(
    reconciler: &R,
    namespace: String,
    metrics: &Metrics,
    backoff: &Backoff,
) -> (String, Option<Duration>) {
    let wait = match within_time(R::CONTROLLER, metrics, reconciler.reconcile(&namespace)).await {
        Ok(wait) => {
            backoff.succeeded(&namespace);
            wait
        }
        Err(error) => wait_after(&error, R::CONTROLLER, (&namespace, ""), backoff, &namespace),
    };
    (namespace, wait)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;

    /// Asks to look again after the first look, fails at the second and is content with the third.
    struct ThreeLooks {
        seen: Mutex<HashMap<String, u32>>,
        looks: UnboundedSender<String>,
    }

    impl NamespaceReconciler for ThreeLooks {
        const CONTROLLER: Controller = Controller::Fence;

        async fn reconcile(&self, namespace: &str) -> Result<Option<Duration>, ReconcileError> {
            let look = {
                let mut seen = self.seen.lock().unwrap();
                let look = seen.entry(namespace.to_owned()).or_default();
                *look += 1;
                *look
            };
            self.looks.send(format!("{namespace} {look}")).ok();
            let conflict = || serde_json::from_value(serde_json::json!({"status": "Failure", "code": 409})).unwrap();
            match look {
                1 => Ok(Some(Duration::from_millis(1))),
                2 => Err(kube::Error::Api(Box::new(conflict())).into()),
                _ => Ok(None),
            }
        }
    }

    #[tokio::test]
    async fn a_namespace_is_looked_at_once_for_a_burst_and_again_when_it_asks_for_it_or_fails() {
        let ((queue, triggers), (looks, mut seen)) = (unbounded_channel(), unbounded_channel());
        for namespace in ["a", "b", "a", "a"] {
            queue.send(Trigger::fence(namespace)).unwrap();
        }
        let reconciler = Arc::new(ThreeLooks { seen: Mutex::default(), looks });
        let running = tokio::spawn(run(reconciler, triggers, Arc::default()));
        let mut all = Vec::new();
        while all.len() < 6 {
            all.push(seen.recv().await.unwrap());
        }
        drop(queue);
        running.await.unwrap();
        assert_eq!(seen.recv().await, None, "nobody looks after the third time");
        all.sort();
        assert_eq!(all, ["a 1", "a 2", "a 3", "b 1", "b 2", "b 3"]);
    }

    /// Of the namespace `hangs` no reconcile ends; the others take a moment.
    struct OneHangs {
        looks: UnboundedSender<String>,
    }

    impl NamespaceReconciler for OneHangs {
        const CONTROLLER: Controller = Controller::Fence;

        async fn reconcile(&self, namespace: &str) -> Result<Option<Duration>, ReconcileError> {
            self.looks.send(namespace.to_owned()).ok();
            if namespace == "hangs" {
                future::pending::<()>().await;
            }
            Ok(None)
        }
    }

    #[tokio::test]
    async fn a_namespace_whose_calls_hang_delays_no_other_one_and_is_not_looked_at_twice_at_once() {
        let ((queue, triggers), (looks, mut seen)) = (unbounded_channel(), unbounded_channel());
        let running = tokio::spawn(run(Arc::new(OneHangs { looks }), triggers, Arc::default()));
        for namespace in ["hangs", "a", "hangs", "a"] {
            queue.send(Trigger::fence(namespace)).unwrap();
            let look = tokio::time::timeout(Duration::from_secs(5), async {
                while namespace == "a" && seen.recv().await.unwrap() != "a" {}
            });
            look.await.unwrap();
        }
        drop(queue);
        running.await.unwrap();
        assert_eq!(seen.recv().await, None, "it was looked at once");
    }

    #[test]
    fn a_namespace_that_is_queued_while_it_is_looked_at_is_due_at_once_afterwards() {
        let (mut agenda, now) = (Agenda::default(), Instant::now());
        agenda.queue("a".to_owned(), now);
        assert_eq!(agenda.begin(now).as_deref(), Some("a"));
        agenda.queue("a".to_owned(), now);
        assert_eq!((agenda.begin(now), agenda.next()), (None, None));
        agenda.end("a".to_owned(), Some(now + Duration::from_mins(1)));
        assert_eq!(agenda.begin(now).as_deref(), Some("a"));
    }

    #[test]
    fn only_so_many_namespaces_are_looked_at_at_once() {
        let (mut agenda, now) = (Agenda::default(), Instant::now());
        (0..=MAX_CONCURRENT).for_each(|number| agenda.queue(number.to_string(), now));
        let begun = std::iter::from_fn(|| agenda.begin(now)).count();
        assert_eq!((begun, agenda.next()), (MAX_CONCURRENT, None));
        agenda.end("0".to_owned(), None);
        assert_eq!(agenda.next(), Some(now));
    }
}
