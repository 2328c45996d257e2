//! The Gateway API, in a cluster that does not have it. Runs kubectl; touches the network.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt;

use crate::cluster::{Cluster, gateway_api};
use crate::kubectl::{apply, run_with};

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
    let removed = run_with(cluster.kubectl(), &["delete", "--ignore-not-found", "-f", "-"], &kinds).await;
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
    removed.expect("the kinds are gone");
}
