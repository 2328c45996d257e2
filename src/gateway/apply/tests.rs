use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, EnvVar, PodSpec, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::*;
use crate::gateway::build::{Optional, build};
use crate::gateway::fixtures::{company, edit, plan, settings, settle};
use crate::gateway::rollout::Decision;
use crate::kubernetes::observed::Observed;
use crate::kubernetes::recording_api::RecordingApi;
use crate::naming::{AGENT_MANAGER, FENCE_NAME};
use crate::tests::small_world::SmallWorld;

fn desired(gathered: &Gathered) -> Desired {
    let decision = Decision::Apply { replaces_pod: false, rollout: None };
    build(gathered, &plan(gathered), &decision, &settings())
}

fn config_map(gathered: &Gathered) -> String {
    GatewayNames::of("concierge").config(&plan(gathered).pod.unwrap().hash())
}

/// What sends to an API server of which requests like this one get this code.
struct Senders(Applier, Fences);

impl Senders {
    fn refused(api: &RecordingApi, what: &'static str, code: u16) -> Self {
        let refused = move |request: &str| request.starts_with("PATCH") && request.contains(what);
        let client = api.client(move |request| refused(request).then_some(code));
        let stores = Arc::new(SmallWorld::default().stores());
        Self(Applier::new(client.clone(), AGENT_MANAGER), Fences::new(&client, stores))
    }

    async fn apply(&self, gathered: &Gathered) -> (Applied, Result<(), ApplyError>) {
        apply((&self.0, &self.1), gathered, &desired(gathered)).await
    }
}

