//! The files of a gateway's workspaces: what they should be, and how the sidecar that keeps them says they are. Touches the network.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `document` | what the sidecar reads | nothing |
//! | `report` | what it says | nothing |
//! | `tracker` | what is remembered between two questions | nothing |
//! | `status` | what the status of an Agent says of its files | nothing |

pub mod document;
pub mod report;
pub mod status;
pub mod tracker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use self::report::Report;
use super::build::files::{MOUNTED, PORT};
use super::config_sync::pods::trigger_sync;
use super::config_sync::{Process, Synced};
use super::context::Context;
use super::gather::Gathered;
use super::plan::Plan;
use crate::naming::FILES_SYNC;

/// What is known of the files.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What the sidecar said last of the files as they should be now; `None`: nothing yet.
    pub report: Option<Arc<Report>>,
    /// Whether the Pod is of an earlier version of Creel, and its sidecar keeps no files.
    pub is_outdated: bool,
    /// When to ask again; `None`: there is nobody to ask.
    pub poll: Option<Duration>,
}

/// Asks the sidecar how the files are, and has its Pod synced while it has not seen the latest ones.
pub async fn sync(context: &Context, gathered: &Gathered, plan: &Plan, synced: &Synced) -> Result<Found, kube::Error> {
    let (Some(document), Some(process)) = (&plan.files, &synced.process) else { return Ok(Found::default()) };
    let Some(pod) = gathered.live.pods.iter().find(|pod| pod.name_any() == process.pod) else {
        return Ok(Found::default());
    };
    if !pod.spec.as_ref().is_some_and(|pod| MOUNTED.is_in(pod)) {
        return Ok(Found { is_outdated: true, ..Found::default() });
    }
    let (owner, now) = (gathered.owner.uid().unwrap_or_default(), Instant::now());
    let subject = tracker::Subject { pod: pod.uid().unwrap_or_default(), revision: document.revision.clone() };
    let mut memory = context.files.recall(&owner, subject, now);
    if memory.is_due(now) {
        let answer = ask(context, process).await;
        memory.record(answer, Instant::now());
        sync_pod(context, pod, &mut memory, now).await?;
    }
    let found = Found { report: memory.report(), is_outdated: false, poll: Some(memory.next_question(Instant::now())) };
    context.files.remember(&owner, memory);
    Ok(found)
}

async fn sync_pod(context: &Context, pod: &Pod, memory: &mut tracker::Memory, now: Instant) -> Result<(), kube::Error> {
    let Some(attempt) = memory.take_due_sync(now) else { return Ok(()) };
    trigger_sync(&context.client, pod, FILES_SYNC, &format!("{}-{attempt}", memory.revision())).await
}

/// `None`: it does not answer.
async fn ask(context: &Context, process: &Process) -> Option<Report> {
    let gateway = process.endpoint.as_ref().ok()?;
    match context.admin.files(gateway, PORT).await {
        Ok(body) => serde_json::from_slice(&body).ok(),
        Err(error) => {
            tracing::debug!(pod = process.pod, %error, "the sidecar does not say how the files are");
            None
        }
    }
}
