//! What users' objects name: the Secrets and ConfigMaps whose values become environment. Pure.

use kube::ResourceExt;

use super::environment::{Source, SourceKind};
use super::names::GatewayNames;
use crate::api::environment::{EnvFromSource, EnvVar};
use crate::api::references::{KeySelector, SecretKeySelector, SecretSource};
use crate::api::{Agent, Provider};

/// The credentials of a Provider and the secret values of its headers, in that order.
#[must_use]
pub fn of_provider(provider: &Provider) -> Vec<Source> {
    let name = provider.name_any();
    let credentials = provider
        .spec
        .credentials
        .iter()
        .map(|source| secret(source, format!("spec.credentials.secretKeyRef of Provider \"{name}\"")));
    let headers = provider.spec.headers.iter().filter_map(|header| {
        let field = format!("spec.headers[{}].valueFrom.secretKeyRef of Provider \"{name}\"", header.name);
        header.value_from.as_ref().map(|source| secret(source, field))
    });
    credentials.chain(headers).collect()
}

/// The key of the token in a gateway's generated Secret.
pub const TOKEN_KEY: &str = "token";

/// What the gateway of an Agent reads beside its Providers: its token, `env` and `envFrom`.
#[must_use]
pub fn of_gateway(agent: &Agent) -> Vec<Source> {
    let name = agent.name_any();
    let gateway = agent.spec.gateway.clone().unwrap_or_default();
    let field = if gateway.auth.is_some() { "spec.gateway.auth.token.secretKeyRef" } else { "the generated token" };
    let token = token(agent);
    let token = Source {
        kind: SourceKind::Secret,
        name: token.name,
        key: Some(token.key),
        optional: false,
        field: format!("{field} of Agent \"{name}\""),
    };
    let env = gateway.env.iter().filter_map(|variable| variable_source(variable, &name));
    let env_from = gateway.env_from.iter().filter_map(|source| env_from_source(source, &name));
    std::iter::once(token).chain(env).chain(env_from).collect()
}

/// Where the token of a gateway lies: in the user's Secret, or in the generated one.
#[must_use]
pub fn token(owner: &Agent) -> SecretKeySelector {
    let auth = owner.spec.gateway.as_ref().and_then(|gateway| gateway.auth.as_ref());
    auth.map_or_else(
        || SecretKeySelector { name: GatewayNames::of(&owner.name_any()).secret, key: TOKEN_KEY.to_owned() },
        |auth| auth.token.secret_key_ref.clone(),
    )
}

fn secret(source: &SecretSource, field: String) -> Source {
    let selector = &source.secret_key_ref;
    Source {
        kind: SourceKind::Secret,
        name: selector.name.clone(),
        key: Some(selector.key.clone()),
        optional: false,
        field,
    }
}

fn variable_source(variable: &EnvVar, agent: &str) -> Option<Source> {
    let from = variable.value_from.as_ref()?;
    let field = |kind: &str| format!("spec.gateway.env[{}].valueFrom.{kind} of Agent \"{agent}\"", variable.name);
    let of = |kind, selector: &KeySelector, field| Source {
        kind,
        name: selector.name.clone(),
        key: Some(selector.key.clone()),
        optional: selector.optional.unwrap_or(false),
        field,
    };
    match (&from.secret_key_ref, &from.config_map_key_ref) {
        (Some(selector), _) => Some(of(SourceKind::Secret, selector, field("secretKeyRef"))),
        (None, Some(selector)) => Some(of(SourceKind::ConfigMap, selector, field("configMapKeyRef"))),
        (None, None) => None,
    }
}

fn env_from_source(source: &EnvFromSource, agent: &str) -> Option<Source> {
    let (kind, reference, word) = match (&source.secret_ref, &source.config_map_ref) {
        (Some(reference), _) => (SourceKind::Secret, reference, "secretRef"),
        (None, Some(reference)) => (SourceKind::ConfigMap, reference, "configMapRef"),
        (None, None) => return None,
    };
    Some(Source {
        kind,
        name: reference.name.clone(),
        key: None,
        optional: reference.optional.unwrap_or(false),
        field: format!("spec.gateway.envFrom {word} \"{}\" of Agent \"{agent}\"", reference.name),
    })
}
