//! Which models answer an Agent, and the Providers of all that it can switch to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use serde_json::Value;

use super::{Contribution, Feature};
use crate::api::models::{ModelReference, ModelSelection};
use crate::api::provider::{Header, Modality, Model, Protocol};
use crate::api::references::SecretSource;
use crate::api::{Agent, Provider};
use crate::gateway::gather::Gathered;
use crate::gateway::last_good::AtFault;
use crate::gateway::plan::SecretVariable;
use crate::kubernetes::conditions::reason;
use crate::openclaw::config::agents::{self, MODEL, ModelChoice, ModelName};
use crate::openclaw::config::models::{self, HeaderValue};
use crate::openclaw::config::sections::Sections;
use crate::openclaw::live;
use crate::openclaw::names::{EnvName, is_sent_whole, unescape};
use crate::references::digests::{Fault, Source, resolve};
use crate::references::sources;
use crate::references::suggest;

pub const FEATURE: Feature = Feature { name: MODEL, contribute, keep };

fn contribute(gathered: &Gathered, agent: &Agent) -> Result<Contribution, Fault> {
    let active = agent.spec.active_models().ok_or_else(|| profile_not_found(agent))?;
    let entry = agents::model(&choice(active.selection));
    let mut contribution = Contribution { entry, ..Contribution::default() };
    for (field, reference) in active.references() {
        contribution.reach(gathered, agent, &field, reference)?;
    }
    let faults = contribution.reach_others(gathered, agent);
    contribution.warnings.extend(faults);
    Ok(contribution)
}

/// An object may be older than its schema.
fn profile_not_found(agent: &Agent) -> Fault {
    let name = agent.spec.active_model_profile.as_deref().unwrap_or_default();
    let meant = suggest::suggestion(name, agent.spec.model_profiles.iter().map(|profile| profile.name.as_str()));
    let message = format!(
        "Model profile \"{name}\" is not in spec.modelProfiles (spec.activeModelProfile of Agent \"{}\"){meant}",
        agent.name_any()
    );
    Fault { reason: reason::MODEL_NOT_FOUND, message, carried: false }
}

impl Contribution {
    /// Adds the Provider of a model, unless it is there already.
    fn reach(
        &mut self,
        gathered: &Gathered,
        agent: &Agent,
        field: &str,
        reference: &ModelReference,
    ) -> Result<(), Fault> {
        let provider = provider(gathered, agent, field, reference)?;
        if self.sections.contains(&models::path(&reference.provider)) {
            return Ok(());
        }
        let offer = Offer::present(provider);
        let resolved = resolve(&offer.sources, &gathered.reads, &gathered.live.digests);
        if let Some(blocking) = resolved.blocking() {
            return Err(blocking.clone());
        }
        self.warnings.extend(resolved.faults);
        self.provide(&reference.provider, offer);
        Ok(())
    }

    /// Adds the Providers of the models that the Agent can switch to. What is wrong with them, which is in the way of the switch only.
    fn reach_others(&mut self, gathered: &Gathered, agent: &Agent) -> Vec<Fault> {
        let active = agent.spec.active_models();
        let others = agent.spec.all_models().filter(|models| active.as_ref() != Some(models));
        let references = others.flat_map(|models| models.references());
        let faults = references.filter_map(|(field, reference)| self.reach(gathered, agent, &field, reference).err());
        faults.map(|fault| Fault { carried: true, ..fault }).collect()
    }

    fn provide(&mut self, name: &str, offer: Offer) {
        self.sections.insert(models::path(name), offer.section);
        self.environment.extend(offer.environment);
        self.sources.extend(offer.sources);
    }
}

