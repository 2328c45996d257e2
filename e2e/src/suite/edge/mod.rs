//! The edge of a cluster, as Pods in a namespace of proxies: reverse proxies that end TLS, with the configurations of the documentation, and
//! a browser. Touches the network; runs kubectl.
//!
//! `part` has the objects of each Pod, `guide` what the documentation says, `socket` is a client, `gateway_api` brings the kinds that a
//! Gateway follows.

mod gateway_api;
mod guide;
mod part;
mod socket;

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, DeleteParams, ListParams};
use rustls::pki_types::CertificateDer;
use serde_json::json;

use super::browser::Browser;
use super::namespace::{START, TestNamespace, apply_namespace};
use super::pods::is_ready;
use crate::cluster::{Cluster, Programs};
use crate::images::{EDGE_IMAGE, TRAEFIK_IMAGE, edge, traefik};
use crate::kubectl::{apply, run_with};
use crate::progress::Progress;
pub use gateway_api::{with_gateway_api, without_gateway_api};
use part::{DRIVER_PORT, KeyPair, Place, secrets};
pub use part::{Part, exposure};
pub use socket::Connection;

/// The host of the documentation's examples, for which the proxies answer.
pub const EXPOSED_HOST: &str = "claw.example.com";
/// The namespace of proxies.
pub const EDGE_NAMESPACE: &str = "creel-e2e-edge";
/// Where the proxies listen.
const TLS_PORT: u16 = 8443;

/// The proxies in front of one gateway, and a browser.
pub struct Edge {
    cluster: Cluster,
    /// The namespace of proxies, with what is this test's.
    namespace: TestNamespace,
    /// That of the exposed host.
    certificate: CertificateDer<'static>,
    /// What it is made of, as YAML documents.
    objects: String,
}

/// Runs a test with these parts in front of the gateway of `owner`. Afterwards, well or not, nothing of them runs.
pub async fn with_edge(gateway: &TestNamespace, owner: &str, parts: &[Part], test: impl AsyncFnOnce(&Edge)) {
    let edge = Edge::before(gateway, owner, parts).await;
    let ended = AssertUnwindSafe(async {
        edge.start(parts).await;
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
    async fn before(gateway: &TestNamespace, owner: &str, parts: &[Part]) -> Self {
        let cluster = Cluster::open().await.expect("a cluster");
        bring_images(&cluster, parts).await;
        apply_namespace(&gateway.client, EDGE_NAMESPACE).await;
        let (scope, namespace) = (gateway.scope.clone(), gateway.name.clone());
        let place = Place { scope, namespace, service: format!("{owner}-gateway.{}.svc", gateway.name) };
        let pair = rcgen::generate_simple_self_signed([EXPOSED_HOST.to_owned()]).expect("a certificate");
        let key = pair.signing_key.serialize_pem();
        let objects = secrets(&place, &KeyPair { certificate: &pair.cert.pem(), key: &key })
            + &parts.iter().map(|part| part.objects(&place)).collect::<String>();
        let namespace = TestNamespace { name: EDGE_NAMESPACE.to_owned(), ..gateway.clone() };
        Self { cluster, namespace, certificate: pair.cert.der().clone(), objects }
    }

    async fn start(&self, parts: &[Part]) {
        apply(self.cluster.kubectl(), &self.objects).await.expect("the edge can be made");
        for part in parts {
            self.running(*part, None).await;
        }
    }

    /// A browser with a profile of its own, which finds every host at this proxy.
    pub async fn browse(&self, proxy: Part) -> Browser {
        let services: Api<Service> = Api::namespaced(self.namespace.client.clone(), EDGE_NAMESPACE);
        let service = services.get(&format!("{}-{}", self.namespace.scope, proxy.name())).await.expect("a Service");
        let address = service.spec.and_then(|spec| spec.cluster_ip).expect("a Service has an address");
        let driver = self.running(Part::Browser, None).await.1;
        Browser::open(SocketAddr::new(driver, DRIVER_PORT), &format!("MAP * {address}")).await
    }

    /// Replaces the Pod of a proxy.
    pub async fn replace(&self, proxy: Part) {
        let (before, _) = self.running(proxy, None).await;
        let pods: Api<Pod> = Api::namespaced(self.namespace.client.clone(), EDGE_NAMESPACE);
        pods.delete(&before, &DeleteParams::default()).await.expect("a Pod can be deleted");
        self.running(proxy, Some(&before)).await;
    }

    /// The address of the Pod of this part.
    pub async fn address(&self, part: Part) -> IpAddr {
        self.running(part, None).await.1
    }

    /// Deletes all of it; nobody waits for that.
    async fn end(&self) {
        let delete = ["delete", "--ignore-not-found", "--wait=false", "-f", "-"];
        if let Err(error) = run_with(self.cluster.kubectl(), &delete, &self.objects).await {
            eprintln!("the edge stays: {error}");
        }
    }

    /// Waits until another Pod than `before` is ready: its name and address.
    async fn running(&self, part: Part, before: Option<&str>) -> (String, IpAddr) {
        let pods: Api<Pod> = Api::namespaced(self.namespace.client.clone(), EDGE_NAMESPACE);
        let part = part.name();
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
}

/// Builds the images that these parts run, or finds them, and brings them to the node.
async fn bring_images(cluster: &Cluster, parts: &[Part]) {
    let progress = Progress::new();
    let runs = |image| parts.iter().any(|part| part.image() == image);
    let mut images = Vec::new();
    if runs(EDGE_IMAGE) {
        images.push(edge(&progress).await.expect("an image"));
    }
    if runs(TRAEFIK_IMAGE) {
        Programs::ensure_pip(&progress).await.expect("pip");
        images.push(traefik(&progress).await.expect("an image"));
    }
    for image in images {
        cluster.load(&image, &progress).await.expect("the image can be loaded");
    }
}
