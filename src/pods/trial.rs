//! Whether the API server would take the Pod that is to stand in for one that runs. Touches the network; what it answered is remembered.
//!
//! A dry run passes the same validation and admission as the real request and stores nothing. It has a name of its own, because that of
//! the Pod is taken.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::timeout;

use super::fingerprint::hash;
use super::quota;
use crate::kubernetes::apply::{failed, key_of};
use crate::kubernetes::backoff::Backoff;
use crate::kubernetes::received::Received;

/// After the Pod's own name. No child of any Agent ends so.
const SUFFIX: &str = "-trial";

/// A Pod that was accepted is not tried again for this time.
const ACCEPTED_FOR: Duration = Duration::from_mins(1);

/// A webhook that hangs holds up nobody else's reconcile.
const PATIENCE: Duration = Duration::from_secs(5);

/// The API server does not take a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The Pod, and the API server's own words.
    pub words: String,
    /// It is asked again after this time.
    pub again_in: Duration,
}

/// What the API server answered, by the UID of the Agent. Memory only.
#[derive(Debug)]
pub struct Trials {
    /// The field manager of the requests.
    manager: &'static str,
    backoff: Backoff,
    answers: Mutex<HashMap<String, Answer>>,
}

#[derive(Debug)]
struct Answer {
    /// A hash of the Pod that was tried.
    pod: String,
    /// The API server's words; `None`: accepted.
    refusal: Option<String>,
    until: Instant,
}

impl Trials {
    #[must_use]
    pub fn new(manager: &'static str) -> Self {
        Self { manager, backoff: Backoff::default(), answers: Mutex::default() }
    }

    /// What the API server says of this Pod, from memory; `None`: it has to be asked.
    fn answer(&self, agent: &str, pod: &str, now: Instant) -> Option<Result<(), Refusal>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.get(agent).filter(|answer| answer.pod == pod && answer.until > now)?;
        Some(match answer.refusal.clone() {
            None => Ok(()),
            Some(words) => Err(Refusal { words, again_in: answer.until - now }),
        })
    }

    /// Remembers an answer. The same Pod is tried ever more slowly, another one at once.
    fn answered(&self, agent: &str, pod: String, refusal: Option<String>, now: Instant) -> Option<Refusal> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if refusal.is_none() || answers.get(agent).is_none_or(|before| before.pod != pod) {
            self.backoff.succeeded(agent);
        }
        let again_in = refusal.as_ref().map_or(ACCEPTED_FOR, |_| self.backoff.failed(agent));
        answers.insert(agent.to_owned(), Answer { pod, refusal: refusal.clone(), until: now + again_in });
        refusal.map(|words| Refusal { words, again_in })
    }

    /// Whether this very Pod was tried, however long ago.
    #[must_use]
    pub fn knows(&self, agent: &str, pod: &Pod) -> bool {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(agent).is_some_and(|answer| answer.pod == hash(pod))
    }

    /// Nothing is to be replaced any more, or the Agent is gone.
    pub fn forget(&self, agent: &str) {
        self.backoff.succeeded(agent);
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(agent);
    }

    /// Tries the Pod `wanted` that is to stand in for `running`. `agent`: the UID of the Agent whose Pods they are. An API server, or a
    /// webhook, that cannot answer now takes no Pod either.
    ///
    /// `None`: the API server would take it, once the other one is gone.
    pub async fn refusal(
        &self,
        client: &Client,
        agent: &str,
        running: &Pod,
        wanted: &Pod,
        now: Instant,
    ) -> Option<Refusal> {
        let tried = hash(wanted);
        if let Some(answer) = self.answer(agent, &tried, now) {
            return answer.err();
        }
        let key = key_of(wanted);
        let api: Api<Received<Pod>> = Api::namespaced(client.clone(), &key.namespace);
        let params = PostParams { dry_run: true, field_manager: Some(self.manager.to_owned()) };
        let mut trial = wanted.clone();
        trial.metadata.name = Some(format!("{}{SUFFIX}", key.name));
        let words = match timeout(PATIENCE, api.create(&params, &Received::Whole(trial))).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) if is_accepted(&error, running) => None,
            Ok(Err(error)) => {
                let words = failed(&key, error).to_string();
                Some(words.replace(&format!("{}{SUFFIX}", key.name), &key.name))
            }
            Err(_) => Some(format!("no answer within {} seconds: does a webhook hang?", PATIENCE.as_secs())),
        };
        if let Some(words) = &words {
            tracing::warn!(
                namespace = key.namespace,
                name = key.name,
                words,
                "the Pod stays: its replacement is rejected"
            );
        }
        self.answered(agent, tried, words, now)
    }
}

/// Whether the answer says nothing against the Pod: admission is asked before a name is found to be taken; a webhook that knows no dry
/// run can't be tried; and the Pod that runs gives back what it takes of a quota.
fn is_accepted(error: &kube::Error, running: &Pod) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.reason == "AlreadyExists"
        || status.message.contains("does not support dry run")
        || status.code == 403 && quota::fits_instead_of(running, &status.message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn api_error(code: u16, reason: &str, message: &str) -> kube::Error {
        let status = json!({"status": "Failure", "code": code, "reason": reason, "message": message});
        kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn the_same_pod_is_tried_ever_more_slowly_and_another_one_at_once() {
        let (trials, now) = (Trials::new("creel/test"), Instant::now());
        let refuse = |pod: &str, now| trials.answered("a", pod.into(), Some("no".into()), now).unwrap().again_in;
        let first = refuse("one", now);
        assert_eq!(trials.answer("a", "one", now), Some(Err(Refusal { words: "no".into(), again_in: first })));
        assert_eq!(trials.answer("a", "one", now + first), None);
        assert!(refuse("one", now + first) > first);
        assert_eq!(trials.answer("a", "two", now), None, "an edit is tried at once");
        assert!(refuse("two", now) <= Duration::from_millis(2400), "and starts over");
    }

    #[test]
    fn a_pod_that_was_accepted_is_not_tried_again_and_again() {
        let (trials, now) = (Trials::new("creel/test"), Instant::now());
        trials.answered("a", "one".into(), None, now);
        assert_eq!(trials.answer("a", "one", now), Some(Ok(())));
        assert_eq!(trials.answer("a", "one", now + ACCEPTED_FOR), None);
        trials.forget("a");
        assert_eq!(trials.answer("a", "one", now), None);
    }

    #[test]
    fn what_admission_says_and_that_it_cannot_be_asked_keep_the_pod_that_runs() {
        for (code, message) in [
            (403, "pods \"p\" is forbidden: pod rejected: RuntimeClass \"gvisro\" not found"),
            (422, "Pod \"p\" is invalid"),
            (400, "admission webhook \"w\" denied the request: no"),
            (500, "admission webhook \"w\" denied the request: no"),
            (500, "failed calling webhook \"w\""),
            (429, "too many requests"),
            (401, "Unauthorized"),
        ] {
            let error = api_error(code, "Any", message);
            assert!(!is_accepted(&error, &Pod::default()), "{code} {message}");
        }
    }

    #[test]
    fn a_taken_name_and_a_webhook_without_dry_run_stand_in_nobodys_way() {
        let taken = api_error(409, "AlreadyExists", "pods \"p\" already exists");
        let unsupported = api_error(400, "BadRequest", "admission webhook \"w\" does not support dry run");
        assert!([taken, unsupported].iter().all(|error| is_accepted(error, &Pod::default())));
    }
}
