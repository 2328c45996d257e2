//! What users' objects name: the Secrets and ConfigMaps whose values become environment or files, and claims. Pure.

use kube::ResourceExt;

use super::digests::{Source, SourceKind};
use crate::api::agent::Gateway;
use crate::api::channels::Channel;
use crate::api::clients::Client;
use crate::api::environment::{EnvFromSource, EnvVar};
use crate::api::passthrough::Passthrough;
use crate::api::references::{KeySelector, SecretKeySelector, SecretSource};
use crate::api::sandbox_mounts::FileMount;
use crate::api::skills::Skill;
use crate::api::workspace::WorkspaceFile;
use crate::api::{Agent, Provider, Sandbox};
use crate::kubernetes::printable::excerpt;
use crate::naming::GatewayNames;
use crate::openclaw::layout::Layout;

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

/// The key of the private key in it with which the gateway enters its sandboxes.
pub const SSH_KEY: &str = "ssh-key";
/// The key of the private host key in the Secret of a sandbox, and the name of its file in the Pod.
pub const HOST_KEY: &str = "host-key";

/// What the gateway of an Agent reads beside its Providers: its token, the key to its sandboxes, `env` and `envFrom`.
#[must_use]
pub fn of_gateway(agent: &Agent) -> Vec<Source> {
    let name = agent.name_any();
    let gateway = agent.spec.gateway.as_ref();
    let field = if gateway.is_some_and(|gateway| gateway.token().is_some()) {
        "spec.gateway.auth.token.secretKeyRef"
    } else {
        "the generated token"
    };
    let token = token(agent);
    let token = Source {
        kind: SourceKind::Secret,
        name: token.name,
        key: Some(token.key),
        optional: false,
        needs_text: false,
        field: format!("{field} of Agent \"{name}\""),
    };
    let ssh_key = ssh_key(agent);
    let ssh_key = Source {
        kind: SourceKind::Secret,
        name: ssh_key.name,
        key: Some(ssh_key.key),
        optional: false,
        needs_text: false,
        field: format!("the generated key to the sandboxes of Agent \"{name}\""),
    };
    let of_user = gateway
        .map(|gateway| of_environment(&gateway.env, &gateway.env_from, "spec.gateway", &format!("Agent \"{name}\"")));
    [token, ssh_key].into_iter().chain(of_user.into_iter().flatten()).collect()
}

/// What the Agent's keys of openclaw.json read.
#[must_use]
pub fn of_config(agent: &Agent) -> Vec<Source> {
    of_passthrough(&agent.spec.config, "spec.config", agent)
}

/// What the keys of openclaw.json read that the Agent has for its gateway.
#[must_use]
pub fn of_gateway_config(agent: &Agent) -> Vec<Source> {
    let gateway = agent.spec.gateway.iter();
    gateway.flat_map(|gateway| of_passthrough(&gateway.config, "spec.gateway.config", agent)).collect()
}

/// The ConfigMaps of the Agent's skills, and what their variables read.
#[must_use]
pub fn of_skills(agent: &Agent) -> Vec<Source> {
    let skills = agent.spec.skills().iter();
    skills.flat_map(|skill| of_skill_map(agent, skill).into_iter().chain(of_skill(agent, skill))).collect()
}

/// The ConfigMap with the files of one skill; `None`: OpenClaw has them.
#[must_use]
pub fn of_skill_map(agent: &Agent, skill: &Skill) -> Option<Source> {
    Some(Source {
        kind: SourceKind::ConfigMap,
        name: skill.config_map_ref.as_ref()?.name.clone(),
        key: None,
        optional: false,
        needs_text: false,
        field: format!("spec.skills[{}].configMapRef of Agent \"{}\"", skill.name, agent.name_any()),
    })
}

/// What the variables of one skill read.
pub fn of_skill(agent: &Agent, skill: &Skill) -> impl Iterator<Item = Source> {
    skill.env.iter().map(|variable| {
        let field = format!(
            "spec.skills[{}].env[{}].valueFrom.secretKeyRef of Agent \"{}\"",
            skill.name,
            variable.name,
            agent.name_any()
        );
        secret(&variable.value_from, field)
    })
}

/// What a channel of the Agent reads: the token of its bot, and what its keys of openclaw.json name.
#[must_use]
pub fn of_channel(agent: &Agent, channel: &Channel) -> Vec<Source> {
    let Some(telegram) = &channel.telegram else { return Vec::new() };
    let field = format!("spec.channels[{}].telegram", channel.name);
    let token = format!("{field}.botToken.secretKeyRef of Agent \"{}\"", agent.name_any());
    let config = of_passthrough(&telegram.config, &format!("{field}.config"), agent);
    std::iter::once(secret(&telegram.bot_token, token)).chain(config).collect()
}

fn of_passthrough(config: &Passthrough, field: &str, agent: &Agent) -> Vec<Source> {
    let secrets = config.secrets().into_iter();
    secrets
        .map(|(path, source)| secret(&source, excerpt(&format!("{field}.{path} of Agent \"{}\"", agent.name_any()))))
        .collect()
}

/// The clients of an Agent's gateway, and where the token of each is.
pub fn of_clients(agent: &Agent) -> impl Iterator<Item = (&Client, Source)> {
    let clients = agent.spec.gateway.as_ref().map(Gateway::clients).unwrap_or_default();
    clients.iter().map(|client| {
        let field = format!("spec.gateway.auth.clients[{}].secretRef of Agent \"{}\"", client.name, agent.name_any());
        (client, secret(&SecretSource { secret_key_ref: client.secret_ref.clone() }, field))
    })
}

