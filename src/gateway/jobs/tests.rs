use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::gateway::revision::ConfigRevision;
use crate::openclaw::config::document::ConfigDocument;

fn endpoint() -> Endpoint {
    Endpoint { address: ([127, 0, 0, 1], 18_789).into(), token: "token".into() }
}

/// A gateway whose process is this run, with this answer to a configuration that holds `concierge` and `writer`.
fn synced(run: &str, state: Option<ConfigState>) -> Synced {
    let document = Arc::new(ConfigDocument::new(json!({"agents": {"entries": {"concierge": {}, "writer": {}}}})));
    let config = ConfigRevision { name: "a".into(), current: document.clone(), desired: document, rejection: None };
    let process = Process { pod: "pod".into(), run: run.into(), endpoint: Ok(endpoint()) };
    Synced { process: Some(process), state, config: Some(config), ..Synced::default() }
}

fn known(run: &str) -> Fact<Option<Arc<Gateway>>> {
    let agents = ["concierge".to_owned()].into();
    Fact::Known(Some(Arc::new(Gateway { endpoint: endpoint(), pod: "pod".into(), run: run.into(), agents })))
}

/// The agents of the gateway that was found.
fn agents(found: Fact<Option<Arc<Gateway>>>) -> Fact<Option<Vec<String>>> {
    found.map(|gateway| gateway.map(|gateway| gateway.agents.iter().cloned().collect()))
}

#[test]
fn a_gateway_that_confirmed_its_configuration_has_the_agents_in_it() {
    let found = found(&synced("1", Some(ConfigState::Applied)), Fact::Unknown);
    assert_eq!(agents(found), Fact::Known(Some(vec!["concierge".into(), "writer".into()])));
}

#[test]
fn while_an_edit_is_on_its_way_the_agents_stay_those_that_this_process_confirmed() {
    let pending = || Some(ConfigState::Pending);
    let same = found(&synced("1", pending()), known("1"));
    assert_eq!(agents(same), Fact::Known(Some(vec!["concierge".into()])));
    assert_eq!(agents(found(&synced("2", pending()), known("1"))), Fact::Known(None), "another process");
}

#[test]
fn after_a_restart_of_the_operator_nothing_is_known_until_the_gateway_has_answered() {
    assert_eq!(agents(found(&synced("1", Some(ConfigState::Pending)), Fact::Unknown)), Fact::Unknown);
    assert_eq!(
        agents(found(&synced("1", Some(ConfigState::Unreachable("no".into()))), Fact::Unknown)),
        Fact::Known(None)
    );
}

#[test]
fn a_gateway_without_a_ready_pod_does_not_answer() {
    assert_eq!(agents(found(&Synced::default(), known("1"))), Fact::Known(None));
}
