//! Keys of openclaw.json that have no field: for the whole gateway by its owner, and for the entry of each Agent. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use kube::ResourceExt;
use serde_json::Value;

use super::{Contribution, Feature, channels};
use crate::api::Agent;
use crate::api::channels::Channel;
use crate::api::passthrough::Passthrough;
use crate::api::references::SecretKeySelector;
use crate::gateway::gather::Gathered;
use crate::gateway::last_good::AtFault;
use crate::gateway::plan::SecretVariable;
use crate::gateway::rejections::{Circumstances, Keys};
use crate::kubernetes::conditions::reason;
use crate::kubernetes::printable::excerpt;
use crate::openclaw::config::passthrough::author::Author;
use crate::openclaw::config::passthrough::{Passed, Place, Refusal, Why, read, remainder};
use crate::openclaw::config::sections::{Fields, Sections};
use crate::openclaw::live;
use crate::openclaw::names::EnvName;
use crate::references::digests::{Fault, Source, resolve};
use crate::references::sources;

/// The keys of an Agent's entry.
pub const AGENT: Feature = Feature { name: "config", contribute: contribute_agent, keep: keep_agent };

/// The keys of the gateway.
pub const GATEWAY: Feature = Feature { name: "gateway.config", contribute: contribute_gateway, keep: keep_gateway };

/// How many of several faults, or paths, a message names.
const NAMED: usize = 5;

/// Different keys of Secrets: each is a variable of the gateway.
const MOST_SECRETS: usize = 64;

/// Bytes of the keys of a channel in openclaw.json.
const CHANNEL_LIMIT: usize = 16 << 10;

/// Keys that an Agent has for the account of a channel.
#[derive(Debug, Default)]
pub(super) struct ChannelKeys {
    /// By account.
    pub config: Fields,
    pub environment: Vec<SecretVariable>,
}

/// What is rendered of the keys for this account of a channel of the Agent.
pub(super) fn of_channel(
    agent: &Agent,
    channel: &Channel,
    account: &str,
    config: &Passthrough,
) -> Result<ChannelKeys, Fault> {
    let field = format!("spec.channels[{}].telegram.config of Agent \"{}\"", channel.name, agent.name_any());
    if config.is_empty() {
        return Ok(ChannelKeys::default());
    }
    if !fits(config, CHANNEL_LIMIT) {
        return Err(too_large(&field, CHANNEL_LIMIT));
    }
    let below = |path: &str| path.split_once('.').map_or(path, |(_, below)| below).to_owned();
    let of_account = Fields::from_iter([(account.to_owned(), Value::Object(config.0.clone()))]);
    let Passed { fields, variables, .. } = read(Place::Channels, &of_account).map_err(|mut refused| {
        for refusal in &mut refused {
            refusal.path = below(&refusal.path);
        }
        refusal(&field, &refused)
    })?;
    Ok(ChannelKeys { config: fields, environment: secret_variables(&variables) })
}

fn too_large(field: &str, limit: usize) -> Fault {
    let message = format!("{field} has more than {} KiB in openclaw.json: shorten it", limit >> 10);
    Fault { reason: reason::CONFIG_TOO_LARGE, message, carried: false }
}

/// A part of an Agent's spec.
struct Part {
    place: Place,
    field: &'static str,
    /// Bytes in openclaw.json. All ConfigMaps of a gateway have a mebibyte each.
    limit: usize,
    sources: fn(&Agent) -> Vec<Source>,
}

const OF_AGENT: Part = Part { place: Place::Agent, field: "spec.config", limit: 64 << 10, sources: sources::of_config };
const OF_GATEWAY: Part =
    Part { place: Place::Gateway, field: "spec.gateway.config", limit: 256 << 10, sources: sources::of_gateway_config };

/// Whose keys the feature adds, if users write some.
#[must_use]
pub fn author(feature: &Feature, agent: &str) -> Option<Author> {
    if feature.name == channels::FEATURE.name {
        return Some(Author::Channels(agent.to_owned()));
    }
    let parts = [(AGENT, OF_AGENT), (GATEWAY, OF_GATEWAY)];
    parts.iter().find(|(of, _)| of.name == feature.name).map(|(_, part)| part.author(agent))
}

fn contribute_agent(gathered: &Gathered, agent: &Agent) -> Result<Contribution, Fault> {
    not_both_lists(agent)?;
    let (passed, contribution) = OF_AGENT.contribute(gathered, agent, &agent.spec.config)?;
    Ok(Contribution { config: passed, ..contribution })
}

fn contribute_gateway(gathered: &Gathered, agent: &Agent) -> Result<Contribution, Fault> {
    let Some(gateway) = &agent.spec.gateway else { return Ok(Contribution::default()) };
    let (passed, contribution) = OF_GATEWAY.contribute(gathered, agent, &gateway.config)?;
    Ok(Contribution { gateway_config: passed, ..contribution })
}

