//! `manifests/samples/` as the demo applies them: what a person would edit first (endpoint, key, models) is filled in.
//! Reads the disk in `read`; the rest is pure.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use super::endpoint::Endpoint;
use crate::images::SANDBOX_IMAGE;

/// Why the samples can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SamplesError {
    #[error("cannot read the samples at {}", path.display())]
    Disk { path: PathBuf, source: std::io::Error },
    #[error("the samples are not valid YAML")]
    Yaml(#[from] serde_yaml::Error),
    #[error("the samples hold no {kind}: restore manifests/samples/")]
    Missing { kind: &'static str },
}

/// What is applied, and what then must become ready.
pub struct Samples {
    pub yaml: String,
    pub namespace: String,
    pub agents: Vec<SampleAgent>,
    pub cron_jobs: Vec<SampleCronJob>,
}

/// An Agent of the samples.
#[derive(Debug, PartialEq, Eq)]
pub struct SampleAgent {
    pub name: String,
    /// Whether it has a shell.
    pub has_sandbox: bool,
}

/// A CronJob of the samples.
#[derive(Debug, PartialEq, Eq)]
pub struct SampleCronJob {
    pub name: String,
    pub agent: String,
    /// What the Agent is told.
    pub message: String,
}

/// Reads the samples and fills in the endpoint.
pub fn read(directory: &Path, endpoint: &Endpoint) -> Result<Samples, SamplesError> {
    let disk = |source| SamplesError::Disk { path: directory.to_owned(), source };
    let mut files = std::fs::read_dir(directory).map_err(disk)?.collect::<Result<Vec<_>, _>>().map_err(disk)?;
    files.sort_by_key(std::fs::DirEntry::file_name);
    let mut documents = Vec::new();
    for file in files.iter().filter(|file| file.path().extension().is_some_and(|extension| extension == "yaml")) {
        let text = std::fs::read_to_string(file.path()).map_err(disk)?;
        for document in serde_yaml::Deserializer::from_str(&text) {
            documents.push(Value::deserialize(document)?);
        }
    }
    fill(documents, endpoint)
}

fn fill(mut documents: Vec<Value>, endpoint: &Endpoint) -> Result<Samples, SamplesError> {
    for document in &mut documents {
        match document["kind"].as_str() {
            Some("Secret") => fill_secret(document, endpoint),
            Some("Provider") => fill_provider(document, endpoint),
            Some("Agent") => fill_agent(document, endpoint),
            // No registry is asked: an image that was built here does as well.
            Some("Sandbox") => document["spec"]["image"] = SANDBOX_IMAGE.into(),
            _ => {}
        }
    }
    let of_kind = |kind: &'static str| documents.iter().filter(move |document| document["kind"] == kind);
    let name = |document: &Value| document["metadata"]["name"].as_str().map(str::to_owned);
    let namespace = of_kind("Namespace").find_map(name).ok_or(SamplesError::Missing { kind: "Namespace" })?;
    let agent = |document: &Value| {
        Some(SampleAgent { name: name(document)?, has_sandbox: document["spec"].get("sandbox").is_some() })
    };
    let agents: Vec<_> = of_kind("Agent").filter_map(agent).collect();
    if agents.is_empty() {
        return Err(SamplesError::Missing { kind: "Agent" });
    }
    let cron_job = |document: &Value| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let spec = &document["spec"];
        Some(SampleCronJob {
            name: name(document)?,
            agent: text(&spec["agentRef"]["name"])?,
            message: text(&spec["message"])?,
        })
    };
    let cron_jobs = of_kind("CronJob").filter_map(cron_job).collect();
    let mut yaml = String::new();
    for document in &documents {
        yaml.push_str("---\n");
        yaml.push_str(&serde_yaml::to_string(document)?);
    }
    Ok(Samples { yaml, namespace, agents, cron_jobs })
}

fn fill_secret(document: &mut Value, endpoint: &Endpoint) {
    document["metadata"]["name"] = endpoint.provider.into();
    document["stringData"] = mapping([("api-key", endpoint.key.clone().into())]);
}

