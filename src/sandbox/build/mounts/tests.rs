use k8s_openapi::api::core::v1::Container;
use serde_json::{Value, json};

use super::*;
use crate::sandbox::fixtures::{self, edit_sandbox, office, plan};

/// The Pod of a Sandbox with these fields.
fn pod(fields: &Value) -> Pod {
    let mut office = office();
    let mut spec = serde_json::to_value(&office.sandbox.as_ref().unwrap().spec).unwrap();
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    edit_sandbox(&mut office, |sandbox| sandbox.spec = serde_json::from_value(spec).unwrap());
    office.mounted.version = (!office.sandbox.as_ref().unwrap().spec.files.is_empty()).then(|| "one".to_owned());
    fixtures::pod(&office, &plan(&office))
}

fn container(pod: &Pod, name: &str) -> Container {
    let spec = pod.spec.clone().unwrap();
    let mut all = spec.init_containers.unwrap().into_iter().chain(spec.containers);
    all.find(|container| container.name == name).unwrap()
}

/// Each mount of the container as `volume path`, with what is special about it.
fn mounted(pod: &Pod, of: &str) -> Vec<String> {
    let mounts = container(pod, of).volume_mounts.unwrap().into_iter();
    let told = mounts.map(|mount| {
        let read_only = if mount.read_only == Some(true) { " ro" } else { "" };
        let sub_path = mount.sub_path.map(|path| format!(" of {path}")).unwrap_or_default();
        format!("{} {}{read_only}{sub_path}", mount.name, mount.mount_path)
    });
    told.collect()
}

fn volume(pod: &Pod, name: &str) -> Value {
    let volumes = pod.spec.as_ref().unwrap().volumes.clone().unwrap();
    serde_json::to_value(volumes.into_iter().find(|volume| volume.name == name).unwrap()).unwrap()
}

fn files() -> Value {
    json!({"files": [
        {"mountPath": "/home/agent/.claude", "secretRef": {"name": "login"}},
        {"mountPath": "/opt/tools", "configMapRef": {"name": "scripts"}},
    ]})
}

#[test]
fn files_are_whole_directories_that_only_the_shell_sees_and_only_reads() {
    let pod = pod(&files());
    let ours = |of: &str| mounted(&pod, of).into_iter().filter(|mount| mount.starts_with("files-")).collect::<Vec<_>>();
    assert_eq!(ours("shell"), ["files-0 /home/agent/.claude ro", "files-1 /opt/tools ro"]);
    assert_eq!(["prepare", "isolation"].map(ours), [const { Vec::<String>::new() }; 2]);
    assert_eq!(
        volume(&pod, "files-0"),
        json!({"name": "files-0", "secret": {"secretName": "login", "defaultMode": 0o440}})
    );
    let map = json!({"name": "files-1", "configMap": {"name": "scripts", "defaultMode": 0o555}});
    assert_eq!(volume(&pod, "files-1"), map);
    assert_eq!(
        pod.spec.as_ref().unwrap().security_context.as_ref().unwrap().fs_group,
        Some(1000),
        "its group reads them"
    );
    assert_eq!(pod.metadata.annotations.unwrap()["creel.dev/files"], "one");
}

#[test]
fn a_volume_that_is_only_read_is_attached_so() {
    let pod = pod(&json!({"volumes": [
        {"mountPath": "/data", "persistentVolumeClaim": {"claimName": "nas"}, "readOnly": true},
        {"mountPath": "/export", "nfs": {"server": "nas.example.com", "path": "/notes"}},
    ]}));
    assert_eq!(
        mounted(&pod, "shell").into_iter().rev().take(2).collect::<Vec<_>>(),
        ["volume-1 /export", "volume-0 /data ro"]
    );
    let claim = json!({"name": "volume-0", "persistentVolumeClaim": {"claimName": "nas", "readOnly": true}});
    assert_eq!(volume(&pod, "volume-0"), claim);
    let nfs = json!({"name": "volume-1", "nfs": {"server": "nas.example.com", "path": "/notes", "readOnly": false}});
    assert_eq!(volume(&pod, "volume-1"), nfs);
}

