//! Credentials that the running gateway lacks, because they were missing or empty when its Pod started: which Agents cannot answer, and
//! what makes the Pod start anew. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::Gathered;
use super::plan::hash;
use crate::api::Agent;
use crate::kubernetes::conditions::reason;
use crate::references::digests::{Digests, Fault, SourceName, resolve};
use crate::references::sources;

/// How the parts of a plan begin that a Secret changes which is back.
const PART: &str = "the availability of Secret";

/// Why the Agent cannot answer although its gateway runs: a Provider of the models that answer it is among the `unavailable` ones.
#[must_use]
pub fn lacking(agent: &Agent, gathered: &Gathered, unavailable: &BTreeSet<String>) -> Option<Fault> {
    let models = agent.spec.active_models()?.selection;
    let name = models.providers().into_iter().find(|name| unavailable.contains(name))?;
    let provider = gathered.providers.get(&name)?;
    let sources = sources::of_provider(provider);
    let missing = resolve(&sources, &gathered.reads, &Digests::default()).faults.into_iter().next();
    let why = missing.map_or_else(
        || {
            "they exist now; if the Pod is not recreated, set a new value of the annotation creel.dev/restart"
                .to_owned()
        },
        |fault| format!("{}. The Pod is recreated once they exist", fault.message),
    );
    let message = format!("The gateway's Pod started without the credentials of Provider \"{name}\": {why}.");
    Some(Fault { reason: reason::CREDENTIALS_UNAVAILABLE, message, carried: true })
}

/// The Secrets that the Providers without credentials read, to be looked up by version.
pub fn secrets<'a>(
    unavailable: &'a BTreeSet<String>,
    providers: &'a BTreeMap<String, std::sync::Arc<crate::api::Provider>>,
) -> impl Iterator<Item = SourceName> + 'a {
    let of = |name: &String| providers.get(name).map(|provider| sources::of_provider(provider));
    unavailable.iter().filter_map(of).flatten().map(|source| (source.kind, source.name))
}

/// The parts of the plan that replace a Pod without credentials that exist now. Once for each version of a Secret: a Pod that lacks them all
/// the same is not replaced for ever. What earlier ones brought about stays.
#[must_use]
pub fn parts(gathered: &Gathered) -> BTreeMap<String, String> {
    let live = &gathered.live;
    let mut parts: BTreeMap<String, String> = live
        .parts
        .iter()
        .filter(|(part, _)| part.starts_with(PART))
        .map(|(part, hash)| (part.clone(), hash.clone()))
        .collect();
    for provider in live.unavailable.iter().filter_map(|name| gathered.providers.get(name)) {
        let sources = sources::of_provider(provider);
        if !resolve(&sources, &gathered.reads, &Digests::default()).faults.is_empty() {
            continue;
        }
        for source in sources {
            if let Some(version) = live.secret_versions.get(&source.name) {
                parts.insert(format!("{PART} \"{}\"", source.name), hash(version));
            }
        }
    }
    parts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::gateway::fixtures::{company, edit, edit_provider, plan, secret, settle};
    use crate::references::digests::{Read, SourceKind};

    /// A gateway that runs as planned, and whose `concierge` does without `litellm`, the Provider of `writer`.
    fn settled() -> Gathered {
        let mut gathered = company();
        edit(&mut gathered, "concierge", |agent| agent.spec.model.fallbacks.clear());
        edit_provider(&mut gathered, "litellm", |provider| {
            provider.spec.credentials.as_mut().unwrap().secret_key_ref.name = "writers".into();
        });
        secret(&mut gathered, "writers", &[("litellm", "two")]);
        settle(&mut gathered);
        gathered
    }

    /// Its Pod was started while the Secret of `litellm` was away.
    fn started_without() -> Gathered {
        let mut gathered = settled();
        gathered.live.unavailable = ["litellm".to_owned()].into();
        gathered.reads.insert((SourceKind::Secret, "writers".into()), Read::Missing);
        gathered
    }

    fn restored(gathered: &mut Gathered, version: &str) {
        secret(gathered, "writers", &[("litellm", "two")]);
        gathered.live.secret_versions = [("writers".to_owned(), version.to_owned())].into();
    }

    fn hash_of(gathered: &Gathered) -> String {
        plan(gathered).pod.unwrap().hash()
    }

    #[test]
    fn only_the_agents_that_use_the_provider_lack_its_key_and_are_told_secret_key_and_remedy() {
        let gathered = started_without();
        assert_eq!(lacking(&gathered.owner, &gathered, &gathered.live.unavailable), None);
        let fault = lacking(&gathered.joined[0], &gathered, &gathered.live.unavailable).unwrap();
        assert_eq!(fault.reason, reason::CREDENTIALS_UNAVAILABLE);
        let expected = "The gateway's Pod started without the credentials of Provider \"litellm\": Secret \"writers\" does not exist (spec.credentials.secretKeyRef of Provider \"litellm\"): create it. The Pod is recreated once they exist.";
        assert_eq!(fault.message, expected);
    }

    #[test]
    fn a_pod_without_a_key_stays_until_the_key_is_back_with_the_same_value_and_is_then_replaced_once() {
        let before = hash_of(&settled());
        let mut gathered = started_without();
        assert_eq!(hash_of(&gathered), before, "nothing is replaced for want of the key");
        restored(&mut gathered, "uid/1");
        let after = hash_of(&gathered);
        assert_ne!(after, before);
        let parts = crate::gateway::plan::changed_parts(&gathered.live.parts, &plan(&gathered).pod.unwrap().parts);
        assert_eq!(parts, ["the availability of Secret \"writers\" changed"]);
        settle(&mut gathered);
        assert_eq!(hash_of(&gathered), after, "one that lacks it all the same is not replaced for ever");
        gathered.live.unavailable.clear();
        gathered.live.secret_versions.clear();
        assert_eq!(hash_of(&gathered), after, "the next Pod stays");
        gathered.live.unavailable = ["litellm".to_owned()].into();
        restored(&mut gathered, "uid/2");
        assert_ne!(hash_of(&gathered), after, "the Secret went and came back once more");
    }

    #[test]
    fn a_secret_that_was_recreated_while_the_gateway_had_its_key_replaces_nothing() {
        let mut gathered = settled();
        let before = hash_of(&gathered);
        restored(&mut gathered, "uid/1");
        assert_eq!(hash_of(&gathered), before);
    }

    #[test]
    fn a_key_that_is_emptied_replaces_nothing() {
        let mut gathered = settled();
        let before = hash_of(&gathered);
        secret(&mut gathered, "writers", &[("litellm", " ")]);
        let after = plan(&gathered);
        assert_eq!(after.pod.unwrap().hash(), before);
        assert!(after.faults.is_empty());
        assert_eq!(after.agent_warnings["writer"][0].reason, reason::SECRET_KEY_EMPTY);
    }

    #[test]
    fn an_agent_whose_key_is_empty_from_the_beginning_is_not_put_on_the_gateway() {
        let mut gathered = company();
        secret(&mut gathered, "keys", &[("openai", "one"), ("litellm", "")]);
        edit(&mut gathered, "concierge", |agent| agent.spec.model.fallbacks.clear());
        let plan = plan(&gathered);
        assert_eq!(plan.faults["writer"].reason, reason::SECRET_KEY_EMPTY);
        assert!(!plan.faults["writer"].last_good_kept());
        assert!(plan.config.unwrap().value().pointer("/models/providers/p-litellm").is_none());
    }
}
