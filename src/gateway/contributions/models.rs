//! Which Providers the configuration and the environment of a gateway hold. Pure.
//!
//! An Agent whose model can be served gets a fresh entry. One that is at fault keeps its last good entry while everything
//! that names can still be served: by the Provider as it is now, or by the Provider's own last good entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::EnvVar;
use kube::ResourceExt;
use serde_json::Value;

use super::heartbeat;
use super::sandbox;
use crate::api::models::ModelReference;
use crate::api::provider::{Header, Modality, Model, Protocol};
use crate::api::{Agent, Provider};
use crate::gateway::gather::Gathered;
use crate::gateway::plan::{AgentFault, SecretVariable};
use crate::kubernetes::conditions::reason;
use crate::openclaw::config::{self, AgentEntry, HeaderValue, ProviderEntry};
use crate::openclaw::live;
use crate::openclaw::names::EnvName;
use crate::references::digests::SourceKind;
use crate::references::digests::{Digests, Fault, Source, resolve};
use crate::references::sources;
use crate::references::suggest;

/// What the agents of a gateway and their Providers come to.
#[derive(Debug, Default)]
pub struct Served {
    pub agents: BTreeMap<String, AgentEntry>,
    pub providers: BTreeMap<String, ProviderEntry>,
    pub faults: BTreeMap<String, AgentFault>,
    /// What is wrong with the secrets that an Agent's Providers need and yet blocks nothing, by Agent.
    pub warnings: BTreeMap<String, Vec<Fault>>,
    /// Variables that the Pod's environment needs for them.
    pub variables: BTreeSet<SecretVariable>,
    /// The digests behind the variables.
    pub digests: Digests,
}

/// Sorts out every Agent that is on the gateway and not suspended.
#[must_use]
pub fn serve(gathered: &Gathered) -> Served {
    let mut served = Served::default();
    let mut needed = BTreeSet::new();
    for agent in gathered.active_agents() {
        let name = agent.name_any();
        match check(gathered, agent) {
            Ok(warnings) => {
                needed.extend(agent.spec.model.providers());
                served.agents.insert(name.clone(), AgentEntry::Rendered(agent_entry(gathered, agent)));
                served.warnings.insert(name, warnings);
            }
            Err(fault) => {
                let fault = AgentFault { reason: fault.reason, message: fault.message, last_good_kept: false };
                served.faults.insert(name, fault);
            }
        }
    }
    for name in &needed {
        if let Some(provider) = gathered.providers.get(name) {
            served.take(name, ProviderEntry::Rendered(provider_entry(provider)), variables_of(provider));
            served.resolve(gathered, &sources::of_provider(provider));
        }
    }
    keep_last_good(gathered, &mut served);
    served
}

impl Served {
    fn take(&mut self, name: &str, entry: ProviderEntry, variables: impl IntoIterator<Item = SecretVariable>) {
        self.providers.insert(name.to_owned(), entry);
        self.variables.extend(variables);
    }

    fn resolve(&mut self, gathered: &Gathered, sources: &[Source]) {
        self.digests.0.extend(resolve(sources, &gathered.reads, &gathered.live.digests).digests.0);
    }
}

/// Whether all that the Agent names exists; what is wrong with it and yet blocks nothing.
fn check(gathered: &Gathered, agent: &Agent) -> Result<Vec<Fault>, Fault> {
    let warnings = check_model(gathered, agent)?;
    sandbox::check(gathered, agent)?;
    heartbeat::check(agent)?;
    Ok(warnings)
}

