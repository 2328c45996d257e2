use k8s_openapi::api::core::v1::{Container, Pod, VolumeMount};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyEgressRule};
use serde_json::{Value, json};

use super::*;
use crate::api::sandbox::{Network, WorkspaceAccess};
use crate::naming::SandboxNames;
use crate::openclaw::paths;
use crate::pods::network::tests::{METADATA_SERVERS, opens};
use crate::sandbox::fixtures::{self, edit_owner, edit_sandbox, office, plan};
use crate::sandbox::gather::{Found, Gathered};

/// As on Google Cloud, where it is the metadata server too.
const DNS_SERVER: &str = "169.254.169.254";

fn pod_of(gathered: &Gathered) -> Pod {
    fixtures::pod(gathered, &plan(gathered))
}

fn pod_with(access: WorkspaceAccess) -> Pod {
    let mut office = office();
    office.used.workspace_access = Some(access);
    pod_of(&office)
}

fn policy(network: Value) -> NetworkPolicy {
    let network: Network = serde_json::from_value(network).unwrap();
    let dns_servers = [DNS_SERVER.parse().unwrap()];
    network_policy::build(&office().agent, &SandboxNames::of("writer"), "concierge", &network, &dns_servers)
}

fn egress(network: Value) -> Vec<NetworkPolicyEgressRule> {
    policy(network).spec.unwrap().egress.unwrap()
}

fn container(pod: &Pod, name: &str) -> Container {
    let spec = pod.spec.clone().unwrap();
    let mut all = spec.init_containers.unwrap().into_iter().chain(spec.containers);
    all.find(|container| container.name == name).unwrap()
}

fn claim_mount(pod: &Pod, name: &str) -> Option<VolumeMount> {
    container(pod, name).volume_mounts.unwrap().into_iter().find(|mount| mount.name == "claim")
}

/// `HOME` is the user's here: Creel sets none.
#[test]
fn reserved_variables_of_a_whole_secret_have_no_effect_in_a_sandbox_and_are_named() {
    let mut office = office();
    let env_from = json!([{"secretRef": {"name": "team"}}]);
    edit_sandbox(&mut office, |sandbox| sandbox.spec.env_from = serde_json::from_value(env_from).unwrap());
    let names = ["API_KEY", "HOME", "LD_PRELOAD", "NODE_OPTIONS", "OPENCLAW_SKIP_CRON"];
    fixtures::secret(&mut office, "team", &names.map(|name| (name, "the user's")));
    let environment = container(&pod_of(&office), "shell").env.unwrap();
    let empty = environment.iter().filter(|variable| variable.value.as_deref() == Some(""));
    assert_eq!(empty.map(|variable| variable.name.as_str()).collect::<Vec<_>>(), names[2..]);
    let warnings = crate::sandbox::validate::validate(&office).warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(names.map(|name| warnings[0].message.contains(name)), [false, false, true, true, true]);
}

#[test]
fn the_children_of_a_sandbox_look_like_this() {
    let names = SandboxNames::of("writer");
    insta::assert_yaml_snapshot!("pod_rw", pod_with(WorkspaceAccess::Rw));
    insta::assert_yaml_snapshot!("pod_ro", pod_with(WorkspaceAccess::Ro));
    insta::assert_yaml_snapshot!("pod_none", pod_with(WorkspaceAccess::None));
    insta::assert_yaml_snapshot!("service", service::build(&office().agent, &names));
    insta::assert_yaml_snapshot!("network_policy_none", policy(json!({})));
    insta::assert_yaml_snapshot!("network_policy_internet", policy(json!({"egress": "Internet"})));
    let allow = json!([
        {"cidr": "10.0.0.0/24", "ports": [443]},
        {"podSelector": {"matchLabels": {"app": "gitea"}}, "namespaceSelector": {}, "ports": [3000, 22]},
        {"podSelector": {}}
    ]);
    insta::assert_yaml_snapshot!("network_policy_all_and_exceptions", policy(json!({"egress": "All", "allow": allow})));
}

#[test]
fn every_container_drops_all_rights_and_writes_only_to_volumes() {
    let pod = pod_with(WorkspaceAccess::Rw);
    for name in ["creel-shell", "prepare", "isolation", "shell"] {
        let context = container(&pod, name).security_context.unwrap();
        assert_eq!(context.read_only_root_filesystem, Some(true), "{name}");
        assert_eq!(context.allow_privilege_escalation, Some(false), "{name}");
        assert_eq!(context.capabilities.unwrap().drop.unwrap(), ["ALL"], "{name}");
    }
    let spec = pod.spec.unwrap();
    assert_eq!((spec.automount_service_account_token, spec.service_account_name), (Some(false), None));
    assert_eq!(spec.security_context.unwrap().run_as_user, Some(1000));
}

#[test]
fn the_workspace_is_mounted_where_openclaw_works_for_writing_and_where_it_looks_for_reading() {
    let directory = paths::sandbox_directory("writer", "/home/node/.openclaw/workspaces/writer");
    for (access, at, read_only) in [(WorkspaceAccess::Rw, "workspace", false), (WorkspaceAccess::Ro, "agent", true)] {
        let pod = pod_with(access);
        for name in ["shell", "isolation"] {
            let mount = claim_mount(&pod, name).unwrap();
            assert_eq!(mount.mount_path, format!("{directory}/{at}"));
            assert_eq!(mount.sub_path.as_deref(), Some("workspaces/writer"));
            assert_eq!(mount.read_only, Some(read_only));
        }
        assert!(container(&pod, "shell").command.unwrap().contains(&directory), "creel-shell keeps it");
    }
}

