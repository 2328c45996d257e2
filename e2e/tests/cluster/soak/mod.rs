//! What takes long on purpose: the whole length of what `real_pods` does a short time of. `cargo soak` runs it, one after another.

mod idle;
mod jobs;
mod lease;

use e2e::suite::{TestNamespace, in_namespace};

use crate::real_pods::live::edits;
use crate::real_pods::sandbox::calls::Calls;
use crate::real_pods::sandbox::endurance::endure;
use crate::real_pods::sandbox::{AGENT, writer_with};

#[tokio::test]
#[ignore = "takes minutes: cargo soak"]
async fn ten_thousand_calls_and_gigabytes_leave_neither_processes_nor_memory_taken() {
    in_namespace("long-endurance", async |namespace: TestNamespace| {
        let (gateway, pod) = writer_with(&namespace, "none").await;
        let calls = Calls { namespace: &namespace, gateway: &gateway, pod: &pod, name: "endurance" };
        endure(&calls, 10_000, "1G").await;
        assert_eq!(namespace.sandbox_ready(AGENT).await, pod, "neither container was restarted");
        assert_eq!(namespace.running(AGENT).await, [gateway]);
    })
    .await;
}

#[tokio::test]
#[ignore = "takes minutes: cargo soak"]
async fn a_hundred_edits_are_all_applied() {
    edits("hundred-edits", 100).await;
}