fn fill_provider(document: &mut Value, endpoint: &Endpoint) {
    document["metadata"]["name"] = endpoint.provider.into();
    let spec = &mut document["spec"];
    spec["api"] = endpoint.api.into();
    spec["baseURL"] = endpoint.base_url.clone().into();
    spec["credentials"]["secretKeyRef"]["name"] = endpoint.provider.into();
    // What the sample says about a model that it knows stays: its context window, its price.
    let known = spec["models"].as_sequence().cloned().unwrap_or_default();
    let models = endpoint.models.iter().map(|id| {
        let sample = known.iter().find(|model| model["id"] == id.as_str());
        sample.cloned().unwrap_or_else(|| mapping([("id", id.clone().into())]))
    });
    spec["models"] = Value::Sequence(models.collect());
}

fn fill_agent(document: &mut Value, endpoint: &Endpoint) {
    let primary = &mut document["spec"]["model"]["primary"];
    primary["provider"] = endpoint.provider.into();
    let model = primary["model"].as_str().unwrap_or_default();
    if !endpoint.models.iter().any(|id| id == model)
        && let Some(first) = endpoint.models.first()
    {
        primary["model"] = first.clone().into();
    }
}

fn mapping<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Mapping(entries.into_iter().map(|(key, value)| (Value::from(key), value)).collect::<Mapping>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::chart::workspace;

    fn samples(variables: &[(&str, &str)], model: Option<&str>) -> (Samples, Vec<Value>) {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let samples = read(&workspace().join("manifests/samples"), &Endpoint::choose(find, model)).unwrap();
        let documents = serde_yaml::Deserializer::from_str(&samples.yaml)
            .map(|document| Value::deserialize(document).unwrap())
            .collect();
        (samples, documents)
    }

    fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
        documents.iter().find(|document| document["kind"] == kind).unwrap()
    }

    #[test]
    fn the_samples_name_what_must_become_ready() {
        let (samples, documents) = samples(&[], None);
        let named = |name: &str, has_sandbox| SampleAgent { name: name.into(), has_sandbox };
        assert_eq!(of_kind(&documents, "Sandbox")["spec"]["image"], SANDBOX_IMAGE);
        assert_eq!(
            (samples.namespace.as_str(), samples.agents),
            ("assistants", vec![named("concierge", false), named("writer", true)])
        );
        let [job] = samples.cron_jobs.as_slice() else { panic!("{:?}", samples.cron_jobs) };
        assert_eq!((job.name.as_str(), job.agent.as_str()), ("journal", "writer"));
        // A scripted model runs what stands between the backticks.
        assert_eq!(job.message.matches('`').count(), 2, "{}", job.message);
    }

    #[test]
    fn with_an_openai_key_only_the_key_is_filled_in() {
        let (_, documents) = samples(&[("OPENAI_API_KEY", "sk-mine")], None);
        assert_eq!(of_kind(&documents, "Secret")["stringData"]["api-key"], "sk-mine");
        let written = std::fs::read_to_string(workspace().join("manifests/samples/20-provider.yaml")).unwrap();
        let written: Vec<_> = serde_yaml::Deserializer::from_str(&written)
            .map(|document| Value::deserialize(document).unwrap())
            .collect();
        assert_eq!(of_kind(&documents, "Provider"), of_kind(&written, "Provider"));
    }

    #[test]
    fn another_endpoint_brings_its_name_protocol_and_models() {
        let (_, documents) = samples(&[("ANTHROPIC_API_KEY", "k")], Some("some-model"));
        let provider = of_kind(&documents, "Provider");
        assert_eq!(
            (&provider["spec"]["api"], &provider["spec"]["models"][0]["id"]),
            (&"anthropic-messages".into(), &"some-model".into())
        );
        assert_eq!(
            provider["spec"]["credentials"]["secretKeyRef"]["name"],
            of_kind(&documents, "Secret")["metadata"]["name"]
        );
        for agent in documents.iter().filter(|document| document["kind"] == "Agent") {
            let primary = &agent["spec"]["model"]["primary"];
            assert_eq!(
                (&primary["provider"], &primary["model"]),
                (&provider["metadata"]["name"], &"some-model".into())
            );
        }
    }
}
