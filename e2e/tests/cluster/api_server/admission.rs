//! The operator's account in the wrong hands: what its role allows by kind and verb, and the chart's admission policies refuse. The
//! administrator impersonates the account; nearly all of it is a dry run.

use e2e::cluster::RELEASE_NAMESPACE;
use e2e::suite::operator::OPERATOR_USER;
use e2e::suite::{FENCE, SOON, TestNamespace, client, client_as, in_namespace, resource};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::stage::{make, merged, said, uid, with_children};

/// A node that there is not: no Pod of these tests starts.
const NOWHERE: &str = "example.com/no-such-node";

/// The operator's account.
struct Operator {
    client: Client,
    namespace: String,
    /// The owner reference of the operator's children.
    agent: Value,
}

impl Operator {
    /// Owns objects by the Agent `a` of this namespace. Returns once the policies are in force.
    async fn of(namespace: &TestNamespace) -> Self {
        let owner = uid(namespace, "Agent", "a").await;
        let agent =
            json!({"apiVersion": "creel.dev/v1alpha1", "kind": "Agent", "name": "a", "uid": owner, "controller": true});
        let operator = Self { client: client_as(OPERATOR_USER).await, namespace: namespace.name.clone(), agent };
        let forbidden = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
        namespace
            .eventually("the policies are in force", SOON, async || match operator.creates(&forbidden).await {
                Err(words) if words.contains("ValidatingAdmissionPolicy") => Ok(()),
                answered => Err(format!("{answered:?}")),
            })
            .await;
        operator
    }

    fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &resource(kind))
    }

    /// What the operator may create: with its label and its owner.
    fn child(&self, object: Value) -> Value {
        let labels = json!({"app.kubernetes.io/managed-by": "creel"});
        merged(json!({"metadata": {"labels": labels, "ownerReferences": [self.agent]}}), object)
    }

    /// A Pod as hardened as that of a sandbox.
    fn pod(&self, spec: Value) -> Value {
        let container = json!({"name": "shell", "image": "none:1",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
            "automountServiceAccountToken": false,
            "nodeSelector": {NOWHERE: "true"},
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container]}});
        merged(self.child(pod), json!({"spec": spec}))
    }

    async fn creates(&self, object: &Value) -> Result<(), String> {
        self.creates_in(&self.namespace, object).await
    }

    async fn creates_in(&self, namespace: &str, object: &Value) -> Result<(), String> {
        let kind = object["kind"].as_str().expect("a kind");
        let object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
        let params = PostParams { dry_run: true, ..PostParams::default() };
        told(self.api(kind, namespace).create(&params, &object).await)
    }

    async fn patches(&self, kind: &str, name: &str, change: &Value) -> Result<(), String> {
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        told(self.api(kind, &self.namespace).patch(name, &params, &Patch::Strategic(change)).await)
    }

    async fn deletes(&self, kind: &str, name: &str) -> Result<(), String> {
        let params = DeleteParams { dry_run: true, ..DeleteParams::default() };
        told(self.api(kind, &self.namespace).delete(name, &params).await)
    }
}

/// `Err` holds the API server's words.
fn told<T>(answer: Result<T, kube::Error>) -> Result<(), String> {
    answer.map(|_| ()).map_err(|error| said(&error))
}

/// Not for want of a right, and not by Pod Security: by a policy of the chart, which says why.
fn is_refused(answer: Result<(), String>, what: &str, why: &str) {
    match answer {
        Err(words) => assert!(words.contains("ValidatingAdmissionPolicy") && words.contains(why), "{what}: {words}"),
        Ok(()) => panic!("the operator can do this: {what}"),
    }
}