/// The ConfigMap and key of a file of the Agent's workspace; `None`: the file's text is in the spec.
#[must_use]
pub fn of_file(agent: &Agent, file: &WorkspaceFile) -> Option<Source> {
    let selector = file.config_map_key_ref.as_ref()?;
    let place = excerpt(&file.path);
    Some(Source {
        kind: SourceKind::ConfigMap,
        name: selector.name.clone(),
        key: Some(selector.key.clone()),
        optional: false,
        needs_text: false,
        field: format!("spec.workspace.files[{place}].configMapKeyRef of Agent \"{}\"", agent.name_any()),
    })
}

/// The ConfigMaps with the files of the Agent's workspace.
pub fn of_workspace(agent: &Agent) -> impl Iterator<Item = Source> {
    agent.spec.files().iter().filter_map(|file| of_file(agent, file))
}

/// What a live gateway reads on behalf of this last good state.
#[must_use]
pub fn of_live(secret: &str, key: &str, of: &str) -> Source {
    Source {
        kind: SourceKind::Secret,
        name: secret.to_owned(),
        key: Some(key.to_owned()),
        optional: false,
        needs_text: true,
        field: of.to_owned(),
    }
}

/// What the Pods of a Sandbox read: `env` and `envFrom`.
#[must_use]
pub fn of_sandbox(sandbox: &Sandbox) -> Vec<Source> {
    let owner = format!("Sandbox \"{}\"", sandbox.name_any());
    of_environment(&sandbox.spec.env, &sandbox.spec.env_from, "spec", &owner)
}

/// What the Pods of a Sandbox mount as files: whole Secrets and ConfigMaps.
#[must_use]
pub fn of_files(sandbox: &Sandbox) -> Vec<Source> {
    let source = |mount: &FileMount| {
        let (kind, reference, word) = match (&mount.secret_ref, &mount.config_map_ref) {
            (Some(reference), _) => (SourceKind::Secret, reference, "secretRef"),
            (None, Some(reference)) => (SourceKind::ConfigMap, reference, "configMapRef"),
            (None, None) => return None,
        };
        Some(Source {
            kind,
            name: reference.name.clone(),
            key: None,
            optional: false,
            needs_text: false,
            field: format!("spec.files[{}].{word} of Sandbox \"{}\"", mount.mount_path, sandbox.name_any()),
        })
    };
    sandbox.spec.files.iter().filter_map(source).collect()
}

/// `path`: where the two lists lie in the object `of`.
fn of_environment(env: &[EnvVar], env_from: &[EnvFromSource], path: &str, of: &str) -> Vec<Source> {
    let env = env.iter().filter_map(|variable| variable_source(variable, path, of));
    env.chain(env_from.iter().filter_map(|source| env_from_source(source, path, of))).collect()
}

/// Where the token of a gateway is: in the user's Secret, or in the generated one.
#[must_use]
pub fn token(owner: &Agent) -> SecretKeySelector {
    let token = owner.spec.gateway.as_ref().and_then(Gateway::token);
    token.map_or_else(
        || SecretKeySelector { name: GatewayNames::of(&owner.name_any()).secret, key: TOKEN_KEY.to_owned() },
        |token| token.secret_key_ref.clone(),
    )
}

/// The claim that the gateway of this Agent mounts.
#[must_use]
pub fn claim(owner: &Agent) -> String {
    let existing = owner.spec.gateway.as_ref().and_then(|gateway| gateway.storage.existing_claim.clone());
    existing.unwrap_or_else(|| GatewayNames::of(&owner.name_any()).claim)
}

/// Where the data are on that claim.
#[must_use]
pub fn layout(owner: &Agent) -> Layout {
    let adopt = owner.spec.gateway.as_ref().and_then(|gateway| gateway.storage.adopt.as_ref());
    Layout::new(&owner.name_any(), adopt)
}

/// Where the key is with which the gateway enters its sandboxes: in its generated Secret.
#[must_use]
pub fn ssh_key(owner: &Agent) -> SecretKeySelector {
    SecretKeySelector { name: GatewayNames::of(&owner.name_any()).secret, key: SSH_KEY.to_owned() }
}

fn secret(source: &SecretSource, field: String) -> Source {
    let selector = &source.secret_key_ref;
    Source {
        kind: SourceKind::Secret,
        name: selector.name.clone(),
        key: Some(selector.key.clone()),
        optional: false,
        // OpenClaw takes an empty variable for a missing one.
        needs_text: true,
        field,
    }
}

fn variable_source(variable: &EnvVar, path: &str, of: &str) -> Option<Source> {
    let from = variable.value_from.as_ref()?;
    let field = |kind: &str| format!("{path}.env[{}].valueFrom.{kind} of {of}", variable.name);
    let source = |kind, selector: &KeySelector, field| Source {
        kind,
        name: selector.name.clone(),
        key: Some(selector.key.clone()),
        optional: selector.optional.unwrap_or(false),
        needs_text: false,
        field,
    };
    match (&from.secret_key_ref, &from.config_map_key_ref) {
        (Some(selector), _) => Some(source(SourceKind::Secret, selector, field("secretKeyRef"))),
        (None, Some(selector)) => Some(source(SourceKind::ConfigMap, selector, field("configMapKeyRef"))),
        (None, None) => None,
    }
}

fn env_from_source(source: &EnvFromSource, path: &str, of: &str) -> Option<Source> {
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
        needs_text: false,
        field: format!("{path}.envFrom {word} \"{}\" of {of}", reference.name),
    })
}