/// The Provider that a field of the Agent names, if it has the model.
fn provider<'a>(
    gathered: &'a Gathered,
    agent: &Agent,
    field: &str,
    reference: &ModelReference,
) -> Result<&'a Provider, Fault> {
    let place = format!("{field} of Agent \"{}\"", agent.name_any());
    let Some(provider) = gathered.providers.get(&reference.provider) else {
        let meant = suggest::suggestion(&reference.provider, gathered.providers.keys().map(String::as_str));
        let message = format!("Provider \"{}\" does not exist ({place}){meant}", reference.provider);
        return Err(Fault { reason: reason::PROVIDER_NOT_FOUND, message, carried: false });
    };
    let ids = || provider.spec.models.iter().map(|model| model.id.as_str());
    if ids().any(|id| id == reference.model) && !is_sent_whole(&reference.model) {
        let message = format!(
            "Model \"{}\" cannot be used ({place}): OpenClaw takes what follows the \"@\" for the name of an auth profile",
            reference.model
        );
        return Err(Fault { reason: reason::MODEL_ID_UNSUPPORTED, message, carried: false });
    }
    if ids().any(|id| id == reference.model) {
        return Ok(provider);
    }
    let meant = suggest::suggestion(&reference.model, ids());
    let message = format!(
        "Provider \"{}\" has no model \"{}\" ({place}){meant}: use one of its spec.models, or add it there",
        reference.provider, reference.model
    );
    Err(Fault { reason: reason::MODEL_NOT_FOUND, message, carried: false })
}

