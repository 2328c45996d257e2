//! Whether a policy selects each of Creel's Pods for as long as it is there, whatever was deleted. Touches the network.

use std::future::pending;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::namespace::{START, TestNamespace};
use super::policy::{Rules, pod};

/// The policy of a namespace that selects all of them.
pub const FENCE: &str = "creel-fence";
/// Selects all Pods of Creel's.
pub const OURS: &str = "app.kubernetes.io/managed-by=creel";

/// How far Pods have got that are about to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// One is told to end, or all are gone.
    Begun,
    /// None is left.
    Over,
}

impl Departure {
    fn is(self, pods: &[Pod]) -> bool {
        let begun = pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_some());
        pods.is_empty() || (self == Self::Begun && begun)
    }
}

impl TestNamespace {
    /// Creel's Pods with these labels.
    pub async fn pods_with(&self, labels: &str) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.name);
        pods.list(&ListParams::default().labels(labels)).await.expect("Pods can be listed").items
    }

    /// Waits until the Pods with these labels have got so far; fails when the fence does not select one of them, or when their departure has
    /// begun before one was seen. Returns how often nothing but the fence selected one.
    pub async fn fenced_until(&self, labels: &str, departure: Departure) -> u32 {
        let fence = format!("{}/{FENCE}", self.name);
        let (mut seen, mut by_the_fence_alone) = (0_u32, 0_u32);
        self.eventually(&format!("the departure of Pods with {labels} is {departure:?}"), START, async || {
            let before = self.pods_with(labels).await;
            let rules = Rules::of(self).await;
            let after = self.pods_with(labels).await;
            // What was there before and is there after needed a policy in between.
            for left in before.iter().filter(|pod| after.iter().any(|other| other.uid() == pod.uid())) {
                let labels: Vec<_> =
                    left.labels().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let selecting = rules.selecting(&pod("10.0.0.1", (&self.name, &[]), &labels)).await;
                assert!(selecting.contains(&fence), "{} is selected by {selecting:?}", left.name_any());
                seen += 1;
                by_the_fence_alone += u32::from(selecting == [fence.as_str()]);
            }
            if departure.is(&after) { Ok(()) } else { Err(format!("{} Pods", after.len())) }
        })
        .await;
        assert!(departure == Departure::Over || seen > 0, "no Pod with {labels} was seen, so nothing was shown");
        by_the_fence_alone
    }
}

/// Does this while that goes on. How that ends, if it does, makes no difference.
pub async fn beside<T>(goes_on: impl Future<Output = T>, meanwhile: impl Future<Output = ()>) {
    let goes_on = async {
        goes_on.await;
        pending::<()>().await;
    };
    tokio::select! {
        () = goes_on => {}
        () = meanwhile => {}
    }
}