/// Whether the Agent leaves these keys to the fields that they have, so that a feature can answer for them; else what is wrong. There may be
/// Agents from before there were such fields.
pub fn without(agent: &Agent, paths: &[impl AsRef<str>]) -> Result<(), Fault> {
    let config = &agent.spec.config.0;
    let has = |path: &str| {
        let mut keys = path.split('.');
        let top = keys.next().and_then(|key| config.get(key));
        keys.try_fold(top?, |value, key| value.get(key))
    };
    if !paths.iter().any(|path| has(path.as_ref()).is_some()) {
        return Ok(());
    }
    let field = OF_AGENT.field_of(agent);
    read(OF_AGENT.place, config).map(drop).map_err(|refused| refusal(&field, &refused))
}

/// OpenClaw takes one of the two only.
pub fn not_both_lists(agent: &Agent) -> Result<(), Fault> {
    let allows = agent.spec.tools.as_ref().is_some_and(|tools| !tools.policy.allow.is_empty());
    let adds = agent.spec.config.0.get("tools").is_some_and(|tools| tools.get("alsoAllow").is_some());
    if !(allows && adds) {
        return Ok(());
    }
    let message = format!(
        "OpenClaw does not take spec.tools.allow and tools.alsoAllow in spec.config of Agent \"{}\" together: move the entries of alsoAllow to spec.tools.allow, or remove spec.tools.allow",
        agent.name_any()
    );
    Err(Fault { reason: reason::CONFIG_UNSUPPORTED, message, carried: false })
}

impl Part {
    /// As messages name it.
    fn field_of(&self, agent: &Agent) -> String {
        format!("{} of Agent \"{}\"", self.field, agent.name_any())
    }

    fn author(&self, agent: &str) -> Author {
        match self.place {
            Place::Gateway => Author::Gateway,
            Place::Agent => Author::Agent(agent.to_owned()),
            Place::Channels => Author::Channels(agent.to_owned()),
        }
    }

    fn contribute(
        &self,
        gathered: &Gathered,
        agent: &Agent,
        config: &Passthrough,
    ) -> Result<(Fields, Contribution), Fault> {
        let fault = |reason, message| Fault { reason, message, carried: false };
        let field = self.field_of(agent);
        if !fits(config, self.limit) {
            return Err(too_large(&field, self.limit));
        }
        let Passed { fields, variables, plain_secrets } =
            read(self.place, &config.0).map_err(|refused| refusal(&field, &refused))?;
        if variables.len() > MOST_SECRETS {
            let message = format!("{field} names more than {MOST_SECRETS} keys of Secrets: use fewer");
            return Err(fault(reason::CONFIG_TOO_LARGE, message));
        }
        let sources = (self.sources)(agent);
        let resolved = resolve(&sources, &gathered.reads, &gathered.live.digests);
        let (author, environment) = (self.author(&agent.name_any()), secret_variables(&variables));
        let circumstances = Circumstances { image: gathered.live.image.as_deref(), digests: &resolved.digests };
        let keys = Keys { author: &author, fields: &fields, variables: &environment, circumstances };
        if let Some(words) = gathered.live.rejections.message(keys) {
            let message = if gathered.live.rejections.is_guess(keys) {
                format!(
                    "The gateway rejected the configuration. Creel guesses that {field} is the cause, and leaves it out to find out: {words}"
                )
            } else {
                format!("The gateway rejected {field}; correct or remove what it names: {words}")
            };
            return Err(fault(reason::REJECTED, message));
        }
        if let Some(blocking) = resolved.blocking() {
            return Err(blocking.clone());
        }
        let warnings = resolved.faults.into_iter().chain(plain_text(&field, &plain_secrets)).collect();
        Ok((fields, Contribution { environment, sources, warnings, ..Contribution::default() }))
    }

    /// The variables of what the Agent writes, if that can be rendered.
    fn named(&self, agent: &Agent) -> Vec<SecretVariable> {
        let config = match self.place {
            Place::Gateway => agent.spec.gateway.as_ref().map(|gateway| &gateway.config),
            Place::Agent => Some(&agent.spec.config),
            Place::Channels => None,
        };
        let passed = config.and_then(|config| read(self.place, &config.0).ok());
        passed.map(|passed| secret_variables(&passed.variables)).unwrap_or_default()
    }

    /// What is rendered of it, while the live Pod has its variables, or the present spec names what is in them.
    ///
    /// What the gateway accepted before and rejects now is left out. What it never accepted does not stand in.
    fn last_good(
        &self,
        gathered: &Gathered,
        at_fault: &AtFault<'_>,
        rendered: &Fields,
    ) -> Option<(Fields, Contribution)> {
        let fields = remainder(self.place, rendered);
        let agent = &at_fault.name;
        let named = at_fault.agent.map(|agent| self.named(agent)).unwrap_or_default();
        let variables = live::variables(&Value::Object(fields.clone()));
        let environment: Vec<SecretVariable> = variables
            .iter()
            .map(|variable| {
                let is_it = |known: &SecretVariable| known.variable == variable.as_str();
                gathered
                    .live
                    .secret_variables()
                    .find(is_it)
                    .or_else(|| named.iter().find(|known| is_it(known)).cloned())
            })
            .collect::<Option<_>>()?;
        let of = format!("the last good {} of Agent \"{agent}\"", self.field);
        let sources: Vec<Source> =
            environment.iter().map(|variable| sources::of_live(&variable.secret, &variable.key, &of)).collect();
        let digests = resolve(&sources, &gathered.reads, &gathered.live.digests).digests;
        let circumstances = Circumstances { image: gathered.live.image.as_deref(), digests: &digests };
        let keys = Keys { author: &self.author(agent), fields: &fields, variables: &environment, circumstances };
        if gathered.live.rejections.message(keys).is_some() {
            return at_fault.is_accepted.then(Default::default);
        }
        Some((fields, Contribution { environment, sources, ..Contribution::default() }))
    }
}