/// The last good models of each Agent whose Providers can still serve them: as they are now, or as they were.
fn keep(gathered: &Gathered, at_fault: &[AtFault<'_>], needed: &Sections) -> BTreeMap<String, Contribution> {
    let mut models: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (provider, model) in at_fault.iter().flat_map(|at_fault| live::models_of(&at_fault.entry)) {
        models.entry(provider).or_default().insert(model);
    }
    let providers: BTreeMap<String, Offer> = models
        .into_iter()
        .filter_map(|(name, models)| {
            let offer = last_good(gathered, needed, &name, &models)?;
            Some((name, offer))
        })
        .collect();
    at_fault
        .iter()
        .filter_map(|at_fault| {
            let entry = live::fields(&at_fault.entry, &[MODEL]);
            let mut contribution = Contribution { entry, ..Contribution::default() };
            for (name, model) in live::models_of(&at_fault.entry) {
                let offer = providers.get(&name).filter(|offer| offer.models.contains(&model))?;
                contribution.provide(&name, offer.clone());
            }
            if let Some(agent) = at_fault.agent {
                // What is wrong with these is told once the models that answer are in order.
                drop(contribution.reach_others(gathered, agent));
            }
            Some((at_fault.name.clone(), contribution))
        })
        .collect()
}

/// A Provider as the gateway gets it.
#[derive(Clone)]
struct Offer {
    section: Value,
    /// The ids of its models.
    models: BTreeSet<String>,
    environment: Vec<SecretVariable>,
    sources: Vec<Source>,
}

impl Offer {
    /// By its present spec.
    fn present(provider: &Provider) -> Self {
        Self {
            section: models::provider(&rendered(provider)),
            models: provider.spec.models.iter().map(|model| model.id.clone()).collect(),
            environment: variables_of(provider),
            sources: sources::of_provider(provider),
        }
    }

    /// As the live configuration has it, while the live Pod has its variables.
    fn read_back(gathered: &Gathered, name: &str) -> Option<Self> {
        let section = live::provider(gathered.live.config.as_ref()?.value(), name)?;
        let models =
            section["models"].as_array()?.iter().filter_map(|model| Some(unescape(model["id"].as_str()?))).collect();
        let environment: Vec<SecretVariable> = live::variables(&section)
            .iter()
            .map(|variable| gathered.live.secret_variables().find(|live| live.variable == variable.as_str()))
            .collect::<Option<_>>()?;
        let of = format!("the last good state of Provider \"{name}\"");
        let sources =
            environment.iter().map(|variable| sources::of_live(&variable.secret, &variable.key, &of)).collect();
        Some(Self { section, models, environment, sources })
    }
}

/// How a Provider can serve these models of last good states: as it is now, if it lacks nothing or the present spec of an Agent needs
/// it so; or else as it was.
fn last_good(gathered: &Gathered, needed: &Sections, name: &str, models: &BTreeSet<String>) -> Option<Offer> {
    if let Some(provider) = gathered.providers.get(name) {
        let present = Offer::present(provider);
        let resolved = resolve(&present.sources, &gathered.reads, &gathered.live.digests);
        let serves = resolved.blocking().is_none() && models.is_subset(&present.models);
        if serves || needed.contains(&models::path(name)) {
            return Some(present);
        }
    }
    Offer::read_back(gathered, name)
}

fn choice(selection: &ModelSelection) -> ModelChoice {
    let name =
        |reference: &ModelReference| ModelName { provider: reference.provider.clone(), model: reference.model.clone() };
    ModelChoice { primary: name(&selection.primary), fallbacks: selection.fallbacks.iter().map(name).collect() }
}

/// The variables that hold a Provider's secrets.
fn variables_of(provider: &Provider) -> Vec<SecretVariable> {
    let name = provider.name_any();
    let of = |variable: EnvName, source: &SecretSource| {
        SecretVariable::new(&variable, &source.secret_key_ref.name, &source.secret_key_ref.key)
    };
    let credentials = provider.spec.credentials.iter().map(|source| of(EnvName::provider_key(&name), source));
    let headers = provider.spec.headers.iter().enumerate().filter_map(|(position, header)| {
        header.value_from.as_ref().map(|source| of(EnvName::provider_header(&name, position), source))
    });
    credentials.chain(headers).collect()
}

fn rendered(provider: &Provider) -> models::Provider {
    let name = provider.name_any();
    let spec = &provider.spec;
    models::Provider {
        base_url: spec.base_url.clone(),
        api: protocol(spec.api),
        api_key: spec.credentials.as_ref().map(|_| EnvName::provider_key(&name)),
        headers: spec
            .headers
            .iter()
            .enumerate()
            .map(|(position, header)| header_entry(&name, position, header))
            .collect(),
        models: spec.models.iter().map(model_entry).collect(),
    }
}

fn header_entry(provider: &str, position: usize, header: &Header) -> (String, HeaderValue) {
    let value = match &header.value_from {
        Some(_) => HeaderValue::Secret(EnvName::provider_header(provider, position)),
        None => HeaderValue::Literal(header.value.clone().unwrap_or_default()),
    };
    (header.name.clone(), value)
}

fn model_entry(model: &Model) -> models::Model {
    let input = if model.input.is_empty() { vec![Modality::Text] } else { model.input.clone() };
    models::Model {
        id: model.id.clone(),
        context_window: Some(model.context_window.unwrap_or(128_000).into()),
        max_tokens: Some(model.max_tokens.unwrap_or(8192).into()),
        reasoning: model.reasoning.unwrap_or(false),
        input: input
            .into_iter()
            .map(|modality| match modality {
                Modality::Text => models::Input::Text,
                Modality::Image => models::Input::Image,
            })
            .collect(),
        // The schema admits only decimal numbers.
        cost: model.cost.as_ref().map(|cost| models::Cost {
            input: cost.input.parse().unwrap_or_default(),
            output: cost.output.parse().unwrap_or_default(),
        }),
    }
}

fn protocol(protocol: Protocol) -> models::Api {
    match protocol {
        Protocol::OpenaiCompletions => models::Api::OpenaiCompletions,
        Protocol::OpenaiResponses => models::Api::OpenaiResponses,
        Protocol::AnthropicMessages => models::Api::AnthropicMessages,
        Protocol::GoogleGenerativeAi => models::Api::GoogleGenerativeAi,
        Protocol::Ollama => models::Api::Ollama,
        Protocol::AzureOpenaiResponses => models::Api::AzureOpenaiResponses,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
