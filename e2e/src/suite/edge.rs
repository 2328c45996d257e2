//! The edge of a cluster: reverse proxies that end TLS, with the configurations of the documentation, and a browser, as Pods in a namespace
//! of proxies. Touches the network; reads the documentation.

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;

use futures::FutureExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

use super::browser::Browser;
use super::namespace::{START, TestNamespace, apply_namespace};
use super::pods::is_ready;
use crate::chart::workspace;
use crate::cluster::Cluster;
use crate::images::{EDGE_IMAGE, edge};
use crate::progress::Progress;

/// The host of the documentation's examples, for which the proxies answer.
pub const EXPOSED_HOST: &str = "claw.example.com";
/// The namespace of proxies.
pub const EDGE_NAMESPACE: &str = "creel-e2e-edge";
/// Where the documentation has the configurations of the proxies.
const GUIDE: &str = "docs/guides/reaching.md";
/// The Service that they name.
const GATEWAY_IN_GUIDE: &str = "concierge-gateway.assistants.svc";
/// Where the driver of the browser listens.
const DRIVER_PORT: u16 = 9515;

/// What the proxies need beside the documentation's part, because they run without privileges.
const NGINX: &str = "pid /tmp/nginx.pid;
error_log stderr;
events {}
http {
access_log off;
client_body_temp_path /tmp/body;
proxy_temp_path /tmp/proxy;
fastcgi_temp_path /tmp/fastcgi;
uwsgi_temp_path /tmp/uwsgi;
scgi_temp_path /tmp/scgi;
";
const CADDY: &str = "{
admin off
auto_https disable_redirects
http_port 8080
https_port 8443
}
";

/// The proxies in front of one gateway, and a browser.
pub struct Edge {
    /// The namespace of proxies, with what is this test's.
    namespace: TestNamespace,
}

