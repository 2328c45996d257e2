//! Who may do what: the operator what it does and no more, and people what their roles in a namespace say.

use std::collections::BTreeSet;

use e2e::chart::workspace;
use e2e::cluster::{Cluster, RELEASE_NAME, RELEASE_NAMESPACE};
use e2e::command::run;
use e2e::suite::{SOON, client, in_namespace};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, RoleBinding};
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use serde::Deserialize;
use serde_json::json;

const OPERATOR: &str = "system:serviceaccount:creel-system:creel-operator";

/// Whether the user may do it in the namespace, or in all of them.
async fn may(client: &Client, user: &str, verb: &str, resource: &str, namespace: Option<&str>) -> bool {
    let (group, resource) = resource.split_once('/').expect("<group>/<resource>");
    let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(r, s)| (r, Some(s)));
    let attributes = ResourceAttributes {
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        verb: Some(verb.to_owned()),
        namespace: namespace.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let groups = vec!["system:serviceaccounts".to_owned(), "system:authenticated".to_owned()];
    let spec = SubjectAccessReviewSpec {
        user: Some(user.to_owned()),
        groups: Some(groups),
        resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let answered = reviews.create(&PostParams::default(), &review).await.expect("a review");
    answered.status.expect("an answer").allowed
}

#[tokio::test]
async fn the_operator_may_do_what_it_does_in_every_namespace() {
    let client = client().await;
    for (resource, verbs) in [
        ("creel.dev/agents", "get list watch"),
        ("creel.dev/providers", "get list watch"),
        ("creel.dev/sandboxes", "get list watch"),
        ("creel.dev/cronjobs", "get list watch"),
        ("creel.dev/agents/status", "patch"),
        ("creel.dev/providers/status", "patch"),
        ("creel.dev/sandboxes/status", "patch"),
        ("creel.dev/cronjobs/status", "patch"),
        ("/secrets", "get list watch create"),
        ("/configmaps", "get list watch create patch update delete"),
        ("/services", "get list watch create patch update delete"),
        ("/serviceaccounts", "get list watch create patch"),
        ("/persistentvolumeclaims", "get list watch create patch"),
        ("/pods", "get list watch create patch delete"),
        ("apps/deployments", "get list watch create patch update"),
        ("apps/replicasets", "get list watch"),
        ("networking.k8s.io/networkpolicies", "get list watch create patch update delete"),
        ("networking.k8s.io/ingresses", "get list watch create patch update delete"),
        ("gateway.networking.k8s.io/httproutes", "get list watch create patch update delete"),
        ("events.k8s.io/events", "create patch"),
    ] {
        for verb in verbs.split(' ') {
            assert!(may(&client, OPERATOR, verb, resource, None).await, "{verb} {resource}");
        }
    }
    for verb in ["create", "get", "update"] {
        let named = may(&client, OPERATOR, verb, "coordination.k8s.io/leases", Some(RELEASE_NAMESPACE)).await;
        assert_eq!(named, verb == "create", "get and update are for one Lease by name");
    }
}

#[tokio::test]
async fn the_operator_may_do_nothing_else() {
    let client = client().await;
    let writes = ["create", "update", "patch", "delete", "deletecollection"];
    for (resource, verbs) in [
        ("creel.dev/agents", &writes[..]),
        ("creel.dev/providers", &writes),
        ("creel.dev/sandboxes", &writes),
        ("creel.dev/cronjobs", &writes),
        ("creel.dev/agents/finalizers", &["update"]),
        ("creel.dev/cronjobs/finalizers", &["update"]),
        ("/secrets", &writes[1..]),
        ("/persistentvolumeclaims", &["update", "delete", "deletecollection"]),
        ("/serviceaccounts", &["update", "delete"]),
        ("/serviceaccounts/token", &["create"]),
        ("/services", &["deletecollection"]),
        ("/pods", &["update", "deletecollection"]),
        ("/pods/exec", &["create", "get"]),
        ("/pods/attach", &["create"]),
        ("/pods/portforward", &["create"]),
        ("/pods/log", &["get"]),
        ("/pods/eviction", &["create"]),
        ("/nodes", &["get", "list", "watch"]),
        ("/nodes/proxy", &["get"]),
        ("/namespaces", &["get", "list", "watch", "create", "delete"]),
        ("/persistentvolumes", &["get", "list"]),
        ("apps/deployments", &["delete"]),
        ("apps/replicasets", &writes),
        ("apps/daemonsets", &["create"]),
        ("batch/jobs", &["create"]),
        ("batch/cronjobs", &["get", "list", "create"]),
        ("networking.k8s.io/networkpolicies", &["deletecollection"]),
        ("networking.k8s.io/ingresses", &["deletecollection"]),
        ("networking.k8s.io/ingressclasses", &["get", "list", "create"]),
        ("gateway.networking.k8s.io/httproutes", &["deletecollection"]),
        ("gateway.networking.k8s.io/gateways", &["get", "list", "create"]),
        ("rbac.authorization.k8s.io/clusterroles", &["get", "create", "bind", "escalate"]),
        ("rbac.authorization.k8s.io/rolebindings", &["get", "create"]),
        ("apiextensions.k8s.io/customresourcedefinitions", &["get", "patch"]),
        ("admissionregistration.k8s.io/validatingwebhookconfigurations", &["create"]),
        ("/users", &["impersonate"]),
    ] {
        for verb in verbs {
            assert!(!may(&client, OPERATOR, verb, resource, None).await, "{verb} {resource}");
            let own = may(&client, OPERATOR, verb, resource, Some(RELEASE_NAMESPACE)).await;
            assert!(!own, "{verb} {resource} in its own namespace");
        }
    }
}

fn granted(rules: &[PolicyRule]) -> BTreeSet<String> {
    let mut granted = BTreeSet::new();
    for rule in rules {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                granted.extend(rule.verbs.iter().map(|verb| format!("{verb} {group}/{resource}")));
            }
        }
    }
    granted
}