#[tokio::test]
async fn what_others_mount_is_sent_before_those_that_mount_it_and_a_second_apply_sends_nothing() {
    let (api, gathered) = (RecordingApi::default(), company());
    let sender = Senders::refused(&api, "nothing", 403);
    let (applied, sent) = sender.apply(&gathered).await;
    sent.unwrap();
    assert!(applied.sent && applied.deployment.unwrap().sent && applied.service);
    let map = format!("PATCH configmaps/{}", config_map(&gathered));
    let order = [
        "PATCH networkpolicies/creel-fence",
        "PATCH serviceaccounts/concierge-gateway",
        "PATCH networkpolicies/concierge-gateway",
        "PATCH persistentvolumeclaims/concierge-claim",
        "PATCH services/concierge-gateway",
        &map,
        "PATCH deployments/concierge-gateway",
    ];
    assert_eq!(api.take_writes(), order);
    let (applied, sent) = sender.apply(&gathered).await;
    sent.unwrap();
    assert!(!applied.sent && !applied.deployment.unwrap().sent);
    assert_eq!(api.take(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_child_is_a_fault_and_ends_the_apply_before_what_needs_it() {
    let (api, gathered) = (RecordingApi::default(), company());
    let sender = Senders::refused(&api, "networkpolicies/concierge", 403);
    let (applied, sent) = sender.apply(&gathered).await;
    sent.unwrap();
    assert_eq!(applied.fault.unwrap().reason, reason::CHILD_REJECTED);
    assert!(applied.plan.is_none() && applied.config.is_none() && applied.deployment.is_none() && !applied.service);
    assert!(!api.take().iter().any(|request| request.contains("deployments")));
}

#[tokio::test]
async fn without_a_fence_nothing_is_made_that_may_become_a_pod() {
    let (api, gathered) = (RecordingApi::default(), company());
    let (applied, sent) = Senders::refused(&api, "networkpolicies/creel-fence", 403).apply(&gathered).await;
    sent.unwrap();
    assert_eq!(applied.fault.unwrap().reason, reason::CHILD_REJECTED);
    assert_eq!(api.take_writes(), ["PATCH networkpolicies/creel-fence"]);

    let metadata = ObjectMeta { name: Some(FENCE_NAME.to_owned()), ..ObjectMeta::default() };
    api.holds(&NetworkPolicy { metadata, spec: None });
    let (applied, sent) = Senders::refused(&api, "nothing", 403).apply(&gathered).await;
    sent.unwrap();
    let fault = applied.fault.unwrap();
    assert_eq!(fault.reason, reason::NAME_CONFLICT);
    assert!(fault.message.contains("NetworkPolicy \"creel-fence\""), "{}", fault.message);
    assert_eq!(api.take_writes(), [""; 0]);
}

#[tokio::test]
async fn a_refused_deployment_leaves_the_one_before_and_the_configuration_for_the_next() {
    let (api, mut gathered) = (RecordingApi::default(), company());
    settle(&mut gathered);
    let sender = Senders::refused(&api, "deployments/", 422);
    let (applied, sent) = sender.apply(&gathered).await;
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
    let sender = Senders::refused(&api, "persistentvolumeclaims/", 422);
    let (applied, sent) = sender.apply(&gathered).await;
    sent.unwrap();
    assert_eq!(applied.fault.unwrap().reason, reason::CLAIM_CHANGE_REJECTED);
    assert!(applied.deployment.unwrap().sent);
}

#[tokio::test]
async fn an_api_server_that_fails_is_an_error_and_no_fault_and_what_was_sent_is_known() {
    let (api, gathered) = (RecordingApi::default(), company());
    let sender = Senders::refused(&api, "deployments/", 500);
    let (applied, sent) = sender.apply(&gathered).await;
    assert!(sent.is_err());
    assert!(applied.fault.is_none() && applied.sent && applied.config.is_some());
}

/// The gateway of `concierge`, exposed so.
fn exposed(route: &serde_json::Value) -> Gathered {
    let mut gathered = company();
    let mut exposure = serde_json::json!({"host": "claw.example.com"});
    exposure.as_object_mut().unwrap().extend(route.as_object().unwrap().clone());
    let gateway = serde_json::json!({"exposure": exposure});
    edit(&mut gathered, "concierge", |agent| agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap()));
    gathered
}

#[tokio::test]
async fn a_way_from_outside_is_there_with_the_field_and_goes_with_it_before_what_could_fail() {
    let (api, mut gathered) = (RecordingApi::default(), exposed(&serde_json::json!({"ingress": {}})));
    let sender = Senders::refused(&api, "nothing", 403);
    let (applied, sent) = sender.apply(&gathered).await;
    sent.unwrap();
    assert_eq!(applied.exposed, Some(Ok(())));
    let writes = api.take_writes();
    let place = |write: &str| writes.iter().position(|sent| sent == write).unwrap();
    assert!(place("PATCH ingresses/concierge-gateway") < place("PATCH deployments/concierge-gateway"), "{writes:?}");
    let Optional::Wanted(ingress) = desired(&gathered).ingress else { panic!("no Ingress") };
    gathered.live.ingress = Some(Arc::new(Observed::new(ingress, AGENT_MANAGER)));
    edit(&mut gathered, "concierge", |agent| agent.spec.gateway.as_mut().unwrap().exposure = None);
    let (applied, sent) = sender.apply(&gathered).await;
    sent.unwrap();
    assert_eq!(applied.exposed, Some(Ok(())));
    assert!(api.take_writes().contains(&"DELETE ingresses/concierge-gateway".to_owned()));
}

#[tokio::test]
async fn a_route_that_is_refused_or_unknown_is_in_nobodys_way() {
    let route = serde_json::json!({"httpRoute": {"parentRefs": [{"name": "edge"}]}});
    let rejected = reason::CHILD_REJECTED;
    for (code, reason) in [(404, reason::ROUTE_KIND_NOT_SERVED), (403, rejected), (500, rejected)] {
        let (api, gathered) = (RecordingApi::default(), exposed(&route));
        let (applied, sent) = Senders::refused(&api, "httproutes/", code).apply(&gathered).await;
        sent.unwrap();
        assert!(applied.fault.is_none() && applied.deployment.unwrap().sent);
        assert_eq!(applied.exposed.unwrap().unwrap_err().reason, reason);
    }
}

#[tokio::test]
async fn peers_that_kubernetes_refuses_leave_the_policy_as_it_is_and_stop_nothing() {
    let peers = serde_json::json!({"ingress": {}, "from": [{"podSelector": {}}]});
    for (mut gathered, is_opened) in [(exposed(&peers), true), (company(), false)] {
        let api = RecordingApi::default();
        settle(&mut gathered);
        let Desired { network_policy, .. } = desired(&gathered);
        gathered.live.network_policy = Some(Arc::new(Observed::new(network_policy, AGENT_MANAGER)));
        let (applied, sent) = Senders::refused(&api, "networkpolicies/concierge-gateway", 422).apply(&gathered).await;
        sent.unwrap();
        let route = applied.exposed.and_then(Result::err).map(|fault| fault.reason);
        let whole = applied.fault.map(|fault| fault.reason);
        let rejected = Some(reason::CHILD_REJECTED);
        assert_eq!((route, whole), if is_opened { (rejected, None) } else { (None, rejected) });
        let is_deployed = api.take_writes().iter().any(|write| write == "PATCH deployments/concierge-gateway");
        assert_eq!(is_deployed, is_opened);
    }
}

#[tokio::test]
async fn a_gateway_that_would_rest_on_what_is_somebody_elses_is_stopped() {
    for (kind, name) in [("ConfigMap", ""), ("NetworkPolicy", "concierge-gateway"), ("NetworkPolicy", FENCE_NAME)] {
        let (api, mut gathered) = (RecordingApi::default(), company());
        settle(&mut gathered);
        let name = if kind == "ConfigMap" { config_map(&gathered) } else { name.to_owned() };
        gathered.live.config_maps.clear();
        let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
        match kind {
            "ConfigMap" => api.holds(&ConfigMap { metadata, ..ConfigMap::default() }),
            _ => api.holds(&NetworkPolicy { metadata, spec: None }),
        }
        let (applied, sent) = Senders::refused(&api, "nothing", 403).apply(&gathered).await;
        sent.unwrap();
        assert_eq!(applied.fault.unwrap().reason, reason::NAME_CONFLICT);
        assert_eq!(api.take_writes().last().map(String::as_str), Some("PATCH deployments/concierge-gateway"), "{kind}");
        let mut stopped = gathered.live.deployment.as_deref().unwrap().clone();
        stopped.object.spec.as_mut().unwrap().replicas = Some(0);
        gathered.live.deployment = Some(Arc::new(stopped));
        Senders::refused(&api, "nothing", 403).apply(&gathered).await.1.unwrap();
        assert!(!api.take_writes().iter().any(|request| request.contains("deployments")), "{kind}");
    }
}

#[tokio::test]
async fn a_service_of_somebody_else_stops_no_gateway() {
    let (api, mut gathered) = (RecordingApi::default(), company());
    settle(&mut gathered);
    let metadata = ObjectMeta { name: Some("concierge-gateway".to_owned()), ..ObjectMeta::default() };
    api.holds(&Service { metadata, ..Service::default() });
    let (applied, sent) = Senders::refused(&api, "nothing", 403).apply(&gathered).await;
    sent.unwrap();
    assert_eq!(applied.fault.unwrap().reason, reason::NAME_CONFLICT);
    assert!(!api.take_writes().iter().any(|request| request.contains("deployments")));
}

#[tokio::test]
async fn a_child_of_a_deleted_agent_of_the_same_name_is_waited_for() {
    let (api, gathered) = (RecordingApi::default(), company());
    let mut before = desired(&gathered).network_policy;
    before.metadata.owner_references.as_mut().unwrap()[0].uid = "old".to_owned();
    api.holds(&before);
    let (applied, sent) = Senders::refused(&api, "nothing", 403).apply(&gathered).await;
    sent.unwrap();
    let fault = applied.fault.unwrap();
    assert_eq!(fault.reason, reason::BEING_DELETED);
    assert!(fault.message.contains("NetworkPolicy \"concierge-gateway\""), "{}", fault.message);
    assert!(!api.take_writes().iter().any(|write| write.contains("deployments")));
}

/// The object as somebody else has made it.
fn edited_by<K: Child>(object: &K, version: u64) -> Arc<Observed<K>> {
    let mut object = object.clone();
    object.meta_mut().uid = Some("uid".to_owned());
    object.meta_mut().resource_version = Some(version.to_string());
    let observed = Observed::new(object, AGENT_MANAGER);
    Arc::new(Observed { own: Some(version), writer: "reloader".to_owned(), ..observed })
}

#[tokio::test]
async fn what_leads_to_pods_is_put_back_however_often_somebody_changes_it() {
    let (api, mut gathered) = (RecordingApi::default(), company());
    let sender = Senders::refused(&api, "nothing", 403);
    sender.apply(&gathered).await.1.unwrap();
    let Desired { service, .. } = desired(&gathered);
    for version in 0..5 {
        api.take();
        gathered.live.service = Some(edited_by(&service, version));
        let (applied, sent) = sender.apply(&gathered).await;
        sent.unwrap();
        assert_eq!(api.take_writes(), ["PATCH services/concierge-gateway"], "{version}");
        assert!(applied.fault.is_none(), "{:?}", applied.fault);
    }
}

#[tokio::test]
async fn a_gateway_is_stopped_while_somebody_keeps_changing_what_confines_it() {
    let (api, mut gathered) = (RecordingApi::default(), company());
    settle(&mut gathered);
    gathered.live.pods = vec![Arc::default()];
    let sender = Senders::refused(&api, "nothing", 403);
    sender.apply(&gathered).await.1.unwrap();
    let (policy, stop) = ("PATCH networkpolicies/concierge-gateway", "PATCH deployments/concierge-gateway");
    let Desired { network_policy, .. } = desired(&gathered);
    for version in 0..5 {
        api.take();
        gathered.live.network_policy = Some(edited_by(&network_policy, version));
        let (applied, sent) = sender.apply(&gathered).await;
        sent.unwrap();
        assert!(applied.fault.is_none(), "{:?}", applied.fault);
        let stopped = applied.stopped.map(|fault| (fault.reason, fault.message));
        assert_eq!(stopped.is_some(), version >= 3, "{version}");
        let expected = if version == 3 { vec![policy, stop] } else { vec![policy] };
        assert_eq!(api.take_writes(), expected, "{version}");
        if version == 3 {
            let mut scaled = gathered.live.deployment.as_ref().unwrap().object.clone();
            scaled.spec.as_mut().unwrap().replicas = Some(0);
            gathered.live.deployment = Some(Arc::new(Observed::new(scaled, AGENT_MANAGER)));
        }
        if let Some((reason, message)) = stopped {
            assert_eq!(reason, reason::CONTESTED);
            let words = ["\"reloader\"", "NetworkPolicy \"concierge-gateway\"", "are stopped"];
            assert!(words.iter().all(|words| message.contains(words)), "{message}");
        }
    }

    gathered.live.pods.clear();
    gathered.live.network_policy = Some(edited_by(&network_policy, 5));
    assert!(sender.apply(&gathered).await.0.stopped.is_some());
    assert_eq!(api.take_writes(), [""; 0], "nothing runs that it would confine");

    edit(&mut gathered, "concierge", |_| {});
    let (applied, sent) = sender.apply(&gathered).await;
    sent.unwrap();
    assert!(applied.stopped.is_none() && applied.fault.is_none(), "an edit of the Agent: {:?}", applied.fault);
    assert_eq!(api.take_writes(), [policy, stop]);
}

#[tokio::test]
async fn a_disputed_deployment_is_put_back_at_once_where_its_pod_would_be_less_confined() {
    let (api, mut gathered) = (RecordingApi::default(), company());
    settle(&mut gathered);
    let sender = Senders::refused(&api, "nothing", 403);
    sender.apply(&gathered).await.1.unwrap();
    let desired = desired(&gathered).deployment.unwrap();
    let pod = |change: &dyn Fn(&mut PodSpec)| {
        let mut edited = desired.clone();
        change(edited.spec.as_mut().unwrap().template.spec.as_mut().unwrap());
        edited
    };
    let host = pod(&|pod| pod.host_network = Some(true));
    let with = |name: &str| {
        let variable = EnvVar { name: name.to_owned(), value: Some("x".to_owned()), ..EnvVar::default() };
        pod(&|pod| pod.containers[0].env.get_or_insert_default().push(variable.clone()))
    };
    let (harmless, preloads) = (with("STAKATER_TOKEN"), with("NODE_OPTIONS_MORE"));
    let first = [(0, &harmless, true), (1, &harmless, true), (2, &harmless, true)];
    for (version, edited, is_put_back) in
        first.into_iter().chain([(3, &harmless, false), (4, &host, true), (5, &harmless, false), (6, &preloads, true)])
    {
        api.take();
        gathered.live.deployment = Some(edited_by(edited, version));
        let (applied, sent) = sender.apply(&gathered).await;
        sent.unwrap();
        let writes = api.take_writes();
        assert_eq!(writes.contains(&"PATCH deployments/concierge-gateway".to_owned()), is_put_back, "{version}");
        let fault = applied.fault.map(|fault| (fault.reason, fault.message));
        assert_eq!(fault.is_some(), version >= 3, "{fault:?}");
        if let Some((reason, message)) = fault {
            assert_eq!(reason, reason::CONTESTED);
            assert!(message.contains("\"reloader\"") && message.contains("Deployment"), "{message}");
        }
    }
}

#[tokio::test]
async fn a_deployment_that_somebody_goes_on_changing_while_its_pod_is_stopped_stays_stopped() {
    let (api, mut gathered) = (RecordingApi::default(), company());
    settle(&mut gathered);
    gathered.live.pods = vec![Arc::default()];
    let sender = Senders::refused(&api, "nothing", 403);
    sender.apply(&gathered).await.1.unwrap();
    let mut host = desired(&gathered).deployment.unwrap();
    host.spec.as_mut().unwrap().template.spec.as_mut().unwrap().host_network = Some(true);
    for version in 0..6 {
        gathered.live.deployment = Some(edited_by(&host, version));
        api.take();
        let stopped = sender.apply(&gathered).await.0.stopped;
        assert_eq!(stopped.is_some(), version >= 3, "{version}");
        if stopped.is_some() {
            let is_scaled = api.take_writes().contains(&"PATCH deployments/concierge-gateway".to_owned());
            assert!(is_scaled, "{version}");
            gathered.live.pods.clear();
        }
    }
    let owner = gathered.owner.uid().unwrap();
    let later = Instant::now() + Duration::from_mins(11);
    assert!(sender.0.ledger.disputed(&owner, later).is_some(), "the last edit is still there");
}

#[tokio::test]
async fn a_child_that_is_refused_does_not_keep_the_pod_from_being_stopped_nor_hide_why() {
    let (api, mut gathered) = (RecordingApi::default(), company());
    settle(&mut gathered);
    gathered.live.pods = vec![Arc::default()];
    let sender = Senders::refused(&api, "services/", 422);
    let Desired { network_policy, .. } = desired(&gathered);
    for version in 0..5 {
        api.take();
        gathered.live.network_policy = Some(edited_by(&network_policy, version));
        let (applied, sent) = sender.apply(&gathered).await;
        sent.unwrap();
        assert_eq!(applied.fault.unwrap().reason, reason::CHILD_REJECTED);
        let is_stopped = api.take_writes().contains(&"PATCH deployments/concierge-gateway".to_owned());
        assert_eq!((applied.stopped.is_some(), is_stopped), (version >= 4, version >= 4), "{version}");
    }
}
