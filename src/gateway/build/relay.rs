//! The relay beside the gateway, for clients with tokens of their own: its container, what it mounts, and the ConfigMap with the clients. A
//! gateway without clients has none of it.
//!
//! The ConfigMap holds keyed digests of the tokens, and the key is in the generated Secret, which the relay alone mounts: so a client comes,
//! changes and goes while the Pod runs.

use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapProjection, Container, ContainerPort, KeyToPath, ProjectedVolumeSource, SecretProjection,
    ServicePort, Volume, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};

use super::pod_spec::secret_variable;
use super::{SHELL_TOKEN_VARIABLE, document};
use crate::api::Agent;
use crate::api::agent::Gateway;
use crate::gateway::plan::{PodPlan, RelayClient};
use crate::naming::GatewayNames;
use crate::openclaw::paths;
use crate::pods::containers::{mount_read_only, resources, shell_container};
use crate::references::generated_secret::DIGEST_KEY;

/// The port on which clients call the relay.
pub const PORT: u16 = 18790;
/// The name of the port, on the Service and on the container.
pub const PORT_NAME: &str = "clients";
/// What clients call: everything else is the gateway's own.
pub const PATH: &str = "/v1";

const CONTAINER: &str = "relay";
const VOLUME: &str = "clients";
const DIRECTORY: &str = "/etc/creel-relay";
const FILE: &str = "clients.json";

/// The file of the relay.
#[derive(Serialize, Deserialize)]
struct Document<C> {
    clients: C,
}

/// Whether the owner lists clients.
#[must_use]
pub fn is_wanted(owner: &Agent) -> bool {
    !owner.spec.gateway.as_ref().map(Gateway::clients).unwrap_or_default().is_empty()
}

/// A sidecar: it ends after the gateway.
#[must_use]
pub fn container(plan: &PodPlan, shell_image: &str) -> Container {
    let (listen, upstream) = (format!("0.0.0.0:{PORT}"), format!("127.0.0.1:{}", paths::PORT));
    let (clients, key) = (format!("{DIRECTORY}/{FILE}"), format!("{DIRECTORY}/{DIGEST_KEY}"));
    let arguments = ["relay", "--listen", &listen, "--upstream", &upstream, "--clients", &clients, "--key", &key];
    Container {
        restart_policy: Some("Always".to_owned()),
        env: Some(vec![secret_variable(SHELL_TOKEN_VARIABLE, &plan.token.name, &plan.token.key, false)]),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.to_owned()),
            container_port: i32::from(PORT),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        // Four large bodies at a time, each up to three times as large while it is copied, and the connections.
        resources: Some(resources(&[("cpu", "10m"), ("memory", "16Mi")], &[("memory", "160Mi")])),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![mount_read_only(VOLUME, DIRECTORY)]),
        ..shell_container(CONTAINER, shell_image, &arguments)
    }
}

/// The clients and the key of their digests.
#[must_use]
pub fn volume(names: &GatewayNames) -> Volume {
    let item = |key: &str| Some(vec![KeyToPath { key: key.to_owned(), path: key.to_owned(), mode: None }]);
    // Without the ConfigMap the relay lets nobody in, and the gateway starts all the same.
    let clients = ConfigMapProjection { name: names.clients.clone(), items: item(FILE), optional: Some(true) };
    let key = SecretProjection { name: names.secret.clone(), items: item(DIGEST_KEY), optional: Some(false) };
    let sources = vec![
        VolumeProjection { config_map: Some(clients), ..VolumeProjection::default() },
        VolumeProjection { secret: Some(key), ..VolumeProjection::default() },
    ];
    Volume {
        name: VOLUME.to_owned(),
        projected: Some(ProjectedVolumeSource { sources: Some(sources), default_mode: None }),
        ..Volume::default()
    }
}

/// The port of the Service. By number: not every version of Kubernetes finds the name of a sidecar's port.
#[must_use]
pub fn service_port() -> ServicePort {
    ServicePort {
        name: Some(PORT_NAME.to_owned()),
        port: i32::from(PORT),
        target_port: Some(IntOrString::Int(i32::from(PORT))),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}

/// The ConfigMap with the clients.
#[must_use]
pub fn config_map(owner: &Agent, names: &GatewayNames, clients: &[RelayClient]) -> ConfigMap {
    document::config_map(owner, names, (&names.clients, FILE), &Document { clients })
}

/// The clients in it.
#[must_use]
pub fn read_back(map: &ConfigMap) -> Option<Vec<RelayClient>> {
    let document: Document<Vec<RelayClient>> = serde_json::from_str(map.data.as_ref()?.get(FILE)?).ok()?;
    Some(document.clients)
}