/// What belongs to somebody else in the namespace.
async fn strangers(namespace: &TestNamespace) {
    let container = json!({"name": "c", "image": "none:1",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}});
    let spec = json!({"nodeSelector": {NOWHERE: "true"}, "containers": [container],
        "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}});
    let named = |kind: &str, rest: Value| {
        merged(json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "theirs"}}), rest)
    };
    make(namespace, &named("ServiceAccount", json!({}))).await;
    make(namespace, &named("ConfigMap", json!({"data": {"a": "b"}}))).await;
    make(namespace, &named("Pod", json!({"spec": spec}))).await;
    let template = json!({"metadata": {"labels": {"app": "theirs"}}, "spec": spec});
    let deployment = json!({"apiVersion": "apps/v1", "spec": {"replicas": 0, "template": template,
        "selector": {"matchLabels": {"app": "theirs"}}}});
    make(namespace, &named("Deployment", deployment)).await;
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "spec": {"podSelector": {}, "policyTypes": ["Egress"]}});
    make(namespace, &named("NetworkPolicy", policy)).await;
}

const OF_SYSTEM: &str = "does not write to namespaces of the system or to its own";
const NOT_OWNED: &str = "writes only objects whose controller is an Agent";
const TOKEN: &str = "a token of its ServiceAccount";

#[tokio::test]
async fn the_operator_starts_no_pod_that_has_more_rights_than_a_sandbox() {
    in_namespace("rights-pods", async |namespace| {
        with_children(&namespace, json!({})).await;
        strangers(&namespace).await;
        let operator = Operator::of(&namespace).await;
        operator.creates(&operator.pod(json!({}))).await.expect("a Pod as the operator writes it");
        let scheduled = json!({"tolerations": [{"operator": "Exists"}], "priorityClassName": "system-node-critical",
            "runtimeClassName": null, "volumes": [{"name": "s", "secret": {"secretName": "a-secret"}}]});
        operator.creates(&operator.pod(scheduled)).await.expect("what the template of a Pod may say");

        for system in ["kube-system", RELEASE_NAMESPACE] {
            is_refused(operator.creates_in(system, &operator.pod(json!({}))).await, system, OF_SYSTEM);
        }
        let projected = json!([{"serviceAccountToken": {"path": "token"}}]);
        for (what, spec, why) in [
            ("another account", json!({"serviceAccountName": "theirs"}), "a ServiceAccount other than default"),
            ("its token", json!({"automountServiceAccountToken": true}), TOKEN),
            ("a token by default", json!({"automountServiceAccountToken": null}), TOKEN),
            (
                "a token in a volume",
                json!({"volumes": [{"name": "t", "projected": {"sources": projected}}]}),
                "a volume",
            ),
        ] {
            is_refused(operator.creates(&operator.pod(spec)).await, what, why);
        }
        let nfs = json!({"volumes": [{"name": "n", "nfs": {"server": "nas", "path": "/"}}]});
        let refused = operator.creates(&operator.pod(nfs.clone())).await.expect_err("an NFS volume where it is forbidden");
        assert!(refused.contains("PodSecurity") && !refused.contains("ValidatingAdmissionPolicy"), "{refused}");
        operator.creates_in("default", &operator.pod(nfs.clone())).await.expect("an NFS volume of a sandbox");
        let template = json!({"spec": {"template": {"spec": nfs}}});
        is_refused(operator.patches("Deployment", "a-gateway", &template).await, "an NFS volume of a gateway", "a volume");
        for (what, metadata, why) in [
            ("no owner", json!({"ownerReferences": null}), NOT_OWNED),
            ("no label", json!({"labels": null}), "no label"),
            (
                "another owner",
                json!({"ownerReferences": [merged(operator.agent.clone(), json!({"kind": "Secret"}))]}),
                NOT_OWNED,
            ),
            (
                "no controller",
                json!({"ownerReferences": [merged(operator.agent.clone(), json!({"controller": false}))]}),
                NOT_OWNED,
            ),
        ] {
            let pod = merged(operator.pod(json!({})), json!({"metadata": metadata}));
            is_refused(operator.creates(&pod).await, what, why);
        }

        let set =
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a-gateway-1", "uid": "1", "controller": true});
        let of_gateway = |account: &str| {
            let owned = json!({"metadata": {"ownerReferences": [set]}, "spec": {"serviceAccountName": account}});
            merged(operator.pod(json!({})), owned)
        };
        operator.creates(&of_gateway("a-gateway")).await.expect("a dry run of a gateway's next Pod");
        let another = operator.creates(&of_gateway("theirs")).await;
        is_refused(another, "a dry run with another account", "a ServiceAccount other than default");
        let pod: DynamicObject = serde_json::from_value(of_gateway("a-gateway")).expect("a Pod");
        let created = operator.api("Pod", &operator.namespace).create(&PostParams::default(), &pod).await;
        is_refused(told(created), "a gateway's Pod", NOT_OWNED);
    })
    .await;
}

