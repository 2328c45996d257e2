//! The channels on which people talk to an Agent: an account for each, which is bound to it. Pure.
//!
//! A channel whose Secret is missing, or whose bot another Agent has, is left out and stands in nobody's way: the Agent answers over HTTP
//! all the same. Only keys of openclaw.json that cannot be used are the Agent's fault, as everywhere.

use std::collections::BTreeMap;

use kube::ResourceExt;
use serde_json::Value;

use super::{Contribution, Feature, passthrough};
use crate::api::Agent;
use crate::api::channels::{Channel, Telegram};
use crate::gateway::gather::Gathered;
use crate::gateway::last_good::AtFault;
use crate::gateway::plan::SecretVariable;
use crate::gateway::rejections::{Circumstances, Keys};
use crate::kubernetes::conditions::reason;
use crate::openclaw::config::channels::{self, account_id, agent_of};
use crate::openclaw::config::passthrough::author::Author;
use crate::openclaw::config::passthrough::{Place, remainder};
use crate::openclaw::config::sections::{Fields, Sections};
use crate::openclaw::live;
use crate::openclaw::names::EnvName;
use crate::references::digests::{Fault, Read, SourceKind, TokenDigest, resolve};
use crate::references::sources;

pub const FEATURE: Feature = Feature { name: "channels", contribute, keep };

/// A channel of the Agent with what it is rendered from.
struct Bot<'a> {
    channel: &'a Channel,
    telegram: &'a Telegram,
    id: String,
}

fn bots(agent: &Agent) -> impl Iterator<Item = Bot<'_>> {
    let name = agent.name_any();
    agent.spec.channels.iter().filter_map(move |channel| {
        let id = account_id(&name, &channel.name);
        Some(Bot { channel, telegram: channel.telegram.as_ref()?, id })
    })
}

fn contribute(gathered: &Gathered, agent: &Agent) -> Result<Contribution, Fault> {
    let mut contribution = Contribution::default();
    let mut of_config = Vec::new();
    for bot in bots(agent) {
        let keys = passthrough::of_channel(agent, bot.channel, &bot.id, &bot.telegram.config)?;
        let sources = sources::of_channel(agent, bot.channel);
        let resolved = resolve(&sources, &gathered.reads, &gathered.live.digests);
        let shared = taken(gathered, agent, &bot);
        let blocking = resolved.blocking().cloned().or_else(|| shared.clone());
        let faults = resolved.faults.into_iter().chain(shared);
        contribution.warnings.extend(faults.map(|fault| Fault { carried: true, ..fault }));
        if let Some(fault) = blocking {
            contribution.channel_faults.insert(bot.channel.name.clone(), fault);
            continue;
        }
        let selector = &bot.telegram.bot_token.secret_key_ref;
        let token = EnvName::channel(&selector.name, &selector.key);
        contribution.accounts.insert(bot.id, channels::telegram(bot.telegram, &token));
        contribution.channel_config.extend(keys.config);
        contribution.environment.push(SecretVariable::new(&token, &selector.name, &selector.key));
        contribution.environment.extend(keys.environment.clone());
        contribution.sources.extend(sources);
        of_config.extend(keys.environment);
    }
    not_rejected(gathered, agent, &contribution, &of_config)?;
    Ok(contribution)
}

/// What the gateway said of these keys, if it rejected exactly them.
fn not_rejected(
    gathered: &Gathered,
    agent: &Agent,
    contribution: &Contribution,
    variables: &[SecretVariable],
) -> Result<(), Fault> {
    let author = Author::Channels(agent.name_any());
    let digests = resolve(&contribution.sources, &gathered.reads, &gathered.live.digests).digests;
    let circumstances = Circumstances { image: gathered.live.image.as_deref(), digests: &digests };
    let keys = Keys { author: &author, fields: &contribution.channel_config, variables, circumstances };
    let Some(words) = gathered.live.rejections.message(keys) else { return Ok(()) };
    let message = format!(
        "The gateway rejected spec.channels of Agent \"{}\"; correct or remove what it names: {words}",
        agent.name_any()
    );
    Err(Fault { reason: reason::REJECTED, message, carried: false })
}

