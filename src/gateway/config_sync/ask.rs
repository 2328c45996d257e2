//! Asks the running gateway which configuration it runs: nothing else proves it. Touches the network, and no Kubernetes.

use std::time::Instant;

use super::state::{ConfigState, Memory};
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::proof::Verdict;
use crate::openclaw::rpc::{AdminClient, Endpoint};

/// Whether the gateway runs this document. What it said lately is not asked again.
pub async fn ask(
    client: &AdminClient,
    gateway: &Endpoint,
    document: &ConfigDocument,
    memory: &mut Memory,
    now: Instant,
) -> ConfigState {
    if let Some(state) = memory.settled(now) {
        return state;
    }
    let answer = match client.config_get(gateway, document.value()).await {
        Err(error) if error.is_unasked() => return memory.last(),
        Err(error) => ConfigState::Unreachable(error.to_string()),
        Ok(answer) => {
            memory.seen.clone_from(&answer.file);
            match answer.verdict(memory.before.as_deref()) {
                Verdict::Applied => ConfigState::Applied,
                Verdict::Pending => ConfigState::Pending,
                Verdict::Read => ConfigState::NotApplied,
                Verdict::Refused(refusal) => ConfigState::Rejected(refusal.issues.join("; ")),
            }
        }
    };
    memory.record(answer, now)
}

/// Asks the gateway for which Providers its process has no credentials. One that gives no answer is asked again later.
pub async fn ask_credentials(client: &AdminClient, gateway: &Endpoint, memory: &mut Memory, now: Instant) {
    if !memory.is_credentials_due(now) {
        return;
    }
    let answer = client.unavailable_providers(gateway).await;
    if let Err(error) = &answer {
        tracing::debug!(%error, "the gateway does not say which credentials it lacks");
    }
    memory.record_credentials(answer.ok(), now);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
