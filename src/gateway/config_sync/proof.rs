//! Makes the running gateway take up its configuration, and asks it whether it has. Touches the network.
//!
//! The kubelet brings a changed ConfigMap to a Pod within a minute or so, at once if the Pod itself changes: so the Pod is
//! annotated. Then the gateway is asked what it runs (`config.get`); nothing else proves it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::gateway::pod;
use crate::naming::{AGENT_MANAGER, CONFIG_SYNC};
use crate::openclaw::paths;
use crate::openclaw::proof::{self, Verdict};
use crate::openclaw::rpc::{AdminClient, Endpoint};

/// How soon to ask again while a change is on its way.
pub const ASK_AGAIN: Duration = Duration::from_millis(250);
/// The Pod is annotated when a change is first seen missing, and again after these times since.
const NUDGES: [Duration; 4] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];
/// A gateway that answers and has not taken up a configuration for so long never will: its file watcher is dead.
const GIVE_UP: Duration = Duration::from_mins(3);
/// So long a first refusal may still be about the file before ours.
const CONFIRM: Duration = Duration::from_secs(5);
/// What was proved is asked again after this time.
const PROOF_HOLDS: Duration = Duration::from_mins(8);
/// A gateway that could not be asked is left alone for this time.
pub const UNREACHABLE_HOLDS: Duration = Duration::from_secs(5);

/// What the gateway says of the configuration that it should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    Applied,
    /// Not yet; it answers with an older one.
    Pending,
    /// It refused the configuration; its own words.
    Refused(String),
    /// It can't be asked; why.
    Unreachable(String),
    /// It does not take it up, though it answers; its Pod is recreated.
    Stalled,
}

/// What is remembered of each gateway between passes, by the owner's UID.
#[derive(Debug, Default)]
pub struct Proofs {
    all: Mutex<HashMap<String, Memory>>,
    /// The Pod of each gateway that was deleted to be recreated: the cache may show it a little longer.
    condemned: Mutex<HashMap<String, String>>,
}

#[derive(Clone, Debug)]
struct Memory {
    /// The run of the gateway's process and the configuration that it was asked for.
    subject: (String, String),
    since: Instant,
    nudges: usize,
    /// The file that this run of the gateway had seen before ours was written: a refusal of that one is not about ours.
    before: Option<String>,
    /// The file that it saw last.
    seen: Option<String>,
    proof: Option<(Proof, Instant)>,
}

impl Proofs {
    /// Forgets a gateway that is gone.
    pub fn forget(&self, owner: &str) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(owner);
        self.condemned.lock().unwrap_or_else(PoisonError::into_inner).remove(owner);
    }

    /// Remembers that this Pod was deleted.
    pub fn condemn(&self, owner: &str, pod: &Pod) {
        let mut condemned = self.condemned.lock().unwrap_or_else(PoisonError::into_inner);
        condemned.insert(owner.to_owned(), pod.uid().unwrap_or_default());
    }

    /// Whether this Pod was deleted already.
    pub fn is_condemned(&self, owner: &str, pod: &Pod) -> bool {
        let condemned = self.condemned.lock().unwrap_or_else(PoisonError::into_inner);
        condemned.get(owner).is_some_and(|uid| Some(uid) == pod.uid().as_ref())
    }

    fn recall(&self, owner: &str, subject: &(String, String), now: Instant) -> Memory {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(owner).filter(|memory| memory.subject.0 == subject.0);
        match known {
            Some(memory) if memory.subject.1 == subject.1 => memory.clone(),
            earlier => {
                let before = earlier.and_then(|memory| memory.seen.clone());
                Memory { subject: subject.clone(), since: now, nudges: 0, seen: before.clone(), before, proof: None }
            }
        }
    }

    fn remember(&self, owner: &str, memory: Memory) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).insert(owner.to_owned(), memory);
    }
}

impl Memory {
    /// What was said lately and need not be asked again.
    fn settled(&self, now: Instant) -> Option<Proof> {
        let (proof, at) = self.proof.as_ref()?;
        let holds = match proof {
            Proof::Applied | Proof::Refused(_) => PROOF_HOLDS,
            // Too many calls with a token that the gateway does not accept lock the operator out.
            Proof::Unreachable(_) => UNREACHABLE_HOLDS,
            Proof::Pending | Proof::Stalled => return None,
        };
        (now < *at + holds).then(|| proof.clone())
    }

    /// Whether it is time to annotate the Pod once more.
    fn nudge_due(&self, now: Instant) -> bool {
        NUDGES.get(self.nudges).is_some_and(|after| now >= self.since + *after)
    }
}

