//! What takes long on purpose: the whole length of what `real_pods` does a short time of. `cargo soak` runs it, one after another.

mod idle;
mod jobs;

use crate::real_pods::live::edits;
use crate::real_pods::sandbox::endurance::endure;

#[tokio::test]
#[ignore = "takes minutes: cargo soak"]
async fn ten_thousand_calls_and_gigabytes_leave_neither_processes_nor_memory_taken() {
    endure("long-endurance", 10_000, "1G").await;
}

#[tokio::test]
#[ignore = "takes minutes: cargo soak"]
async fn a_hundred_edits_are_all_applied() {
    edits("hundred-edits", 100).await;
}
