//! The clients of a gateway, as its owner lists them: each with the Agents that it may use and the digest of its token. One that is at fault
//! is refused, and disturbs nothing else. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use crate::api::clients::Client;
use crate::gateway::build::relay;
use crate::gateway::gather::Gathered;
use crate::gateway::plan::RelayClient;
use crate::kubernetes::conditions::reason;
use crate::naming::GatewayNames;
use crate::references::digests::{Digests, Fault, Read, Source, SourceKind, TokenDigest, resolve as resolve_sources};
use crate::references::sources;
use crate::references::suggest::suggestion;

/// What the owner's `spec.gateway.auth.clients` says.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// Those that can be let in; `None`: none are listed.
    pub list: Option<Vec<RelayClient>>,
    pub warnings: Vec<Fault>,
}

/// Which clients the relay lets in, and what is wrong with the others.
#[must_use]
pub fn resolve(gathered: &Gathered) -> Resolved {
    let mut clients = sources::of_clients(&gathered.owner).peekable();
    if clients.peek().is_none() {
        return Resolved::default();
    }
    let before = before(gathered);
    let mut taken = gateway_token(gathered).map(|token| (token, "the gateway".to_owned())).into_iter().collect();
    let (mut list, mut warnings) = (Vec::new(), Vec::new());
    for (client, source) in clients {
        let (agents, faults) = agents(client, gathered);
        warnings.extend(faults);
        match token(client, &source, gathered, &mut taken) {
            Ok(digest) => list.push(RelayClient { name: client.name.clone(), agents, digest: hex::encode(digest) }),
            Err(fault) => {
                let stays = before.iter().find(|known| known.name == client.name && is_unreadable(&fault));
                list.extend(stays.map(|known| RelayClient { agents, ..known.clone() }));
                warnings.push(fault);
            }
        }
    }
    Resolved { list: Some(list), warnings }
}

/// What cannot be read now may be as it was.
fn is_unreadable(fault: &Fault) -> bool {
    fault.reason == reason::REFERENCE_UNREADABLE
}

/// The clients that the relay lets in now.
fn before(gathered: &Gathered) -> Vec<RelayClient> {
    let name = GatewayNames::of(&gathered.owner.name_any()).clients;
    let map = gathered.live.config_maps.get(&name).filter(|map| !map.intruded);
    map.and_then(|map| relay::read_back(&map.object)).unwrap_or_default()
}

/// The Agents of the client that are on the gateway, and a fault for each other one.
fn agents(client: &Client, gathered: &Gathered) -> (Vec<String>, Vec<Fault>) {
    let owner = gathered.owner.name_any();
    let known: BTreeSet<String> =
        std::iter::once(owner.clone()).chain(gathered.joined.iter().map(|agent| agent.name_any())).collect();
    let wanted = client.agents.clone().unwrap_or_else(|| vec![owner.clone()]);
    let (agents, unknown): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|agent| known.contains(agent) || gathered.unparsable.contains(agent));
    let fault = |agent: String| {
        let meant = suggestion(&agent, known.iter().map(String::as_str));
        let message = format!(
            "Agent \"{agent}\" is not on this gateway (spec.gateway.auth.clients[{}].agents of Agent \"{owner}\"){meant}",
            client.name
        );
        Fault { reason: reason::AGENT_NOT_FOUND, message, carried: true }
    };
    (agents, unknown.into_iter().map(fault).collect())
}

/// Whose tokens are known, by their digests.
type Taken = BTreeMap<TokenDigest, String>;

/// The digest of the client's token, which nothing else has.
fn token(client: &Client, source: &Source, gathered: &Gathered, taken: &mut Taken) -> Result<TokenDigest, Fault> {
    let resolved = resolve_sources(std::slice::from_ref(source), &gathered.reads, &Digests::default());
    if let Some(fault) = resolved.faults.into_iter().next() {
        return Err(Fault { carried: true, ..fault });
    }
    let digest = digest_of(gathered, &source.name, source.key.as_deref().unwrap_or_default()).unwrap_or_default();
    let fault = |whose: &String| {
        let message = format!(
            "Key \"{}\" of Secret \"{}\" is also the token of {whose} ({}): use another token",
            client.secret_ref.key, source.name, source.field
        );
        Fault { reason: reason::CLIENT_TOKEN_SHARED, message, carried: true }
    };
    if let Some(whose) = taken.get(&digest) {
        return Err(fault(whose));
    }
    taken.insert(digest, format!("client \"{}\"", client.name));
    Ok(digest)
}

fn gateway_token(gathered: &Gathered) -> Option<TokenDigest> {
    let token = sources::token(&gathered.owner);
    digest_of(gathered, &token.name, &token.key)
}

fn digest_of(gathered: &Gathered, secret: &str, key: &str) -> Option<TokenDigest> {
    let Some(Read::Keys(keys)) = gathered.reads.get(&(SourceKind::Secret, secret.to_owned())) else { return None };
    keys.get(key).map(|value| value.token)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