/// Runs a test with the proxies in front of the gateway of `owner`, and a browser. Afterwards, well or not, nothing of them runs.
pub async fn with_edge(gateway: &TestNamespace, owner: &str, test: impl AsyncFnOnce(&Edge)) {
    let edge = Edge::of(gateway).await;
    let ended = AssertUnwindSafe(async {
        edge.start(&format!("{owner}-gateway.{}.svc", gateway.name)).await;
        test(&edge).await;
    });
    let ended = ended.catch_unwind().await;
    edge.end().await;
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

impl Edge {
    /// Nothing of it runs yet. What it needs of the node's image store is brought there.
    async fn of(gateway: &TestNamespace) -> Self {
        let cluster = Cluster::open().await.expect("a cluster");
        let image = edge(&Progress::new()).await.expect("an image");
        cluster.load(&image, &Progress::new()).await.expect("the image can be loaded");
        apply_namespace(&gateway.client, EDGE_NAMESPACE).await;
        Self { namespace: TestNamespace { name: EDGE_NAMESPACE.to_owned(), ..gateway.clone() } }
    }

    /// Starts it in front of this Service.
    async fn start(&self, gateway: &str) {
        for object in self.objects(gateway) {
            self.namespace.apply(&object.to_string()).await;
        }
        for pod in ["nginx", "caddy", "browser"] {
            self.running(pod, None).await;
        }
    }

    /// Selects the proxies, as `exposure.from` does.
    #[must_use]
    pub fn peer(scope: &str) -> Value {
        json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": EDGE_NAMESPACE}},
            "podSelector": {"matchLabels": {"edge": scope}, "matchExpressions": [
                {"key": "part", "operator": "In", "values": ["nginx", "caddy"]}]},
        })
    }

    /// A browser with a profile of its own, which finds every host at this proxy.
    pub async fn browse(&self, proxy: &str) -> Browser {
        let services: Api<Service> = Api::namespaced(self.namespace.client.clone(), EDGE_NAMESPACE);
        let service = services.get(&self.named(proxy)).await.expect("a Service");
        let address = service.spec.and_then(|spec| spec.cluster_ip).expect("a Service has an address");
        let driver = self.running("browser", None).await.1;
        Browser::open(SocketAddr::new(driver, DRIVER_PORT), &format!("MAP * {address}")).await
    }

    /// Replaces the Pod of a proxy.
    pub async fn replace(&self, proxy: &str) {
        let (before, _) = self.running(proxy, None).await;
        let pods: Api<Pod> = Api::namespaced(self.namespace.client.clone(), EDGE_NAMESPACE);
        pods.delete(&before, &DeleteParams::default()).await.expect("a Pod can be deleted");
        self.running(proxy, Some(&before)).await;
    }

    /// Deletes all of it; nobody waits for that.
    async fn end(&self) {
        let selector = ListParams::default().labels(&format!("edge={}", self.namespace.scope));
        for kind in ["Deployment", "Pod", "Service", "ConfigMap", "Secret"] {
            let deleted = self.namespace.api(kind).delete_collection(&DeleteParams::default(), &selector).await;
            if let Err(error) = deleted {
                eprintln!("{kind} of the edge: {error}");
            }
        }
    }

    fn named(&self, part: &str) -> String {
        format!("{}-{part}", self.namespace.scope)
    }

    fn labels(&self, part: &str) -> Value {
        json!({"edge": self.namespace.scope, "part": part})
    }

    /// Waits until another Pod than `before` is ready: its name and address.
    async fn running(&self, part: &str, before: Option<&str>) -> (String, IpAddr) {
        let pods: Api<Pod> = Api::namespaced(self.namespace.client.clone(), EDGE_NAMESPACE);
        let selector = ListParams::default().labels(&format!("edge={},part={part}", self.namespace.scope));
        let found = async || {
            let listed = pods.list(&selector).await.map_err(|error| error.to_string())?.items;
            let ready = listed.iter().filter(|pod| is_ready(pod) && pod.metadata.deletion_timestamp.is_none());
            let mut others = ready.filter(|pod| pod.metadata.name.as_deref() != before);
            let pod = others
                .next()
                .ok_or_else(|| json!(listed.iter().map(|pod| &pod.status).collect::<Vec<_>>()).to_string())?;
            let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()).and_then(|ip| ip.parse().ok());
            Ok((pod.metadata.name.clone().unwrap_or_default(), address.ok_or("it has no address")?))
        };
        self.namespace.eventually(&format!("the Pod of {part} is ready"), START, found).await
    }

    fn objects(&self, gateway: &str) -> Vec<Value> {
        let key = rcgen::generate_simple_self_signed([EXPOSED_HOST.to_owned()]).expect("a certificate");
        let tls = json!({"tls.crt": key.cert.pem(), "tls.key": key.signing_key.serialize_pem()});
        let object = |api: &str, kind: &str, part: &str, rest: Value| {
            let mut object = json!({"apiVersion": api, "kind": kind});
            object["metadata"] = json!({"name": self.named(part), "labels": self.labels(part)});
            merge(object, rest)
        };
        let mut objects = vec![
            object("v1", "Secret", "tls", json!({"stringData": tls})),
            object("v1", "ConfigMap", "proxies", json!({"data": configurations(gateway)})),
        ];
        let nginx = ["nginx", "-c", "/etc/edge/nginx.conf", "-g", "daemon off;"];
        let caddy = ["caddy", "run", "--adapter", "caddyfile", "--config", "/etc/edge/Caddyfile"];
        for (proxy, command) in [("nginx", &nginx[..]), ("caddy", &caddy)] {
            let volumes = json!([
                {"name": "configuration", "configMap": {"name": self.named("proxies")}},
                {"name": "tls", "secret": {"secretName": self.named("tls")}}]);
            let mounts =
                json!([{"name": "configuration", "mountPath": "/etc/edge"}, {"name": "tls", "mountPath": "/tls"}]);
            let container =
                json!({"command": command, "volumeMounts": mounts, "readinessProbe": {"tcpSocket": {"port": 8443}}});
            let template = json!({
                "metadata": {"labels": self.labels(proxy)},
                "spec": merge(pod(container), json!({"volumes": volumes})),
            });
            let selector = json!({"matchLabels": self.labels(proxy)});
            objects.push(object(
                "apps/v1",
                "Deployment",
                proxy,
                json!({"spec": {"selector": selector, "template": template}}),
            ));
            let ports = json!([{"port": 443, "targetPort": 8443}]);
            objects.push(object(
                "v1",
                "Service",
                proxy,
                json!({"spec": {"selector": self.labels(proxy), "ports": ports}}),
            ));
        }
        let driver = json!({
            "command": ["chromedriver", format!("--port={DRIVER_PORT}"), "--allowed-ips="],
            "readinessProbe": {"httpGet": {"path": "/status", "port": DRIVER_PORT}},
        });
        objects.push(object("v1", "Pod", "browser", json!({"spec": pod(driver)})));
        objects
    }
}

/// A Pod of one container, as Pod Security `restricted` wants it.
fn pod(container: Value) -> Value {
    let base = json!({
        "name": "main",
        "image": EDGE_IMAGE,
        "env": [{"name": "HOME", "value": "/tmp"}],
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    let security = json!({"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}});
    json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 2,
        "securityContext": security,
        "containers": [merge(base, container)],
    })
}

/// The members of both objects.
fn merge(mut into: Value, from: Value) -> Value {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
    into
}

/// The documentation's configurations of nginx and Caddy, for this gateway, on ports that need no privileges.
fn configurations(gateway: &str) -> Value {
    let guide = std::fs::read_to_string(Path::new(&workspace()).join(GUIDE)).expect("the guide");
    let block = |begins: &str| {
        let blocks = guide.split("```").skip(1).step_by(2);
        let mut fitting = blocks
            .filter_map(|block| block.split_once('\n'))
            .map(|(_, text)| text)
            .filter(|text| text.starts_with(begins));
        let block = fitting.next().unwrap_or_else(|| panic!("{GUIDE} has a block that begins with {begins:?}"));
        assert!(block.contains(GATEWAY_IN_GUIDE), "{block}");
        block.replace(GATEWAY_IN_GUIDE, gateway)
    };
    let nginx = block("map $http_upgrade").replace("listen 443", "listen 8443");
    let site = format!("{EXPOSED_HOST} {{\n");
    let caddy = block(&site).replace(&site, &format!("{site}  tls /tls/tls.crt /tls/tls.key\n"));
    json!({"nginx.conf": format!("{NGINX}{nginx}}}\n"), "Caddyfile": format!("{CADDY}{caddy}")})
}
