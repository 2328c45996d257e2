//! The gateways that answer: where, with which token, and which agents they have confirmed. Memory only: after a restart of the
//! operator each is unknown until its configuration is proved again.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::kubernetes::caches::by_name::Places;
use crate::openclaw::rpc::Endpoint;

/// A gateway that runs the configuration it should run.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub endpoint: Endpoint,
    /// The name of its Pod.
    pub pod: String,
    /// The run of its process: the Pod's UID and how often its container was restarted.
    pub run: String,
    /// The agents that it confirmed.
    pub agents: BTreeSet<String>,
}

/// By namespace and name of the Agent that owns the gateway.
#[derive(Debug, Default)]
pub struct Gateways(Places<Option<Arc<Gateway>>>);

impl Gateways {
    /// The gateway of this Agent, if it answers.
    #[must_use]
    pub fn of(&self, namespace: &str, owner: &str) -> Option<Arc<Gateway>> {
        self.0.get(namespace, owner).flatten()
    }

    /// Whether it was looked at since the operator started.
    #[must_use]
    pub fn is_known(&self, namespace: &str, owner: &str) -> bool {
        self.0.get(namespace, owner).is_some()
    }

    /// Remembers what a pass found; `None`: it does not answer. Returns whether it is something new.
    pub fn remember(&self, namespace: &str, owner: &str, gateway: Option<Gateway>) -> bool {
        let gateway = gateway.map(Arc::new);
        match (self.0.put(namespace, owner, gateway.clone()), gateway) {
            (Some(None), None) => false,
            (Some(Some(before)), Some(now)) => before.run != now.run || before.agents != now.agents,
            _ => true,
        }
    }

    /// Forgets a gateway whose Agent is gone.
    pub fn forget(&self, namespace: &str, owner: &str) {
        self.0.take(namespace, owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(run: &str, agents: &[&str]) -> Gateway {
        let endpoint = Endpoint { address: ([127, 0, 0, 1], 18_789).into(), token: "token".into() };
        let pod = format!("pod-{run}");
        Gateway { endpoint, pod, run: run.to_owned(), agents: agents.iter().map(|agent| (*agent).to_owned()).collect() }
    }

    #[test]
    fn another_run_and_another_agent_are_something_new() {
        let gateways = Gateways::default();
        assert!(gateways.remember("assistants", "concierge", Some(gateway("1", &["concierge"]))));
        assert!(!gateways.remember("assistants", "concierge", Some(gateway("1", &["concierge"]))));
        assert!(gateways.remember("assistants", "concierge", Some(gateway("1", &["concierge", "writer"]))));
        assert!(gateways.remember("assistants", "concierge", Some(gateway("2", &["concierge", "writer"]))));
        assert!(gateways.remember("assistants", "concierge", None));
        assert!(!gateways.remember("assistants", "concierge", None));
        assert!(gateways.of("assistants", "concierge").is_none());
    }
}
