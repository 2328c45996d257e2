mod exposure;
mod relay;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::api::networking::v1::NetworkPolicyEgressRule;

use super::*;
use crate::api::sandbox::Egress;
use crate::gateway::fixtures::{company, edit, keep, plan, secret, settings, settle};
use crate::gateway::plan::PodPlan;
use crate::openclaw::paths;
use crate::pods::network::tests::{METADATA_SERVERS, opens};
use crate::references::digests::{Read, SourceKind};

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
    let settings = Settings { dns_servers: vec!["169.254.20.10".parse().unwrap()], ..settings() };
    insta::assert_yaml_snapshot!("network_policy", network_policy::build(owner, &names, &settings));
    insta::assert_yaml_snapshot!("claim", claim::build(owner, &names));
    insta::assert_yaml_snapshot!("service", service::build(owner, &names));
    let pod = plan(&gathered).pod.unwrap();
    insta::assert_yaml_snapshot!("deployment", deployment::build(owner, &names, &pod, "creel:test", None));
}

#[test]
fn an_adopted_claim_is_mounted_whole_and_its_state_and_workspaces_are_where_they_were() {
    let mut gathered = company();
    let storage = serde_json::json!({"storage": {"existingClaim": "openclaw-home-pvc", "adopt": {}}});
    edit(&mut gathered, "concierge", |agent| agent.spec.gateway = Some(serde_json::from_value(storage).unwrap()));
    let plan = plan(&gathered);
    let pod = pod_spec::build(&GatewayNames::of("concierge"), plan.pod.as_ref().unwrap(), "creel:test").spec.unwrap();
    let gateway = &pod.containers[0];
    let mount = gateway.volume_mounts.iter().flatten().find(|mount| mount.name == "claim").unwrap();
    assert_eq!((mount.mount_path.as_str(), &mount.sub_path), ("/home/node/.openclaw", &None));
    let state = gateway.env.iter().flatten().find(|variable| variable.name == "OPENCLAW_STATE_DIR").unwrap();
    assert_eq!(state.value.as_deref(), Some("/home/node/.openclaw"));
    let config = plan.config.unwrap();
    let workspace = |agent: &str| config.value()["agents"]["entries"][agent]["workspace"].clone();
    assert_eq!(workspace("concierge"), "/home/node/.openclaw/workspace");
    assert_eq!(workspace("writer"), "/home/node/.openclaw/workspace-writer");
}

/// The rules for outgoing connections under this limit.
fn egress(most: Egress) -> Vec<NetworkPolicyEgressRule> {
    let settings = Settings { max_egress: most, ..settings() };
    network_policy::build(&company().owner, &GatewayNames::of("concierge"), &settings).spec.unwrap().egress.unwrap()
}

#[test]
fn under_the_administrators_limit_a_gateway_reaches_its_own_sandboxes_and_nothing_private() {
    for (most, internet) in [(Egress::None, false), (Egress::Internet, true)] {
        let rules = egress(most);
        for address in ["10.96.0.1", "192.168.0.1", "fd00::1"].iter().chain(&METADATA_SERVERS) {
            assert!(!opens(&rules, address, "TCP", 443), "{most:?}: {address}");
        }
        assert_eq!(opens(&rules, "1.1.1.1", "TCP", 443), internet, "{most:?}");
        let last = serde_json::json!(rules.last().unwrap());
        let labels = &last["to"][0]["podSelector"]["matchLabels"];
        assert_eq!(
            (&labels["creel.dev/sandbox-gateway"], &last["ports"][0]["port"]),
            (&"concierge".into(), &2222.into())
        );
        assert_eq!(last["to"].as_array().unwrap().len(), 1);
    }
    assert!(opens(&egress(Egress::All), "10.96.0.1", "TCP", 443));
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

/// The plan and the environment of a gateway that loads a whole Secret with these keys.
fn loading(keys: &[&str]) -> (PodPlan, BTreeMap<String, Option<String>>) {
    let mut gathered = company();
    let gateway = serde_json::json!({"envFrom": [{"secretRef": {"name": "team"}}]});
    edit(&mut gathered, "concierge", |agent| agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap()));
    let data: Vec<(&str, &str)> = keys.iter().map(|key| (*key, "the user's")).collect();
    secret(&mut gathered, "team", &data);
    let plan = plan(&gathered).pod.unwrap();
    let pod = pod_spec::build(&GatewayNames::of("concierge"), &plan, "creel:test").spec.unwrap();
    let variables = pod.containers[0].env.clone().unwrap();
    (plan, variables.into_iter().map(|variable| (variable.name, variable.value)).collect())
}

#[test]
fn reserved_variables_of_a_whole_secret_have_no_effect() {
    let empty = ["OPENCLAW_GATEWAY_PORT", "OPENCLAW_SKIP_CRON", "LD_PRELOAD", "CREEL_SOMETHING"];
    let (_, environment) =
        loading(&[&empty[..], &["HOME", "NODE_OPTIONS", "OPENCLAW_GATEWAY_TOKEN", "API_KEY"]].concat());
    for name in empty {
        assert_eq!(environment[name].as_deref(), Some(""), "{name}");
    }
    assert_eq!(environment["HOME"].as_deref(), Some("/home/node"));
    assert_eq!(environment["NODE_OPTIONS"].as_deref(), Some("--max-old-space-size=1536"));
    assert_eq!(environment["OPENCLAW_GATEWAY_TOKEN"], None, "it comes from the gateway's Secret");
    assert!(!environment.contains_key("API_KEY"));
}

