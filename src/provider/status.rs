//! What was gathered → the conditions of a Provider. Pure: `now` is an argument.

use std::time::Duration;

use jiff::Timestamp;

use super::gather::Gathered;
use crate::api::{Provider, ProviderStatus};
use crate::kubernetes::conditions::{CREDENTIALS_RESOLVED, Desired, READY, Status, grace_period, merge, reason};
use crate::references::digests::{Digests, resolve};
use crate::references::sources;

/// The status, and when to look again because time alone changes it.
#[must_use]
pub fn status(provider: &Provider, gathered: &Gathered, now: Timestamp) -> (ProviderStatus, Option<Duration>) {
    let before = provider.status.clone().unwrap_or_default();
    let sources = sources::of_provider(provider);
    let fault = resolve(&sources, &gathered.reads, &Digests::default()).faults.into_iter().next();
    let (desired, again) = match fault {
        None => (well(sources.is_empty()), None),
        Some(fault) => {
            let left = grace_period(&before.conditions, CREDENTIALS_RESOLVED, now);
            let ready = if left.is_some() { Status::Unknown } else { Status::False };
            let desired = [
                Desired::new(READY, ready, fault.reason, &fault.message),
                Desired::new(CREDENTIALS_RESOLVED, Status::False, fault.reason, &fault.message),
            ];
            (desired, left.map(|left| left + Duration::from_secs(1)))
        }
    };
    let status = ProviderStatus {
        observed_generation: provider.metadata.generation,
        conditions: merge(&before.conditions, &desired, provider.metadata.generation, now),
        agents: Some(i32::try_from(gathered.agents).unwrap_or(i32::MAX)),
    };
    (status, again)
}

fn well(needs_no_secrets: bool) -> [Desired; 2] {
    let credentials = if needs_no_secrets {
        Desired::new(CREDENTIALS_RESOLVED, Status::True, reason::NOT_REQUIRED, "The spec names no Secret.")
    } else {
        Desired::new(
            CREDENTIALS_RESOLVED,
            Status::True,
            reason::RESOLVED,
            "Every Secret and key that the spec names exists and has a value.",
        )
    };
    [Desired::new(READY, Status::True, reason::READY, "Agents can use the models of this Provider."), credentials]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::kubernetes::conditions::find;
    use crate::references::digests::{KeyDigest, Read, SourceKind};
    use std::collections::BTreeMap;

    fn provider() -> Provider {
        serde_yaml::from_str(
            "
apiVersion: creel.dev/v1alpha1
kind: Provider
metadata: {name: openai, generation: 3}
spec:
  api: openai-completions
  baseURL: https://api.openai.com/v1
  credentials: {secretKeyRef: {name: openai, key: api-key}}
  models: [{id: gpt-4o-mini}]
",
        )
        .unwrap()
    }

    fn gathered(read: Read) -> Gathered {
        Gathered { reads: BTreeMap::from([((SourceKind::Secret, "openai".to_owned()), read)]), agents: 2 }
    }

    /// The Secret, with this API key.
    fn key(value: &str) -> Read {
        let source = (SourceKind::Secret, "openai".to_owned());
        let value = KeyDigest::of(b"key", &source, "api-key", value.as_bytes());
        Read::Keys(BTreeMap::from([("api-key".to_owned(), value)]))
    }

    #[test]
    fn a_missing_secret_is_waited_for_two_minutes_and_then_a_fault() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut provider = provider();
        let (status, again) = super::status(&provider, &gathered(Read::Missing), start);
        assert_eq!(find(&status.conditions, READY).unwrap().status, "Unknown");
        assert_eq!(find(&status.conditions, CREDENTIALS_RESOLVED).unwrap().reason, reason::SECRET_NOT_FOUND);
        assert!(again.is_some());
        provider.status = Some(status);
        let later = start + Duration::from_secs(121);
        let (status, again) = super::status(&provider, &gathered(Read::Missing), later);
        assert_eq!(find(&status.conditions, READY).unwrap().status, "False");
        assert_eq!(again, None);
    }

    #[test]
    fn a_provider_whose_key_is_empty_cannot_be_used_and_names_secret_and_key() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut provider = provider();
        let (status, _) = super::status(&provider, &gathered(key("\n")), start);
        let credentials = find(&status.conditions, CREDENTIALS_RESOLVED).unwrap();
        assert_eq!((credentials.status.as_str(), credentials.reason.as_str()), ("False", reason::SECRET_KEY_EMPTY));
        assert!(credentials.message.contains("Key \"api-key\" of Secret \"openai\" is empty"));
        provider.status = Some(status);
        let (status, _) = super::status(&provider, &gathered(key("\n")), start + Duration::from_secs(121));
        assert_eq!(find(&status.conditions, READY).unwrap().status, "False");
    }

    #[test]
    fn a_provider_whose_key_exists_is_ready_and_counts_its_agents() {
        let (status, _) = super::status(&provider(), &gathered(key("secret")), Timestamp::UNIX_EPOCH);
        assert_eq!(find(&status.conditions, READY).unwrap().status, "True");
        assert_eq!((status.agents, status.observed_generation), (Some(2), Some(3)));
    }
}