#[test]
fn a_home_is_a_directory_of_the_users_own_on_the_claim_with_what_is_mounted_over() {
    let mut fields = files();
    fields["home"] = json!({"size": "5Gi"});
    let pod = pod(&fields);
    assert!(mounted(&pod, "shell").contains(&"home /home/agent of home".to_owned()));
    assert!(mounted(&pod, "prepare").contains(&"home /home-claim".to_owned()));
    let prepared = container(&pod, "prepare").command.unwrap();
    let of_home: Vec<_> = prepared.iter().filter(|argument| argument.starts_with("/home-claim")).collect();
    assert_eq!(of_home, ["/home-claim:home", "/home-claim:home/.claude"]);
    let claim = json!({"name": "home", "persistentVolumeClaim": {"claimName": "writer-home", "readOnly": false}});
    assert_eq!(volume(&pod, "home"), claim);
    let environment = container(&pod, "shell").env.unwrap();
    let home = environment.iter().find(|variable| variable.name == "HOME").unwrap();
    assert_eq!(home.value.as_deref(), Some("/home/agent"));
}

#[test]
fn the_claim_of_a_home_outlives_its_agent() {
    let mut office = office();
    edit_sandbox(&mut office, |sandbox| sandbox.spec.home = serde_json::from_value(json!({"size": "5Gi"})).unwrap());
    let home = office.sandbox.as_ref().unwrap().spec.home.clone().unwrap();
    let claim = super::super::home::build(&office.agent, &SandboxNames::of("writer"), &home);
    assert_eq!((claim.metadata.name.as_deref(), claim.metadata.owner_references), (Some("writer-home"), None));
    assert_eq!(claim.metadata.labels.unwrap()["creel.dev/agent"], "writer");
    assert_eq!(claim.spec.unwrap().resources.unwrap().requests.unwrap()["storage"].0, "5Gi");
}

#[test]
fn only_the_shell_has_a_token_and_only_of_the_account_that_is_named() {
    let pod = pod(&json!({"serviceAccountName": "cluster-reader"}));
    let spec = pod.spec.as_ref().unwrap();
    assert_eq!(spec.service_account_name.as_deref(), Some("cluster-reader"));
    assert_eq!(spec.automount_service_account_token, Some(false), "nothing else mounts it");
    assert!(mounted(&pod, "shell").contains(&"token /var/run/secrets/kubernetes.io/serviceaccount ro".to_owned()));
    for of in ["creel-shell", "prepare", "isolation"] {
        assert!(!mounted(&pod, of).iter().any(|mount| mount.starts_with("token ")), "{of}");
    }
    let sources = volume(&pod, "token")["projected"]["sources"].clone();
    assert_eq!(sources[0], json!({"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}));
    assert!(has_token(&pod) && !has_token(&self::pod(&json!({}))));
}

#[test]
fn what_is_taken_away_is_told_from_what_is_added_or_moved() {
    let claim = |path: &str, read_only: bool| json!({"volumes": [{"mountPath": path, "persistentVolumeClaim": {"claimName": "nas"}, "readOnly": read_only}]});
    let account = |name: &str| json!({"serviceAccountName": name});
    for (before, after, is_less) in [
        (files(), json!({}), true),
        (json!({}), files(), false),
        (files(), json!({"files": [files()["files"][1].clone(), files()["files"][0].clone()]}), false),
        (claim("/data", false), claim("/data", true), true),
        (claim("/data", true), claim("/nas", false), false),
        (account("reader"), json!({}), true),
        (account("reader"), account("writer"), true),
        (json!({}), account("reader"), false),
        (json!({"home": {"size": "1Gi"}}), json!({}), false),
    ] {
        assert_eq!(withdraws(&pod(&before), &pod(&after)), is_less, "{before} {after}");
    }
}