/// Whether every model that the Agent names exists, and its Provider's secrets are there; what is wrong with these and yet blocks
/// nothing.
fn check_model(gathered: &Gathered, agent: &Agent) -> Result<Vec<Fault>, Fault> {
    let mut warnings = Vec::new();
    for (field, reference) in agent.spec.model.references() {
        let fault = |reason, message| Fault { reason, message, carried: false };
        let place = format!("{field} of Agent \"{}\"", agent.name_any());
        let Some(provider) = gathered.providers.get(&reference.provider) else {
            let known = gathered.providers.keys().map(String::as_str);
            let meant = suggest::suggestion(&reference.provider, known);
            let message = format!("Provider \"{}\" does not exist ({place}){meant}", reference.provider);
            return Err(fault(reason::PROVIDER_NOT_FOUND, message));
        };
        let ids = || provider.spec.models.iter().map(|model| model.id.as_str());
        if !ids().any(|id| id == reference.model) {
            let meant = suggest::suggestion(&reference.model, ids());
            let message = format!(
                "Provider \"{}\" has no model \"{}\" ({place}){meant}: name one of its spec.models, or add it there",
                reference.provider, reference.model
            );
            return Err(fault(reason::MODEL_NOT_FOUND, message));
        }
        let resolved = resolve(&sources::of_provider(provider), &gathered.reads, &gathered.live.digests);
        if let Some(blocking) = resolved.blocking() {
            return Err(blocking.clone());
        }
        warnings.extend(resolved.faults);
    }
    Ok(warnings)
}

/// Gives each Agent at fault its last good entry, where everything that it names can still be served.
fn keep_last_good(gathered: &Gathered, served: &mut Served) {
    let Some(config) = gathered.live.config.as_ref().map(|config| config.value()) else { return };
    let entries: BTreeMap<String, Value> =
        served.faults.keys().filter_map(|name| Some((name.clone(), live::agent(config, name)?))).collect();
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (provider, model) in entries.values().flat_map(live::models_of) {
        needs.entry(provider).or_default().insert(model);
    }
    let kept: BTreeMap<String, Kept> = needs
        .into_iter()
        .filter_map(|(provider, models)| {
            let kept = keep(gathered, served, config, &provider, &models)?;
            Some((provider, kept))
        })
        .collect();
    for (name, entry) in entries {
        let models = live::models_of(&entry);
        if !models.iter().all(|(provider, model)| kept.get(provider).is_some_and(|kept| kept.offers.contains(model))) {
            continue;
        }
        for (provider, kept) in models.iter().filter_map(|(provider, _)| Some((provider, kept.get(provider)?))) {
            served.take(provider, kept.entry.clone(), kept.variables.iter().cloned());
            served.resolve(gathered, &kept.sources);
        }
        let agent = gathered.active_agents().find(|agent| agent.name_any() == name);
        let sandbox = agent.and_then(|agent| sandbox::entry(gathered, agent));
        served.agents.insert(name.clone(), AgentEntry::Kept { entry, sandbox });
        if let Some(fault) = served.faults.get_mut(&name) {
            fault.last_good_kept = true;
        }
    }
}

/// A Provider that last good entries need.
struct Kept {
    entry: ProviderEntry,
    offers: BTreeSet<String>,
    variables: Vec<SecretVariable>,
    sources: Vec<Source>,
}

/// How a Provider can serve these models of last good entries: as it is now, if it is whole or Agents that are well need it so;
/// or else as it was.
fn keep(
    gathered: &Gathered,
    served: &Served,
    config: &Value,
    provider: &str,
    models: &BTreeSet<String>,
) -> Option<Kept> {
    if let Some(present) = gathered.providers.get(provider) {
        let sources = sources::of_provider(present);
        let offers: BTreeSet<String> = present.spec.models.iter().map(|model| model.id.clone()).collect();
        let whole = resolve(&sources, &gathered.reads, &gathered.live.digests).blocking().is_none();
        if served.providers.contains_key(provider) || (whole && models.is_subset(&offers)) {
            let entry = ProviderEntry::Rendered(provider_entry(present));
            return Some(Kept { variables: variables_of(present), entry, offers, sources });
        }
    }
    let entry = live::provider(config, provider)?;
    let offers =
        entry["models"].as_array()?.iter().filter_map(|model| Some(model["id"].as_str()?.to_owned())).collect();
    let variables = live::variables(&entry);
    let variables: Option<Vec<_>> = variables.iter().map(|name| live_variable(gathered, name.as_str())).collect();
    let variables = variables?;
    let sources = variables.iter().map(|variable| carried_source(variable, provider)).collect();
    Some(Kept { entry: ProviderEntry::Kept(entry), offers, variables, sources })
}