/// Who asks, and whom.
pub struct Question<'a> {
    pub client: &'a Client,
    pub admin: &'a AdminClient,
    pub token: SecretString,
    pub pod: &'a Pod,
    /// The hash of the text below.
    pub hash: &'a str,
    pub config: &'a Value,
}

/// Asks the gateway whether it runs this configuration, and annotates its Pod while it does not.
pub async fn prove(proofs: &Proofs, owner: &str, question: &Question<'_>) -> Result<Proof, kube::Error> {
    let now = Instant::now();
    let subject = (pod::run(question.pod), question.hash.to_owned());
    let mut memory = proofs.recall(owner, &subject, now);
    if let Some(proof) = memory.settled(now) {
        return Ok(proof);
    }
    let mut proof = ask(question, &mut memory).await;
    if proof == Proof::Pending {
        if now >= memory.since + GIVE_UP {
            proof = Proof::Stalled;
        } else if memory.nudge_due(now) {
            memory.nudges += 1;
            nudge(question, memory.nudges).await?;
        }
    }
    memory.proof = Some((proof.clone(), now));
    proofs.remember(owner, memory);
    Ok(proof)
}

async fn ask(question: &Question<'_>, memory: &mut Memory) -> Proof {
    let Some(address) = pod::address(question.pod) else {
        return Proof::Unreachable("the Pod has no address".to_owned());
    };
    let gateway = SocketAddr::new(address, paths::PORT);
    match question.admin.config_get(&Endpoint { address: gateway, token: question.token.clone() }).await {
        Ok(payload) => {
            memory.seen = proof::file(&payload).map(str::to_owned);
            match proof::compare(question.config, &payload, memory.before.as_deref()) {
                Verdict::Applied => Proof::Applied,
                Verdict::Pending => Proof::Pending,
                // Nothing is known of the file before ours: the refusal may be about that one.
                Verdict::Refused(_) if memory.before.is_none() && memory.since.elapsed() < CONFIRM => Proof::Pending,
                Verdict::Refused(refusal) => Proof::Refused(refusal.issues.join("; ")),
            }
        }
        Err(error) => Proof::Unreachable(error.to_string()),
    }
}

/// A changed annotation makes the kubelet sync the Pod, its volumes included. Only this Pod, never its successor.
async fn nudge(question: &Question<'_>, attempt: usize) -> Result<(), kube::Error> {
    let value = format!("{}-{attempt}", question.hash);
    let patch = json!({"metadata": {"uid": question.pod.uid(), "annotations": {CONFIG_SYNC: value}}});
    let api: Api<Pod> = Api::namespaced(question.client.clone(), &question.pod.namespace().unwrap_or_default());
    let params = PatchParams { field_manager: Some(AGENT_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_metadata(&question.pod.name_any(), &params, &Patch::Merge(&patch)).await {
        // The Pod went away meanwhile: its successor starts with the new configuration.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => Ok(()),
        patched => patched.map(|_| ()),
    }
}

/// Deletes this Pod and no other; the Deployment makes the next one.
pub async fn recreate(client: &Client, pod: &Pod) -> Result<(), kube::Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let only_this = Preconditions { uid: pod.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
    match api.delete(&pod.name_any(), &params).await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        deleted => deleted.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(since: Instant) -> Memory {
        Memory { subject: ("pod/0".into(), "hash".into()), since, nudges: 0, before: None, seen: None, proof: None }
    }

    #[test]
    fn a_pod_is_annotated_at_once_and_again_after_1_3_and_10_seconds() {
        let start = Instant::now();
        let mut memory = memory(start);
        let mut at = Vec::new();
        for tenth in 0..300_u64 {
            if memory.nudge_due(start + Duration::from_millis(tenth * 100)) {
                memory.nudges += 1;
                at.push(tenth * 100);
            }
        }
        assert_eq!(at, [0, 1000, 3000, 10_000]);
    }

    #[test]
    fn what_was_proved_is_not_asked_again_for_a_while_and_what_is_pending_is() {
        let now = Instant::now();
        let mut memory = memory(now);
        memory.proof = Some((Proof::Applied, now));
        assert_eq!(memory.settled(now + Duration::from_mins(1)), Some(Proof::Applied));
        assert_eq!(memory.settled(now + PROOF_HOLDS), None);
        memory.proof = Some((Proof::Pending, now));
        assert_eq!(memory.settled(now), None);
    }
}
