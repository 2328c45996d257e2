//! Where the Pod of a gateway is now. Touches the network: a watch may be late, so the API server is asked.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt};
use tokio::time::timeout;

use super::relations::is_pod_of_gateway;
use super::stores::Stores;
use crate::kubernetes::errors::brief;
use crate::kubernetes::pod_status::has_ended;
use crate::kubernetes::received::{self, Received};
use crate::openclaw::location::{Locate, NotLocated};

/// How long the API server may take. The connection to the gateway waits for it.
const PATIENCE: Duration = Duration::from_secs(4);

/// Asks the API server for the Pods of gateways.
#[derive(Clone)]
pub struct Located {
    client: Client,
    stores: Arc<Stores>,
}

impl fmt::Debug for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Located")
    }
}

impl Located {
    #[must_use]
    pub fn new(client: &Client, stores: &Arc<Stores>) -> Self {
        Self { client: client.clone(), stores: Arc::clone(stores) }
    }

    async fn ask(self, uid: String) -> Result<IpAddr, NotLocated> {
        let gone = || NotLocated("its Pod is gone".to_owned());
        let seen = self.stores.pods.find(|pod| pod.uid().as_ref() == Some(&uid)).ok_or_else(gone)?;
        let (namespace, name) = (seen.namespace().unwrap_or_default(), seen.name_any());
        let api: Api<Received<Pod>> = Api::namespaced(self.client, &namespace);
        let unknown = |why: String| NotLocated(format!("the API server does not show Pod \"{name}\": {why}"));
        let live = timeout(PATIENCE, received::get(&api, &name)).await;
        let live = live.map_err(|_| unknown(format!("no answer within {} s", PATIENCE.as_secs())))?;
        let live = live.map_err(|error| unknown(brief(&error)))?.filter(|live| live.uid() == seen.uid());
        address(&self.stores, &live.ok_or_else(gone)?)
    }
}

impl Locate for Located {
    fn locate(&self, pod: &str) -> BoxFuture<'static, Result<IpAddr, NotLocated>> {
        Box::pin(self.clone().ask(pod.to_owned()))
    }
}

/// The address of the Pod as it is now.
fn address(stores: &Stores, live: &Pod) -> Result<IpAddr, NotLocated> {
    let name = live.name_any();
    // Its address may be another's, though it is still shown.
    if has_ended(live) {
        return Err(NotLocated(format!("Pod \"{name}\" has ended")));
    }
    if !is_pod_of_gateway(stores, live) {
        return Err(NotLocated(format!("the Deployment of the gateway does not control Pod \"{name}\" any more")));
    }
    let address = live.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse().ok());
    address.ok_or_else(|| NotLocated(format!("Pod \"{name}\" has no address")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::api::core::v1::PodStatus;

    use super::*;
    use crate::kubernetes::recording_api::RecordingApi;
    use crate::tests::small_world::{SmallWorld, live};

    /// What is said of the only Pod that the stores show, if the API server shows it like this by now.
    async fn located(change: impl FnOnce(&mut Pod)) -> Result<IpAddr, NotLocated> {
        let agent = SmallWorld::agent("concierge");
        let mut world = SmallWorld { agents: vec![agent.clone()], ..SmallWorld::default() };
        live(&mut world, &agent, None);
        let mut pod = world.pods[0].clone();
        let status = PodStatus { pod_ip: Some("10.244.1.7".into()), ..PodStatus::default() };
        pod.status = Some(status);
        change(&mut pod);
        let (api, uid) = (RecordingApi::default(), world.pods[0].uid().unwrap());
        api.holds(&pod);
        let client = api.client(|_| None);
        let found = Located::new(&client, &Arc::new(world.stores())).locate(&uid).await;
        assert_eq!(api.take(), [format!("GET pods/{}", world.pods[0].name_any())]);
        found
    }

    type Change = fn(&mut Pod);

    #[tokio::test]
    async fn a_gateway_is_where_the_api_server_shows_its_pod_now() {
        assert_eq!(located(|_| {}).await, Ok("10.244.1.7".parse().unwrap()));
    }

    #[tokio::test]
    async fn nothing_is_sent_to_the_address_of_a_pod_that_has_gone_or_is_not_the_gateways() {
        let cases: [(Change, &str); 5] = [
            (|pod| pod.metadata.uid = Some("of-the-next".into()), "is gone"),
            (|pod| pod.metadata.name = Some("another".into()), "is gone"),
            (|pod| pod.status.as_mut().unwrap().phase = Some("Failed".into()), "has ended"),
            (|pod| pod.metadata.owner_references = None, "does not control"),
            (|pod| pod.status.as_mut().unwrap().pod_ip = None, "has no address"),
        ];
        for (change, why) in cases {
            let NotLocated(said) = located(change).await.unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