#[tokio::test]
async fn the_role_in_the_cluster_is_the_charts_and_names_no_star() {
    let cluster = Cluster::open().await.expect("a cluster");
    let mut helm = cluster.helm();
    helm.args(["template", RELEASE_NAME]).arg(workspace().join("charts/creel"));
    let text =
        run(helm.args(["--namespace", RELEASE_NAMESPACE, "--show-only", "templates/rbac.yaml"])).await.expect("helm");
    let chart = serde_yaml::Deserializer::from_str(&text)
        .filter_map(|document| ClusterRole::deserialize(document).ok())
        .find(|role| role.rules.is_some())
        .expect("a ClusterRole in the chart");
    let roles: Api<ClusterRole> = Api::all(client().await);
    let live = roles.get(&chart.name_any()).await.expect("the role in the cluster");
    let (live, chart) = (granted(&live.rules.expect("rules")), granted(&chart.rules.expect("rules")));
    assert_eq!(live, chart);
    assert!(live.iter().all(|right| !right.contains('*')), "{live:?}");
}

#[tokio::test]
async fn viewers_see_agents_and_editors_and_admins_write_them() {
    in_namespace("roles", async |namespace| {
        let bindings: Api<RoleBinding> = Api::namespaced(namespace.client.clone(), &namespace.name);
        for (role, writes) in [("view", false), ("edit", true), ("admin", true)] {
            let user = format!("{role}er-{}", namespace.name);
            let binding: RoleBinding = serde_json::from_value(json!({
                "metadata": {"name": role},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
            }))
            .expect("a binding");
            bindings.create(&PostParams::default(), &binding).await.expect("a binding can be made");
            let here = Some(namespace.name.as_str());
            for resource in ["creel.dev/agents", "creel.dev/cronjobs", "creel.dev/providers", "creel.dev/sandboxes"] {
                // The authorizer hears of the binding a moment later.
                namespace
                    .eventually(&format!("{role} lists {resource}"), SOON, async || {
                        let sees = may(&namespace.client, &user, "list", resource, here).await;
                        if sees { Ok(()) } else { Err("not yet".to_owned()) }
                    })
                    .await;
                for verb in ["create", "update", "patch", "delete"] {
                    assert_eq!(
                        may(&namespace.client, &user, verb, resource, here).await,
                        writes,
                        "{role} {verb} {resource}"
                    );
                }
                assert!(!may(&namespace.client, &user, "list", resource, Some("default")).await, "{role} elsewhere");
                let status = format!("{resource}/status");
                assert!(!may(&namespace.client, &user, "patch", &status, here).await, "{role} {status}");
            }
        }
    })
    .await;
}
