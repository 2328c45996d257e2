//! A CronJob and its scope → what its gateway is to hold, or what stands in the way. Pure: `now` is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::schedule;
use crate::api::Provider;
use crate::api::cron_job::{CronJob, DeliveryMode, Session};
use crate::api::duration;
use crate::api::models::{MODEL_FIELD, ModelReference, ModelSelection};
use crate::kubernetes::conditions::reason;
use crate::openclaw::cron::declaration::{Declaration, Delivery, Work};
use crate::openclaw::cron::key;
use crate::openclaw::names::provider_id;
use crate::references::digests::Fault;
use crate::references::suggest;

/// Characters of a CronJob's name that its job shows: the gateway takes 200 for all.
const DISPLAYED: usize = 120;

/// What a CronJob may name.
#[derive(Clone, Debug, Default)]
pub struct GatewayScope {
    /// The Providers that Agents of the gateway use: only those are in its configuration.
    pub on_gateway: BTreeSet<String>,
    /// What each suspended Agent on it uses: it is there again as soon as the Agent is, and its jobs wait as long.
    pub suspended: BTreeMap<String, BTreeSet<String>>,
    /// All Providers of the namespace.
    pub providers: BTreeMap<String, Arc<Provider>>,
}

/// What the gateway is to hold.
pub fn validate(job: &CronJob, scope: &GatewayScope, now: Timestamp) -> Result<Declaration, Fault> {
    let schedule = schedule::schedule(job, now)?;
    if let Some(model) = &job.spec.model {
        check_model(job, model, scope)?;
    }
    let timeout = timeout(job)?;
    let (name, namespace) = (job.name_any(), job.namespace().unwrap_or_default());
    Ok(Declaration {
        key: key(&namespace, &name),
        display_name: display_name(job),
        description: format!("CronJob \"{namespace}/{name}\": edit it in Kubernetes."),
        name,
        agent: job.spec.agent_ref.name.clone(),
        schedule,
        work: work(job, timeout),
        delivery: delivery(job),
    })
}

/// The name that a person sees of the job at the gateway. It tells each edit from the one before, and a CronJob from an earlier one of its
/// name.
#[must_use]
pub fn display_name(job: &CronJob) -> String {
    let part = |text: &str, length| text.chars().take(length).collect::<String>();
    let (name, uid) = (part(&job.name_any(), DISPLAYED), part(&job.uid().unwrap_or_default(), 8));
    format!("{name} ({uid}, generation {})", job.metadata.generation.unwrap_or_default())
}

/// An object may be older than its schema.
fn timeout(job: &CronJob) -> Result<Option<Duration>, Fault> {
    let Some(timeout) = &job.spec.timeout else { return Ok(None) };
    let name = job.name_any();
    let message =
        format!("\"{timeout}\" is not a valid duration (spec.timeout of CronJob \"{name}\"), for example 10m");
    duration::parse(timeout).map(Some).ok_or(Fault { reason: reason::INVALID_SCHEDULE, message, carried: false })
}

fn work(job: &CronJob, timeout: Option<Duration>) -> Work {
    let spec = &job.spec;
    // As the gateway keeps it: a block of YAML ends with a line break.
    let message = spec.message.trim().to_owned();
    match spec.session.unwrap_or_default() {
        Session::Main => Work::Main { message },
        Session::Isolated => Work::Isolated {
            message,
            model: spec
                .model
                .as_ref()
                .map(|model| (model_name(&model.primary), model.fallbacks.iter().map(model_name).collect())),
            thinking: spec.thinking.and_then(|level| Some(serde_json::to_value(level).ok()?.as_str()?.to_owned())),
            timeout,
        },
    }
}

/// As openclaw.json names it. Calls are no configuration: nothing in them is taken for a variable.
fn model_name(reference: &ModelReference) -> String {
    format!("{}/{}", provider_id(&reference.provider), reference.model)
}

/// The schema has seen to it that what a mode needs is there.
fn delivery(job: &CronJob) -> Delivery {
    let delivery = job.spec.delivery.clone().unwrap_or_default();
    match delivery.mode {
        DeliveryMode::None => Delivery::None,
        DeliveryMode::Announce => {
            let (channel, to) = (delivery.channel.unwrap_or_default(), delivery.to.unwrap_or_default());
            Delivery::Announce { channel: channel.trim().to_lowercase(), to: to.trim().to_owned() }
        }
        DeliveryMode::Webhook => Delivery::Webhook { url: delivery.url.unwrap_or_default().trim().to_owned() },
    }
}