/// The variable as the live Deployment has it.
fn live_variable(gathered: &Gathered, name: &str) -> Option<SecretVariable> {
    gathered.live.environment.iter().find(|variable| variable.name == name).and_then(secret_variable)
}

/// A variable of a live container, if it reads a Secret.
#[must_use]
pub fn secret_variable(variable: &EnvVar) -> Option<SecretVariable> {
    let selector = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
    Some(SecretVariable { variable: variable.name.clone(), secret: selector.name.clone(), key: selector.key.clone() })
}

fn carried_source(variable: &SecretVariable, provider: &str) -> Source {
    Source {
        kind: SourceKind::Secret,
        name: variable.secret.clone(),
        key: Some(variable.key.clone()),
        optional: false,
        field: format!("the last good state of Provider \"{provider}\""),
    }
}

fn agent_entry(gathered: &Gathered, agent: &Agent) -> config::Agent {
    let name = |reference: &ModelReference| config::ModelName {
        provider: reference.provider.clone(),
        model: reference.model.clone(),
    };
    let model = &agent.spec.model;
    config::Agent {
        model: config::ModelChoice {
            primary: name(&model.primary),
            fallbacks: model.fallbacks.iter().map(name).collect(),
        },
        sandbox: sandbox::entry(gathered, agent),
        heartbeat: heartbeat::entry(agent),
    }
}

/// The variables that hold a Provider's secrets.
fn variables_of(provider: &Provider) -> Vec<SecretVariable> {
    let name = provider.name_any();
    let of = |variable: EnvName, source: &crate::api::references::SecretSource| {
        SecretVariable::new(&variable, &source.secret_key_ref.name, &source.secret_key_ref.key)
    };
    let credentials = provider.spec.credentials.iter().map(|source| of(EnvName::provider_key(&name), source));
    let headers = provider.spec.headers.iter().enumerate().filter_map(|(position, header)| {
        header.value_from.as_ref().map(|source| of(EnvName::provider_header(&name, position), source))
    });
    credentials.chain(headers).collect()
}

fn provider_entry(provider: &Provider) -> config::Provider {
    let name = provider.name_any();
    let spec = &provider.spec;
    config::Provider {
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

fn model_entry(model: &Model) -> config::Model {
    let input = if model.input.is_empty() { vec![Modality::Text] } else { model.input.clone() };
    config::Model {
        id: model.id.clone(),
        context_window: Some(model.context_window.unwrap_or(128_000).into()),
        max_tokens: Some(model.max_tokens.unwrap_or(8192).into()),
        reasoning: model.reasoning.unwrap_or(false),
        input: input
            .into_iter()
            .map(|modality| match modality {
                Modality::Text => config::Input::Text,
                Modality::Image => config::Input::Image,
            })
            .collect(),
        // The schema admits only decimal numbers.
        cost: model.cost.as_ref().map(|cost| config::Cost {
            input: cost.input.parse().unwrap_or_default(),
            output: cost.output.parse().unwrap_or_default(),
        }),
    }
}

fn protocol(protocol: Protocol) -> config::Api {
    match protocol {
        Protocol::OpenaiCompletions => config::Api::OpenaiCompletions,
        Protocol::OpenaiResponses => config::Api::OpenaiResponses,
        Protocol::AnthropicMessages => config::Api::AnthropicMessages,
        Protocol::GoogleGenerativeAi => config::Api::GoogleGenerativeAi,
        Protocol::Ollama => config::Api::Ollama,
        Protocol::AzureOpenaiResponses => config::Api::AzureOpenaiResponses,
    }
}

/// The Providers of a namespace by name.
#[must_use]
pub fn by_name(providers: Vec<Arc<Provider>>) -> BTreeMap<String, Arc<Provider>> {
    providers.into_iter().map(|provider| (provider.name_any(), provider)).collect()
}