#[tokio::test]
async fn the_operator_starts_no_pod_that_reaches_its_node() {
    in_namespace("rights-nodes", async |namespace| {
        with_children(&namespace, json!({})).await;
        let operator = Operator::of(&namespace).await;
        let container = |context: Value, port: Value| json!({"containers": [{"name": "c", "image": "none:1", "securityContext": context, "ports": [port]}]});
        let port = json!({"containerPort": 80});
        // Here no Pod Security stands before the policies.
        for (what, spec, why) in [
            ("hostPath", json!({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}), "a volume"),
            ("hostNetwork", json!({"hostNetwork": true}), "hostNetwork"),
            ("hostPID", json!({"hostPID": true}), "hostPID"),
            ("hostIPC", json!({"hostIPC": true}), "hostIPC"),
            ("privileged", container(json!({"privileged": true}), port.clone()), "a privileged container"),
            ("SYS_ADMIN", container(json!({"capabilities": {"add": ["SYS_ADMIN"]}}), port.clone()), "an added capability"),
            ("hostPort", container(json!({}), json!({"containerPort": 80, "hostPort": 80})), "a hostPort"),
        ] {
            is_refused(operator.creates_in("default", &operator.pod(spec.clone())).await, what, why);
            let template = json!({"spec": {"template": {"spec": spec}}});
            let deployment = operator.patches("Deployment", "a-gateway", &template).await;
            is_refused(deployment, &format!("{what} in a Deployment"), why);
        }
    })
    .await;
}

#[tokio::test]
async fn the_operator_changes_nothing_that_belongs_to_somebody_else() {
    in_namespace("rights-foreign", async |namespace| {
        with_children(&namespace, json!({})).await;
        strangers(&namespace).await;
        let operator = Operator::of(&namespace).await;
        let image = json!({"spec": {"containers": [{"name": "c", "image": "evil.example/x:1"}]}});
        // An owner of ours in the same request makes no difference: it counts what the object is before.
        let taken = operator.child(json!({}));
        for (kind, change) in [
            ("Pod", merged(taken.clone(), image.clone())),
            ("Deployment", merged(taken.clone(), json!({"spec": {"template": image}}))),
            (
                "ServiceAccount",
                merged(taken.clone(), json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "x"}}})),
            ),
            ("ConfigMap", merged(taken.clone(), json!({"data": {"a": "c"}}))),
            ("NetworkPolicy", merged(taken.clone(), json!({"spec": {"egress": [{}]}}))),
        ] {
            is_refused(operator.patches(kind, "theirs", &change).await, kind, NOT_OWNED);
        }
        for kind in ["Pod", "ConfigMap", "NetworkPolicy"] {
            is_refused(operator.deletes(kind, "theirs").await, kind, NOT_OWNED);
        }
    })
    .await;
}

