//! The Gateway API, in a cluster that does not have it. Runs kubectl; touches the network.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt;

use crate::cluster::{Cluster, gateway_api};
use crate::kubectl::{apply, run_with};

/// Removes what a test left that was killed.
pub async fn without_gateway_api() {
    let cluster = Cluster::open().await.expect("a cluster");
    assert!(cluster.logs().is_some(), "this test removes the Gateway API from the whole cluster");
    let kinds = gateway_api().await.expect("the kinds of the Gateway API");
    let removed = run_with(cluster.kubectl(), &["delete", "--ignore-not-found", "-f", "-"], &kinds).await;
    removed.expect("the kinds are gone");
}

/// Runs a test while the cluster serves the Gateway API. Afterwards, well or not, it does so no more.
pub async fn with_gateway_api(test: impl AsyncFnOnce()) {
    let cluster = Cluster::open().await.expect("a cluster");
    let kinds = gateway_api().await.expect("the kinds of the Gateway API");
    let ended = AssertUnwindSafe(async {
        apply(cluster.kubectl(), &kinds).await.expect("the kinds can be made");
        let served = ["wait", "--for=condition=Established", "--timeout=5m", "-f", "-"];
        run_with(cluster.kubectl(), &served, &kinds).await.expect("the kinds are served");
        test().await;
    });
    let ended = ended.catch_unwind().await;
    let removed = AssertUnwindSafe(without_gateway_api()).catch_unwind().await;
    if let Err(panic) = ended.and(removed) {
        resume_unwind(panic);
    }
}
