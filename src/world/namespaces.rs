//! Runs controllers whose keys are namespaces, for what has to go when the last object of ours is gone. Touches the network through them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, future, stream};
use tokio::sync::mpsc::UnboundedReceiver;

use super::attempt::{wait_after, within_time};
use super::queues::{Controller, Trigger};
use crate::kubernetes::backoff::Backoff;
use crate::kubernetes::reconciler::ReconcileError;
use crate::telemetry::metrics::Metrics;

/// So many namespaces at once.
const MAX_CONCURRENT: usize = 16;

/// A controller of namespaces.
pub trait NamespaceReconciler: Send + Sync + 'static {
    /// Whose queue it serves.
    const CONTROLLER: Controller;

    /// One reconcile. Returns when to look again; `None`: when something changes.
    fn reconcile(&self, namespace: &str) -> impl Future<Output = Result<Option<Duration>, ReconcileError>> + Send;
}

/// Ends with the queue. A namespace that is queued is reconciled at once, however long it was to wait.
pub async fn run<R: NamespaceReconciler>(
    reconciler: Arc<R>,
    mut queue: UnboundedReceiver<Trigger>,
    metrics: Arc<Metrics>,
) {
    let (mut due, backoff) = (BTreeMap::<String, Instant>::new(), Backoff::default());
    loop {
        tokio::select! {
            trigger = queue.recv() => {
                let Some(trigger) = trigger else { return };
                due.insert(trigger.namespace, Instant::now());
            }
            () = until(due.values().min().copied()) => {}
        }
        // A burst of events of one namespace is one reconcile.
        while let Ok(trigger) = queue.try_recv() {
            due.insert(trigger.namespace, Instant::now());
        }
        let now = Instant::now();
        let ready: Vec<String> = due.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
        due.retain(|_, at| *at > now);
        let attempts = stream::iter(ready).map(|namespace| attempt(&*reconciler, namespace, &metrics, &backoff));
        let waits: Vec<_> = attempts.buffer_unordered(MAX_CONCURRENT).collect().await;
        let now = Instant::now();
        due.extend(waits.into_iter().filter_map(|(namespace, wait)| Some((namespace, now + wait?))));
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
}
