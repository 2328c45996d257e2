use std::sync::Arc;

use super::*;
use crate::gateway::build::build;
use crate::gateway::fixtures::{company, plan, settings, settle};
use crate::gateway::rollout::Decision;
use crate::kubernetes::observed::Observed;
use crate::kubernetes::recording_api::RecordingApi;
use crate::naming::AGENT_MANAGER;

fn desired(gathered: &Gathered) -> Desired {
    let decision = Decision::Apply { replaces_pod: false, rollout: None };
    build(gathered, &plan(gathered), &decision, &settings())
}

fn config_map(gathered: &Gathered) -> String {
    GatewayNames::of("concierge").config(&plan(gathered).pod.unwrap().hash())
}

/// An API server that answers requests for objects like this one with this code.
fn refusing(api: &RecordingApi, what: &'static str, code: u16) -> Applier {
    let client = api.client(move |request| (request.starts_with("PATCH") && request.contains(what)).then_some(code));
    Applier::new(client, AGENT_MANAGER)
}

#[tokio::test]
async fn what_others_mount_is_sent_before_those_that_mount_it_and_a_second_apply_sends_nothing() {
    let (api, gathered) = (RecordingApi::default(), company());
    let sender = Applier::new(api.client(|_| None), AGENT_MANAGER);
    let (applied, sent) = apply(&sender, &gathered, &desired(&gathered)).await;
    sent.unwrap();
    assert!(applied.sent && applied.deployment.unwrap().sent && applied.service);
    let map = format!("PATCH configmaps/{}", config_map(&gathered));
    let order = [
        "PATCH serviceaccounts/concierge-gateway",
        "PATCH networkpolicies/concierge-gateway",
        "PATCH persistentvolumeclaims/concierge-claim",
        "PATCH services/concierge-gateway",
        &map,
        "PATCH deployments/concierge-gateway",
    ];
    assert_eq!(api.take_writes(), order);
    let (applied, sent) = apply(&sender, &gathered, &desired(&gathered)).await;
    sent.unwrap();
    assert!(!applied.sent && !applied.deployment.unwrap().sent);
    assert_eq!(api.take(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_child_is_a_fault_and_ends_the_apply_before_what_needs_it() {
    let (api, gathered) = (RecordingApi::default(), company());
    let sender = refusing(&api, "networkpolicies/", 403);
    let (applied, sent) = apply(&sender, &gathered, &desired(&gathered)).await;
    sent.unwrap();
    assert_eq!(applied.fault.unwrap().reason, reason::CHILD_REJECTED);
    assert!(applied.plan.is_none() && applied.config.is_none() && applied.deployment.is_none() && !applied.service);
    assert!(!api.take().iter().any(|request| request.contains("deployments")));
}

#[tokio::test]
async fn a_refused_deployment_leaves_the_one_before_and_the_configuration_for_the_next() {
    let (api, mut gathered) = (RecordingApi::default(), company());
    settle(&mut gathered);
    let sender = refusing(&api, "deployments/", 422);
    let (applied, sent) = apply(&sender, &gathered, &desired(&gathered)).await;
    sent.unwrap();
    assert_eq!(applied.fault.unwrap().reason, reason::CHILD_REJECTED);
    assert_eq!(applied.config.unwrap().name, config_map(&gathered));
    assert!(!applied.deployment.unwrap().sent);
}

#[tokio::test]
async fn a_claim_that_cannot_be_changed_does_not_stop_the_rest() {
    let (api, mut gathered) = (RecordingApi::default(), company());
    let claim = desired(&gathered).claim.unwrap();
    gathered.live.claim = Some(Arc::new(Observed::new(claim, AGENT_MANAGER)));
    let sender = refusing(&api, "persistentvolumeclaims/", 422);
    let (applied, sent) = apply(&sender, &gathered, &desired(&gathered)).await;
    sent.unwrap();
    assert_eq!(applied.fault.unwrap().reason, reason::CLAIM_CHANGE_REJECTED);
    assert!(applied.deployment.unwrap().sent);
}

#[tokio::test]
async fn an_api_server_that_fails_is_an_error_and_no_fault_and_what_was_sent_is_known() {
    let (api, gathered) = (RecordingApi::default(), company());
    let sender = refusing(&api, "deployments/", 500);
    let (applied, sent) = apply(&sender, &gathered, &desired(&gathered)).await;
    assert!(sent.is_err());
    assert!(applied.fault.is_none() && applied.sent && applied.config.is_some());
}
