use k8s_openapi::api::core::v1::PodSpec;

use super::*;
use crate::gateway::fixtures::{company, edit, plan, settings};

fn pod() -> PodSpec {
    let gathered = company();
    let names = GatewayNames::of("concierge");
    pod_spec::build(&names, &plan(&gathered).pod.unwrap(), &settings().shell_image).spec.unwrap()
}

#[test]
fn the_children_of_a_gateway_look_like_this() {
    let gathered = company();
    let (owner, names) = (&gathered.owner, GatewayNames::of("concierge"));
    insta::assert_yaml_snapshot!("service_account", service_account::build(owner, &names));
    insta::assert_yaml_snapshot!("network_policy", network_policy::build(owner, &names, "creel-system"));
    insta::assert_yaml_snapshot!("claim", claim::build(owner, &names));
    insta::assert_yaml_snapshot!("service", service::build(owner, &names));
    let pod = plan(&gathered).pod.unwrap();
    insta::assert_yaml_snapshot!("deployment", deployment::build(owner, &names, &pod, "creel:test", None));
}

#[test]
fn every_container_drops_all_rights_and_writes_only_to_volumes() {
    let pod = pod();
    let containers: Vec<_> = pod.init_containers.unwrap().into_iter().chain(pod.containers).collect();
    assert_eq!(containers.len(), 3);
    for container in containers {
        let context = container.security_context.unwrap();
        assert_eq!(context.read_only_root_filesystem, Some(true), "{}", container.name);
        assert_eq!(context.allow_privilege_escalation, Some(false), "{}", container.name);
        assert_eq!(context.capabilities.unwrap().drop.unwrap(), ["ALL"], "{}", container.name);
    }
    assert_eq!(pod.automount_service_account_token, Some(false));
}

#[test]
fn each_variable_stands_once_and_the_users_never_wins_over_ours() {
    let environment = pod().containers.remove(0).env.unwrap();
    let mut names: Vec<_> = environment.iter().map(|variable| variable.name.clone()).collect();
    let all = names.len();
    names.dedup();
    assert_eq!(all, names.len());
    assert!(names.contains(&"HTTPS_PROXY".to_owned()));
}

#[test]
fn the_heap_follows_the_memory_limit_of_the_user() {
    let mut gathered = company();
    edit(&mut gathered, "concierge", |agent| {
        let gateway = serde_json::json!({"resources": {"limits": {"memory": "4Gi"}}});
        agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap());
    });
    let plan = plan(&gathered).pod.unwrap();
    let pod = pod_spec::build(&GatewayNames::of("concierge"), &plan, "creel:test").spec.unwrap();
    let environment = pod.containers[0].env.clone().unwrap();
    let options = environment.into_iter().find(|variable| variable.name == "NODE_OPTIONS").unwrap();
    assert_eq!(options.value.unwrap(), "--max-old-space-size=3072");
}

#[test]
fn a_retained_claim_has_no_owner_and_a_deleted_one_has() {
    let mut gathered = company();
    let names = GatewayNames::of("concierge");
    assert_eq!(claim::build(&gathered.owner, &names).unwrap().metadata.owner_references, None);
    edit(&mut gathered, "concierge", |agent| {
        let gateway = serde_json::json!({"storage": {"retention": "Delete"}});
        agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap());
    });
    assert!(claim::build(&gathered.owner, &names).unwrap().metadata.owner_references.is_some());
}
