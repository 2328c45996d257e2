//! The operator's own device at a gateway, which may request runs. Touches the network.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Client, ResourceExt};

use super::generated_secret::{SecretError, ensure, known_version, value, version_of};
use super::read::Versions;
use crate::api::Agent;
use crate::kubernetes::caches::versioned::VersionedCache;
use crate::naming::{CRON_JOB_MANAGER, GatewayNames, child_of};
use crate::openclaw::device::Device;

/// The key of the device in its Secret.
const DEVICE_KEY: &str = "device-key";

/// The operator's own devices, one at each gateway, as read.
pub struct OwnDevices {
    client: Client,
    read: VersionedCache<Arc<Device>>,
}

impl OwnDevices {
    #[must_use]
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), read: VersionedCache::default() }
    }

    /// The device at the gateway of this owner; its Secret is made if it is not there.
    pub async fn ensure(&self, versions: &impl Versions, owner: &Agent) -> Result<Arc<Device>, SecretError> {
        let (namespace, names) = (owner.namespace().unwrap_or_default(), GatewayNames::of(&owner.name_any()));
        let version = known_version(versions, &namespace, &names.device);
        if let Some(device) = version.and_then(|version| self.read.get(&namespace, &names.device, &version)) {
            return Ok(device);
        }
        let generate = || {
            let mut key = [0_u8; 32];
            getrandom::fill(&mut key)?;
            Ok(Secret {
                metadata: child_of(owner, &names.device, names.labels()),
                data: Some(BTreeMap::from([(DEVICE_KEY.to_owned(), ByteString(key.to_vec()))])),
                ..Secret::default()
            })
        };
        let secret = ensure(&self.client, CRON_JOB_MANAGER, owner, &names.device, generate).await?;
        let damaged = || SecretError::Damaged { name: names.device.clone(), key: DEVICE_KEY };
        let key: [u8; 32] = value(&secret, DEVICE_KEY)?.try_into().map_err(|_| damaged())?;
        let device = Arc::new(Device::new(&key));
        // The keys of gateways that are gone are not kept.
        self.read.keep(|namespace, name| known_version(versions, namespace, name).is_some());
        self.read.put(&namespace, &names.device, version_of(&secret), Arc::clone(&device));
        Ok(device)
    }

    /// The id of the device, if there is one. One whose key is lost is a device like any other.
    pub async fn id(&self, versions: &impl Versions, owner: &Agent) -> Result<Option<String>, SecretError> {
        let (namespace, names) = (owner.namespace().unwrap_or_default(), GatewayNames::of(&owner.name_any()));
        if known_version(versions, &namespace, &names.device).is_none() {
            return Ok(None);
        }
        match self.ensure(versions, owner).await {
            Ok(device) => Ok(Some(device.id())),
            Err(error) if error.reason().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