fn check_model(job: &CronJob, model: &ModelSelection, scope: &GatewayScope) -> Result<(), Fault> {
    for (field, reference) in model.references(MODEL_FIELD) {
        let place = format!("{field} of CronJob \"{}\"", job.name_any());
        let fault = |reason, message| Err(Fault { reason, message, carried: false });
        let name = &reference.provider;
        let Some(provider) = scope.providers.get(name) else {
            let meant = suggest::suggestion(name, scope.providers.keys().map(String::as_str));
            return fault(reason::PROVIDER_NOT_FOUND, format!("Provider \"{name}\" does not exist ({place}){meant}"));
        };
        let with_its_agent = scope.suspended.get(&job.spec.agent_ref.name).is_some_and(|used| used.contains(name));
        if !scope.on_gateway.contains(name) && !with_its_agent {
            let known: Vec<_> = scope.on_gateway.iter().map(String::as_str).collect();
            let message = format!(
                "no Agent of the gateway uses Provider \"{name}\" ({place}): name one of {}, or add a model of \"{name}\" to the fallbacks of the Agent",
                known.join(", ")
            );
            return fault(reason::PROVIDER_NOT_ON_GATEWAY, message);
        }
        let ids = || provider.spec.models.iter().map(|model| model.id.as_str());
        if !ids().any(|id| id == reference.model) {
            let meant = suggest::suggestion(&reference.model, ids());
            let message = format!(
                "Provider \"{name}\" has no model \"{}\" ({place}){meant}: use one of its spec.models, or add it there",
                reference.model
            );
            return fault(reason::MODEL_NOT_FOUND, message);
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::declarations::fixtures::{at, cron_job, scope};

    fn validated(spec: &str) -> Result<Declaration, Fault> {
        validate(&cron_job("notes", spec), &scope(), at("2026-01-01T00:00:00Z"))
    }

    #[test]
    fn a_job_says_whose_it_is_and_which_edit_it_is_of() {
        let declaration = validated("{every: 10m}").unwrap();
        assert_eq!(declaration.key, "k8s:assistants/notes");
        assert_eq!(declaration.agent, "writer");
        assert_eq!(declaration.display_name, "notes (uid-of-n, generation 3)");
        assert_eq!(declaration.description, "CronJob \"assistants/notes\": edit it in Kubernetes.");
    }

    #[test]
    fn a_model_override_is_named_as_the_configuration_names_it() {
        let spec = "{every: 10m, thinking: low, timeout: 90s, model: {primary: {provider: openai, model: small}, fallbacks: [{provider: openai, model: large}]}}";
        let Work::Isolated { model, thinking, timeout, .. } = validated(spec).unwrap().work else { unreachable!() };
        assert_eq!(model, Some(("p-openai/small".into(), vec!["p-openai/large".into()])));
        assert_eq!(thinking.as_deref(), Some("low"));
        assert_eq!(timeout.unwrap().as_secs(), 90);
    }

    #[test]
    fn a_model_that_the_gateway_can_not_serve_is_told_with_the_remedy() {
        let fault = |provider: &str, model: &str| {
            let spec = format!("{{every: 10m, model: {{primary: {{provider: {provider}, model: {model}}}}}}}");
            let fault = validated(&spec).unwrap_err();
            (fault.reason, fault.message)
        };
        let (reason, message) = fault("openia", "small");
        assert_eq!(reason, reason::PROVIDER_NOT_FOUND);
        assert!(message.contains("spec.model.primary of CronJob \"notes\"") && message.contains("openai"), "{message}");
        let (reason, message) = fault("spare", "small");
        assert_eq!(reason, reason::PROVIDER_NOT_ON_GATEWAY);
        assert!(message.contains("name one of openai, or add a model of \"spare\""), "{message}");
        let (reason, message) = fault("openai", "smal");
        assert_eq!(reason, reason::MODEL_NOT_FOUND);
        assert!(message.contains("small"), "{message}");
    }

    #[test]
    fn a_timeout_that_cannot_be_read_is_not_dropped() {
        let fault = validated("{every: 10m, timeout: 1h1h}").unwrap_err();
        assert_eq!(fault.reason, reason::INVALID_SCHEDULE);
        assert_eq!(
            fault.message,
            "\"1h1h\" is not a valid duration (spec.timeout of CronJob \"notes\"), for example 10m"
        );
    }

    #[test]
    fn what_an_agent_that_rests_uses_is_no_fault_of_its_jobs() {
        let job = cron_job("notes", "{every: 10m, model: {primary: {provider: spare, model: small}}}");
        let mut scope = scope();
        let validated = |scope: &GatewayScope| validate(&job, scope, at("2026-01-01T00:00:00Z"));
        scope.suspended.insert("reader".to_owned(), BTreeSet::from(["spare".to_owned()]));
        assert_eq!(validated(&scope).unwrap_err().reason, reason::PROVIDER_NOT_ON_GATEWAY);
        scope.suspended.insert("writer".to_owned(), BTreeSet::from(["spare".to_owned()]));
        assert!(validated(&scope).is_ok());
    }

    #[test]
    fn white_space_around_a_message_is_no_part_of_it() {
        let mut job = cron_job("notes", "{every: 10m}");
        job.spec.message = "  Compress notes\n".to_owned();
        let declared = validate(&job, &scope(), at("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(declared, validated("{every: 10m}").unwrap());
    }

    #[test]
    fn an_announcement_names_channel_and_receiver() {
        let spec = "{every: 10m, delivery: {mode: Announce, channel: telegram, to: '12345'}}";
        let wanted = Delivery::Announce { channel: "telegram".into(), to: "12345".into() };
        assert_eq!(validated(spec).unwrap().delivery, wanted);
    }
}