/// What is wrong with the bot of this channel if another channel has it: Telegram gives each message to one of the two only.
fn taken(gathered: &Gathered, agent: &Agent, bot: &Bot<'_>) -> Option<Fault> {
    let token = token_of(gathered, bot.telegram)?;
    let has_it = |other: &Bot<'_>| other.telegram.is_enabled() && token_of(gathered, other.telegram) == Some(token);
    if !bot.telegram.is_enabled() {
        return None;
    }
    let own = bots(agent).take_while(|other| other.id != bot.id).find(|other| has_it(other));
    let of_others = gathered.older_agents(agent).flat_map(|other| bots(other).map(move |bot| (other.name_any(), bot)));
    let whose =
        own.map(|other| (agent.name_any(), other)).or_else(|| of_others.into_iter().find(|(_, bot)| has_it(bot)))?;
    let (name, other) = whose;
    let selector = &bot.telegram.bot_token.secret_key_ref;
    let message = format!(
        "Key \"{}\" of Secret \"{}\" (spec.channels[{}].telegram.botToken of Agent \"{}\") is also the token of channel \"{}\" of Agent \"{name}\", which keeps the bot: use another bot",
        selector.key,
        selector.name,
        bot.channel.name,
        agent.name_any(),
        other.channel.name
    );
    Some(Fault { reason: reason::BOT_TOKEN_SHARED, message, carried: false })
}

fn token_of(gathered: &Gathered, telegram: &Telegram) -> Option<TokenDigest> {
    let selector = &telegram.bot_token.secret_key_ref;
    let Some(Read::Keys(keys)) = gathered.reads.get(&(SourceKind::Secret, selector.name.clone())) else { return None };
    keys.get(&selector.key).filter(|value| !value.blank).map(|value| value.token)
}

/// The accounts that an Agent has, while the live Pod has their variables.
fn keep(gathered: &Gathered, at_fault: &[AtFault<'_>], _: &Sections) -> BTreeMap<String, Contribution> {
    at_fault.iter().map(|at_fault| (at_fault.name.clone(), last_good(gathered, at_fault))).collect()
}

fn last_good(gathered: &Gathered, at_fault: &AtFault<'_>) -> Contribution {
    let mut kept = Contribution::default();
    for (id, account) in channels::read_back(at_fault.config).filter(|(id, _)| agent_of(id) == Some(&at_fault.name)) {
        let account = Value::Object(account.clone());
        let variable = |name: &EnvName| gathered.live.secret_variables().find(|live| live.variable == name.as_str());
        let Some(environment) = live::variables(&account).iter().map(variable).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let of = format!("the last good channels of Agent \"{}\"", at_fault.name);
        kept.sources.extend(environment.iter().map(|variable| sources::of_live(&variable.secret, &variable.key, &of)));
        kept.environment.extend(environment);
        kept.channel_config.extend(remainder(Place::Channels, &Fields::from_iter([(id.clone(), account.clone())])));
        kept.accounts.extend(account.as_object().map(|fields| (id.clone(), fields.clone())));
    }
    let named = live::variables(&Value::Object(kept.channel_config.clone()));
    let is_named = |variable: &&SecretVariable| named.iter().any(|name| name.as_str() == variable.variable);
    let variables: Vec<SecretVariable> = kept.environment.iter().filter(is_named).cloned().collect();
    let author = Author::Channels(at_fault.name.clone());
    let digests = resolve(&kept.sources, &gathered.reads, &gathered.live.digests).digests;
    let circumstances = Circumstances { image: gathered.live.image.as_deref(), digests: &digests };
    let fields = &kept.channel_config;
    let keys = Keys { author: &author, fields, variables: &variables, circumstances };
    // What the gateway accepted before and rejects now is left out.
    if gathered.live.rejections.message(keys).is_some() { Contribution::default() } else { kept }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
