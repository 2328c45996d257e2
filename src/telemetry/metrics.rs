//! Counters for Prometheus. Labels come from fixed lists, never from names or error texts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// What a reconcile came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Failed,
    TimedOut,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconcile {
    controller: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: &'static str,
}

/// Counts the calls to gateways, by method. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct GatewayCalls(Family<Call, Counter>);

impl GatewayCalls {
    /// Counts one call.
    pub fn count(&self, method: &'static str) {
        self.0.get_or_create(&Call { method }).inc();
    }
}

type Durations = Family<Controller, Histogram, fn() -> Histogram>;

/// The operator's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<Reconcile, Counter>,
    durations: Durations,
    leader: Gauge,
    pub gateway_calls: GatewayCalls,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("creel");
        let reconciles = Family::<Reconcile, Counter>::default();
        registry.register("reconciliations", "Reconciles of objects, by controller and outcome", reconciles.clone());
        let durations = Durations::new_with_constructor(|| Histogram::new([0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 30.0]));
        registry.register_with_unit(
            "reconciliation_duration",
            "How long reconciles took",
            Unit::Seconds,
            durations.clone(),
        );
        let gateway_calls = GatewayCalls::default();
        registry.register("gateway_calls", "Calls to gateways, by method", gateway_calls.0.clone());
        let leader = Gauge::default();
        registry.register("leader", "1 while this replica holds the Lease", leader.clone());
        Self { registry, reconciles, durations, leader, gateway_calls }
    }
}

impl Metrics {
    /// Counts one reconcile.
    pub fn reconciled(&self, controller: &'static str, outcome: Outcome, took: Duration) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed-out",
        };
        self.reconciles.get_or_create(&Reconcile { controller, outcome }).inc();
        self.durations.get_or_create(&Controller { controller }).observe(took.as_secs_f64());
    }

    /// Whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reconcile_is_counted_by_controller_and_outcome() {
        let metrics = Metrics::default();
        metrics.reconciled("agent", Outcome::Failed, Duration::from_millis(20));
        metrics.gateway_calls.count("cron.list");
        let text = metrics.text();
        assert!(text.contains(r#"creel_gateway_calls_total{method="cron.list"} 1"#), "{text}");
        assert!(text.contains(r#"creel_reconciliations_total{controller="agent",outcome="failed"} 1"#), "{text}");
    }
}
