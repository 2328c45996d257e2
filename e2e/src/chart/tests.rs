//! What the chart promises, on what it renders (`manifests/install.yaml`) and on its own files. Reads the checkout.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde::Deserialize;
use serde_yaml::Value;

use super::workspace;

fn rendered() -> Vec<Value> {
    let text = fs::read_to_string(workspace().join("manifests/install.yaml")).unwrap();
    serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect()
}

fn operator(kind: &str) -> Value {
    let documents = rendered();
    documents.into_iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == "creel-operator").unwrap()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_sequence().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

fn templates() -> String {
    let directory = fs::read_dir(workspace().join("charts/creel/templates")).unwrap();
    directory.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn the_operator_may_not_change_what_people_write_and_not_overwrite_a_secret() {
    let role = operator("ClusterRole");
    for rule in role["rules"].as_sequence().unwrap() {
        let (resources, verbs) = (texts(&rule["resources"]), texts(&rule["verbs"]));
        let writes: Vec<_> = verbs.iter().filter(|verb| !["get", "list", "watch"].contains(verb)).copied().collect();
        assert!(!resources.contains(&"*") && !verbs.contains(&"*"), "{resources:?}");
        for resource in resources {
            match resource {
                "agents" | "providers" | "sandboxes" => assert!(writes.is_empty(), "{resource}: {writes:?}"),
                "secrets" => assert_eq!(writes, ["create"]),
                "persistentvolumeclaims" => assert!(!writes.contains(&"delete")),
                _ => {}
            }
        }
    }
}

#[test]
fn every_rule_says_why_it_is_there() {
    let file = fs::read_to_string(workspace().join("charts/creel/templates/rbac.yaml")).unwrap();
    let lines: Vec<&str> = file.lines().collect();
    let rules: Vec<_> = (0..lines.len()).filter(|&at| lines[at].trim_start().starts_with("- apiGroups:")).collect();
    let explained = |at: usize| {
        let before = lines[..at].iter().rev();
        // Two rules about one resource share their reason.
        before
            .take(6)
            .take_while(|line| !line.trim().ends_with("rules:"))
            .any(|line| line.trim_start().starts_with('#'))
    };
    let bare: Vec<_> = rules.iter().filter(|&&at| !explained(at)).map(|at| at + 1).collect();
    assert!(rules.len() > 10 && bare.is_empty(), "rules without a reason at the lines {bare:?} of rbac.yaml");
}

/// RBAC names kinds; what the objects contain is limited by a policy of their kind.
#[test]
fn whatever_kind_the_operator_writes_a_policy_limits_what_it_writes() {
    let documents = rendered();
    let of_kind = |kind: &'static str| documents.iter().filter(move |document| document["kind"] == kind);
    let enforced: Vec<_> = of_kind("ValidatingAdmissionPolicyBinding")
        .filter(|binding| texts(&binding["spec"]["validationActions"]) == ["Deny"])
        .map(|binding| &binding["spec"]["policyName"])
        .collect();
    let account = operator("ServiceAccount")["metadata"].clone();
    let user = format!(
        "system:serviceaccount:{}:{}",
        account["namespace"].as_str().unwrap(),
        account["name"].as_str().unwrap()
    );
    let mut limited = Vec::new();
    for policy in of_kind("ValidatingAdmissionPolicy") {
        let spec = &policy["spec"];
        let rule = &spec["matchConstraints"]["resourceRules"][0];
        assert!(enforced.contains(&&policy["metadata"]["name"]) && spec["failurePolicy"] == "Fail");
        assert_eq!(texts(&rule["operations"]), ["CREATE", "UPDATE", "DELETE"]);
        assert_eq!(spec["matchConditions"][0]["expression"], format!("request.userInfo.username == '{user}'"));
        limited.push((texts(&rule["apiGroups"])[0], texts(&rule["resources"])[0]));
    }
    // Creel's own kinds: their status. Events: of these objects.
    let others = ["creel.dev", "events.k8s.io"];
    for rule in operator("ClusterRole")["rules"].as_sequence().unwrap() {
        let group = texts(&rule["apiGroups"])[0];
        if others.contains(&group) || texts(&rule["verbs"]).iter().all(|verb| ["get", "list", "watch"].contains(verb)) {
            continue;
        }
        for resource in texts(&rule["resources"]) {
            assert!(limited.contains(&(group, resource)), "{group}/{resource}");
        }
    }
}

#[test]
fn every_value_is_used() {
    fn walk(path: &str, value: &Value, templates: &str, unused: &mut Vec<String>) {
        let name = format!(".Values.{path}");
        let taken_whole = templates.match_indices(&name).any(|(at, _)| {
            !templates[at + name.len()..].starts_with(|next: char| next == '.' || next.is_alphanumeric())
        });
        match value.as_mapping() {
            _ if taken_whole => {}
            Some(members) if !members.is_empty() => {
                for (member, value) in members {
                    walk(&format!("{path}.{}", member.as_str().unwrap()), value, templates, unused);
                }
            }
            _ => unused.push(path.to_owned()),
        }
    }
    let values = fs::read_to_string(workspace().join("charts/creel/values.yaml")).unwrap();
    let values: Value = serde_yaml::from_str(&values).unwrap();
    let (templates, mut unused) = (templates(), Vec::new());
    for (name, value) in values.as_mapping().unwrap() {
        walk(name.as_str().unwrap(), value, &templates, &mut unused);
    }
    assert!(unused.is_empty(), "values that no template uses: {unused:?}");
}

/// `helm upgrade --reuse-values` takes the values of the chart before, which does not have the sections that are newer.
#[test]
fn the_values_of_an_older_chart_are_enough() {
    let templates = templates();
    for section in ["network", "dns", "admissionPolicies"] {
        let strict = format!(".Values.{section}.");
        assert!(!templates.contains(&strict), "a template fails where values lack `{section}`");
    }
}

#[test]
fn the_operator_runs_under_the_restricted_standard() {
    let pod = &operator("Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(texts(&container["securityContext"]["capabilities"]["drop"]), ["ALL"]);
    assert!(container["resources"]["limits"].get("cpu").is_none());
}

/// Gateways admit the Pod with these labels.
#[test]
fn the_operators_pod_has_the_labels_that_gateways_admit() {
    let labels = operator("Deployment")["spec"]["template"]["metadata"]["labels"].clone();
    assert_eq!(labels["app.kubernetes.io/name"], "creel");
    assert_eq!(labels["app.kubernetes.io/component"], "operator");
}

#[test]
fn the_gateways_shell_comes_from_the_operators_own_image() {
    let pod = &operator("Deployment")["spec"]["template"]["spec"];
    let environment = pod["containers"][0]["env"].as_sequence().unwrap();
    let shell = environment.iter().find(|variable| variable["name"] == "CREEL_SHELL_IMAGE").unwrap();
    assert_eq!(shell["value"], pod["containers"][0]["image"]);
}