/// A gateway that runs with such a Secret is not replaced by an upgrade.
#[test]
fn a_secret_whose_reserved_variables_creel_sets_anyway_is_no_part_of_the_plan() {
    let part = "the reserved variables of spec.gateway.envFrom";
    let (plan, _) =
        loading(&["HOME", "NODE_OPTIONS", "OPENCLAW_GATEWAY_TOKEN", "CREEL_PROVIDER_OPENAI__KEY", "API_KEY"]);
    assert!(!plan.parts.contains_key(part));
    assert!(loading(&["OPENCLAW_SKIP_CRON"]).0.parts.contains_key(part));
}

#[test]
fn each_variable_stands_once_and_the_users_never_wins_over_ours() {
    let environment = |plan: &PodPlan| {
        let pod = pod_spec::build(&GatewayNames::of("concierge"), plan, "creel:test").spec.unwrap();
        pod.containers[0].env.clone().unwrap()
    };
    let mut plan = plan(&company()).pod.unwrap();
    plan.gateway.env.clear();
    let ours = environment(&plan);
    let names: BTreeSet<&str> = ours.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names.len(), ours.len());
    for name in
        [paths::TOKEN_VARIABLE, paths::SSH_KEY_VARIABLE, paths::NODE_OPTIONS_VARIABLE, "CREEL_PROVIDER_OPENAI__KEY"]
    {
        assert!(names.contains(name), "{name}");
    }
    let users = |name: &str| serde_json::from_value(serde_json::json!({"name": name, "value": "the user's"})).unwrap();
    plan.gateway.env = names.iter().map(|name| users(name)).chain([users("HTTPS_PROXY")]).collect();
    let (of_user, rest): (Vec<_>, Vec<_>) =
        environment(&plan).into_iter().partition(|variable| variable.name == "HTTPS_PROXY");
    assert_eq!(rest, ours);
    assert_eq!(of_user.len(), 1);
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

fn apply() -> Decision {
    Decision::Apply { replaces_pod: false, rollout: None }
}

#[test]
fn a_pod_that_waits_keeps_its_deployment_and_its_configuration() {
    let mut gathered = company();
    settle(&mut gathered);
    let plan = plan(&gathered);
    let waits = build(&gathered, &plan, &Decision::Wait(Duration::from_millis(200)), &settings());
    assert!(waits.deployment.is_none() && waits.config.is_none());
    let outdated = build(&gathered, &plan, &Decision::Outdated, &settings());
    assert!(outdated.deployment.is_none() && outdated.config.is_some());
    let now = build(&gathered, &plan, &apply(), &settings());
    assert!(now.deployment.is_some() && now.config.is_some());
}

#[test]
fn a_pod_that_cannot_be_planned_keeps_its_deployment_and_its_configuration_follows() {
    let mut gathered = company();
    settle(&mut gathered);
    let live = plan(&gathered).pod.unwrap().hash();
    edit(&mut gathered, "concierge", |agent| {
        agent.spec.model.primary.model = "gpt-4o".into();
        let missing = serde_json::json!([{"secretRef": {"name": "gone"}}]);
        agent.spec.gateway.as_mut().unwrap().env_from = serde_json::from_value(missing).unwrap();
    });
    gathered.reads.insert((SourceKind::Secret, "gone".into()), Read::Missing);
    let plan = plan(&gathered);
    assert!(plan.pod.is_err());
    let desired = build(&gathered, &plan, &Decision::UpdateConfigOnly, &settings());
    assert!(desired.deployment.is_none());
    let config = desired.config.unwrap();
    assert_eq!(config.plan, live);
    assert_eq!(config.revision.desired, plan.config);
}

#[test]
fn a_gateway_without_any_agent_to_render_gets_no_deployment() {
    let mut gathered = company();
    for agent in ["concierge", "writer"] {
        edit(&mut gathered, agent, |agent| agent.spec.model.primary.provider = "unknown".into());
    }
    let desired = build(&gathered, &plan(&gathered), &apply(), &settings());
    assert!(desired.config.is_none() && desired.deployment.is_none());
}

#[test]
fn only_config_maps_that_no_pod_mounts_are_obsolete() {
    let mut gathered = company();
    settle(&mut gathered);
    let owned = |name: &str| ConfigMap {
        metadata: metadata(&company().owner, &GatewayNames::of("concierge"), name),
        ..ConfigMap::default()
    };
    for name in ["concierge-config-unused", "concierge-config-mounted", "concierge-accepted"] {
        keep(&mut gathered.live, owned(name));
    }
    let pod = serde_json::json!({"spec": {"containers": [], "volumes": [
        {"name": "config", "configMap": {"name": "concierge-config-mounted"}}]}});
    gathered.live.labelled_pods.push(Arc::new(serde_json::from_value(pod).unwrap()));
    let desired = build(&gathered, &plan(&gathered), &apply(), &settings());
    let obsolete: Vec<_> = desired.obsolete.iter().map(|map| map.object.name_any()).collect();
    assert_eq!(obsolete, ["concierge-config-unused"]);
}