fn secret_variables(variables: &BTreeSet<(EnvName, SecretKeySelector)>) -> Vec<SecretVariable> {
    let of = |(variable, selector): &(EnvName, SecretKeySelector)| {
        SecretVariable::new(variable, &selector.name, &selector.key)
    };
    variables.iter().map(of).collect()
}

fn keep_agent(gathered: &Gathered, at_fault: &[AtFault<'_>], _: &Sections) -> BTreeMap<String, Contribution> {
    let keep = |at_fault: &AtFault<'_>| {
        let (config, contribution) = OF_AGENT.last_good(gathered, at_fault, at_fault.entry.as_object()?)?;
        Some((at_fault.name.clone(), Contribution { config, ..contribution }))
    };
    at_fault.iter().filter_map(keep).collect()
}

fn keep_gateway(gathered: &Gathered, at_fault: &[AtFault<'_>], _: &Sections) -> BTreeMap<String, Contribution> {
    let owner = gathered.owner.name_any();
    let keep = |at_fault: &AtFault<'_>| {
        if at_fault.name != owner {
            return Some((at_fault.name.clone(), Contribution::default()));
        }
        let rendered = at_fault.config.as_object()?;
        let (gateway_config, contribution) = OF_GATEWAY.last_good(gathered, at_fault, rendered)?;
        Some((owner.clone(), Contribution { gateway_config, ..contribution }))
    };
    at_fault.iter().filter_map(keep).collect()
}

/// Whether it takes at most so many bytes in openclaw.json. Stops counting there: what is deep is far longer there than in the spec.
fn fits(config: &Passthrough, limit: usize) -> bool {
    struct Room(usize);
    impl Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::WriteZero)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer_pretty(Room(limit), config).is_ok()
}

/// The fault of the first kind that there is; of that kind, every path up to a limit.
fn refusal(field: &str, refused: &[Refusal]) -> Fault {
    let owned: Vec<String> = refused.iter().filter_map(owned).collect();
    let (reason, what, paths) = if owned.is_empty() {
        let paths = refused.iter().map(|refusal| format!("{} {}", excerpt(&refusal.path), unsupported(&refusal.why)));
        (reason::CONFIG_UNSUPPORTED, "has values that cannot be used", paths.collect())
    } else {
        (reason::CONFIG_KEY_OWNED, "has keys that only Creel sets", owned)
    };
    Fault { reason, message: format!("{field} {what}: {}", list(&paths)), carried: false }
}

fn owned(refusal: &Refusal) -> Option<String> {
    match &refusal.why {
        Why::Owned(remedy) => Some(format!("{} ({remedy})", excerpt(&refusal.path))),
        _ => None,
    }
}

/// What is wrong with a value, to be read after its path.
fn unsupported(why: &Why) -> String {
    match why {
        Why::Owned(remedy) => (*remedy).to_owned(),
        Why::NotAnObject => "must be an object, because Creel sets keys below it".to_owned(),
        Why::MalformedReference => {
            "must be {valueFrom: {secretKeyRef: {name: …, key: …}}} with nothing else in it".to_owned()
        }
        Why::SecretRef => "is a SecretRef of OpenClaw: use {valueFrom: {secretKeyRef: {name: …, key: …}}}".to_owned(),
        Why::Variable(name) => format!(
            "names the variable ${{{}}}: use {{valueFrom: {{secretKeyRef: {{name: …, key: …}}}}}} as the whole value, or write $${{…}} for \
             the characters themselves",
            excerpt(name)
        ),
        Why::Include => "includes a file: write the keys of the file there".to_owned(),
    }
}

/// Secrets that everybody can read who can read the Agent.
fn plain_text(field: &str, paths: &[String]) -> Option<Fault> {
    if paths.is_empty() {
        return None;
    }
    let shown: Vec<String> = paths.iter().map(|path| excerpt(path)).collect();
    let message = format!(
        "{field} has secrets in plain text: {}. Put them into a Secret, and use {{valueFrom: {{secretKeyRef: {{name: …, key: …}}}}}}",
        list(&shown)
    );
    Some(Fault { reason: reason::SECRET_IN_PLAIN_TEXT, message, carried: true })
}

fn list(all: &[String]) -> String {
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
