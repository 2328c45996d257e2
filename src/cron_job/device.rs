//! The operator's own device at a gateway, which may request runs. Touches the network.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::context::Context;
use crate::api::Agent;
use crate::kubernetes::caches::versioned::VersionedCache;
use crate::naming::{CRON_JOB_MANAGER, GatewayNames, child_of};
use crate::openclaw::device::Device;
use crate::references::generated_secret::{SecretError, ensure, known_version, value, version_of};

/// The key of the device in its Secret.
const DEVICE_KEY: &str = "device-key";

/// The devices of the gateways, as read.
pub type Devices = VersionedCache<Arc<Device>>;

/// The operator's own device at this gateway; its Secret is made if it is not there.
pub async fn device(context: &Context, owner: &Agent) -> Result<Arc<Device>, SecretError> {
    let (namespace, names) = (owner.namespace().unwrap_or_default(), GatewayNames::of(&owner.name_any()));
    let version = known_version(&context.stores, &namespace, &names.device);
    if let Some(device) = version.and_then(|version| context.devices.get(&namespace, &names.device, &version)) {
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
    let secret = ensure(&context.client, CRON_JOB_MANAGER, owner, &names.device, generate).await?;
    let damaged = || SecretError::Damaged { name: names.device.clone(), key: DEVICE_KEY };
    let key: [u8; 32] = value(&secret, DEVICE_KEY)?.try_into().map_err(|_| damaged())?;
    let device = Arc::new(Device::new(&key));
    // The keys of gateways that are gone are not kept.
    context.devices.keep(|namespace, name| known_version(&context.stores, namespace, name).is_some());
    context.devices.put(&namespace, &names.device, version_of(&secret), Arc::clone(&device));
    Ok(device)
}