#[tokio::test]
async fn the_operator_makes_no_token_and_no_identity() {
    in_namespace("rights-secrets", async |namespace| {
        with_children(&namespace, json!({})).await;
        strangers(&namespace).await;
        let operator = Operator::of(&namespace).await;
        let secret =
            |rest: Value| merged(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}), rest);
        operator.creates(&operator.child(secret(json!({})))).await.expect("a Secret as the operator writes it");
        is_refused(operator.creates(&secret(json!({}))).await, "a Secret of nobody", NOT_OWNED);
        let token = json!({"type": "kubernetes.io/service-account-token",
            "metadata": {"annotations": {"kubernetes.io/service-account.name": "theirs"}}});
        is_refused(operator.creates(&operator.child(secret(token))).await, "a token", "a type other than Opaque");

        let annotated = |key: &str| json!({"metadata": {"annotations": {key: "x"}}});
        operator.patches("ServiceAccount", "a-gateway", &annotated("example.org/note")).await.expect("a note");
        for role in
            ["eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id"]
        {
            is_refused(
                operator.patches("ServiceAccount", "a-gateway", &annotated(role)).await,
                role,
                "a role in a cloud",
            );
        }
        let account = json!({"spec": {"template": {"spec": {"serviceAccountName": "theirs"}}}});
        let deployment = operator.patches("Deployment", "a-gateway", &account).await;
        is_refused(deployment, "another account", "a ServiceAccount other than that of the gateway");
    })
    .await;
}

#[tokio::test]
async fn the_operator_changes_only_the_metadata_of_a_pod_and_opens_only_what_is_its_own() {
    in_namespace("rights-own", async |namespace| {
        with_children(&namespace, json!({})).await;
        let operator = Operator::of(&namespace).await;
        make(&namespace, &merged(operator.pod(json!({})), json!({"metadata": {"name": "own"}}))).await;
        let note = json!({"metadata": {"annotations": {"creel.dev/drain": "true"}}});
        operator.patches("Pod", "own", &note).await.expect("an annotation of its own Pod");
        let image = json!({"spec": {"containers": [{"name": "shell", "image": "evil.example/x:1"}]}});
        is_refused(operator.patches("Pod", "own", &image).await, "an image", "only the metadata of an existing Pod");
        operator.deletes("Pod", "own").await.expect("its own Pod");

        let others = json!({"spec": {"podSelector": {"matchLabels": {
            "app.kubernetes.io/component": null, "app.kubernetes.io/managed-by": null}}}});
        is_refused(operator.patches("NetworkPolicy", "a-gateway", &others).await, "its rules for all Pods", "a selector of other Pods");
        let open = json!({"spec": {"egress": [{}]}});
        is_refused(operator.patches("NetworkPolicy", FENCE, &open).await, "an open fence", "rules in creel-fence");
        let address = json!({"spec": {"externalIPs": ["203.0.113.1"]}});
        is_refused(operator.patches("Service", "a-gateway", &address).await, "an external address", "externalIPs");
        let claim = operator.child(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": "theirs"}}));
        is_refused(operator.creates(&claim).await, "a volume of somebody else", "a volumeName");
        let ingress = |service: &str| {
            let backend = json!({"service": {"name": service, "port": {"number": 80}}});
            let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
            operator.child(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "a-gateway"},
                "spec": {"rules": [{"host": "claw.example.com", "http": {"paths": paths}}]}}))
        };
        operator.creates(&ingress("a-gateway")).await.expect("an Ingress as the operator writes it");
        is_refused(operator.creates(&ingress("theirs")).await, "the way to others", "a backend other than the gateway");
        let rest = json!({"spec": {"defaultBackend": {"service": {"name": "a-gateway", "port": {"number": 80}}}}});
        let everything = merged(ingress("a-gateway"), rest);
        is_refused(operator.creates(&everything).await, "the way for all hosts", "a default backend");
    })
    .await;
}

#[tokio::test]
async fn kubernetes_finds_no_fault_in_the_types_of_the_policies() {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client().await);
    let ours = ListParams::default().labels("app.kubernetes.io/name=creel");
    let checked = e2e::suite::eventually(SOON, async || {
        let all = policies.list(&ours).await.expect("policies can be listed").items;
        let statuses: Vec<_> = all.into_iter().filter_map(|policy| policy.status?.type_checking).collect();
        if statuses.len() == 10 { Ok(statuses) } else { Err(format!("{} are checked", statuses.len())) }
    });
    for checked in checked.await.expect("all ten are checked") {
        assert!(checked.expression_warnings.iter().flatten().next().is_none(), "{checked:?}");
    }
}