#[test]
fn the_workspace_on_an_adopted_claim_is_mounted_where_openclaw_looks_for_it() {
    let mut office = office();
    edit_owner(&mut office, |owner| {
        let storage = json!({"storage": {"existingClaim": "openclaw-home-pvc", "adopt": {"stateSubPath": "data"}}});
        owner.spec.gateway = Some(serde_json::from_value(storage).unwrap());
    });
    let mount = claim_mount(&pod_of(&office), "shell").unwrap();
    assert_eq!(mount.sub_path.as_deref(), Some("data/workspace-writer"));
    let directory = paths::sandbox_directory("writer", "/home/node/.openclaw/data/workspace-writer");
    assert_eq!(mount.mount_path, format!("{directory}/workspace"));
}

#[test]
fn without_access_nothing_of_the_workspace_is_there_and_the_pod_may_run_anywhere() {
    let pod = pod_with(WorkspaceAccess::None);
    let spec = pod.spec.clone().unwrap();
    assert!(spec.volumes.unwrap().iter().all(|volume| volume.persistent_volume_claim.is_none()));
    assert_eq!(spec.affinity, None);
    assert_eq!(claim_mount(&pod, "prepare"), None);
}

#[test]
fn only_a_claim_of_one_node_ties_the_pod_to_its_gateway() {
    let mut office = office();
    assert!(pod_of(&office).spec.unwrap().affinity.is_some());
    office.access_modes = Found::Here(vec!["ReadWriteMany".into()]);
    assert_eq!(pod_of(&office).spec.unwrap().affinity, None);
}

#[test]
fn the_affinity_of_the_user_holds_beside_ours() {
    let mut office = office();
    edit_sandbox(&mut office, |sandbox| {
        let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "gitea"}}});
        let affinity = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
        sandbox.spec.pod_template = serde_json::from_value(json!({"affinity": affinity})).unwrap();
    });
    let affinity = pod_of(&office).spec.unwrap().affinity.unwrap().pod_affinity.unwrap();
    let keys = affinity.required_during_scheduling_ignored_during_execution.unwrap();
    assert_eq!(
        keys.iter().map(|term| term.topology_key.as_str()).collect::<Vec<_>>(),
        ["zone", "kubernetes.io/hostname"]
    );
}

#[test]
fn only_the_host_key_of_the_secret_is_mounted() {
    let volumes = pod_with(WorkspaceAccess::Rw).spec.unwrap().volumes.unwrap();
    let secrets: Vec<_> = volumes.into_iter().filter_map(|volume| volume.secret).collect();
    assert_eq!(secrets.len(), 1);
    let keys: Vec<_> = secrets[0].items.iter().flatten().map(|item| item.key.as_str()).collect();
    assert_eq!(keys, ["host-key"]);
    assert_eq!(secrets[0].default_mode, Some(0o440));
}

#[test]
fn the_memory_limit_of_the_user_stands_beside_the_default_requests() {
    let mut office = office();
    edit_sandbox(&mut office, |sandbox| {
        sandbox.spec.resources = serde_json::from_value(json!({"limits": {"memory": "4Gi"}})).unwrap();
    });
    let resources = container(&pod_of(&office), "shell").resources.unwrap();
    assert_eq!(resources.limits.unwrap()["memory"].0, "4Gi");
    assert_eq!(resources.requests.unwrap()["cpu"].0, "100m");
}

#[test]
fn a_sandbox_reaches_nothing_by_default() {
    assert_eq!(egress(json!({})), []);
}

#[test]
fn an_exception_opens_its_own_ports_of_its_own_addresses_only() {
    let rules = egress(json!({"allow": [{"cidr": "10.0.0.0/24", "ports": [443]}, {"cidr": "10.1.0.0/24"}]}));
    assert_eq!(rules.len(), 2);
    let block = rules[0].to.as_ref().unwrap()[0].ip_block.as_ref().unwrap();
    assert_eq!((block.cidr.as_str(), rules[0].ports.as_ref().unwrap().len()), ("10.0.0.0/24", 1));
    assert_eq!(rules[1].ports, None);
}

#[test]
fn only_the_own_gateway_comes_in() {
    let ingress = policy(json!({"egress": "All"})).spec.unwrap().ingress.unwrap();
    let from = ingress[0].from.as_ref().unwrap();
    let labels = from[0].pod_selector.as_ref().unwrap().match_labels.as_ref().unwrap();
    assert_eq!((ingress.len(), from.len(), labels["creel.dev/gateway"].as_str()), (1, 1, "concierge"));
}

#[test]
fn no_network_opens_a_metadata_server_and_dns_is_open_where_names_are_of_use() {
    for (network, dns) in [("None", false), ("Internet", true), ("All", true)] {
        let rules = egress(json!({"egress": network}));
        for server in METADATA_SERVERS {
            assert!(!opens(&rules, server, "TCP", 80), "{network}: {server}");
        }
        for protocol in ["TCP", "UDP"] {
            assert_eq!(opens(&rules, DNS_SERVER, protocol, 53), dns, "{network}");
        }
    }
}

#[test]
fn a_metadata_server_that_the_user_allows_is_open() {
    for network in ["None", "Internet", "All"] {
        let rules = egress(json!({"egress": network, "allow": [{"cidr": "168.63.129.16/32", "ports": [80]}]}));
        assert!(opens(&rules, "168.63.129.16", "TCP", 80), "{network}");
    }
}
