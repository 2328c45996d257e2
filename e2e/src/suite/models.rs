//! One scripted model server for all tests of a run, as a Pod; made by the first test that needs it. Touches the network.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde::Deserialize;
use serde_json::Value;

use super::namespace::SOON;
use super::objects::resource;
use super::wait::eventually;
use crate::model_server::{self, SERVICE, manifest};

/// Where it runs.
pub const NAMESPACE: &str = "creel-e2e-models";

/// The root of its Bot API, for gateways.
#[must_use]
pub fn bot_api_root() -> String {
    let (service, port) = SERVICE;
    format!("http://{service}.{NAMESPACE}.svc.cluster.local:{port}")
}

/// A client of the model server, which answers.
pub async fn model_server(client: &Client) -> model_server::Client {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    if deployments.get_opt(SERVICE.0).await.expect("Deployments can be read").is_none() {
        create(client).await;
    }
    let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
    let service = eventually(SOON, async || services.get(SERVICE.0).await.map_err(|error| error.to_string())).await;
    let address = service.expect("the model server has a Service").spec.and_then(|spec| spec.cluster_ip);
    let base = format!("http://{}:{}", address.expect("a Service has an address"), SERVICE.1);
    let models = model_server::Client::new(base).expect("an HTTP client");
    let healthy = eventually(SOON, async || models.health().await.map_err(|error| error.to_string())).await;
    if let Err(seen) = healthy {
        panic!("the model server does not answer (its image is brought to the node by `cargo cluster images`): {seen}");
    }
    models
}

/// Applied, not created: tests that come at the same time write the same.
async fn create(client: &Client) {
    for document in serde_yaml::Deserializer::from_str(&manifest(NAMESPACE, "of-this-run")) {
        let document = Value::deserialize(document).expect("the manifest is YAML");
        let object: DynamicObject = serde_json::from_value(document).expect("the manifest holds objects");
        let kind = object.types.as_ref().expect("an object has a kind").kind.clone();
        let name = object.metadata.name.clone().expect("an object has a name");
        let api: Api<DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource(&kind)),
            None => Api::all_with(client.clone(), &resource(&kind)),
        };
        let parameters = PatchParams::apply("suite").force();
        let applied = api.patch(&name, &parameters, &Patch::Apply(&object)).await;
        applied.unwrap_or_else(|error| panic!("{kind} {name} of the model server: {error}"));
    }
}
