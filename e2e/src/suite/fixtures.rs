//! The YAML that the tests apply, with names filled in. Pure.

use std::fmt::Write as _;

use super::models::NAMESPACE;
use super::namespace::TestNamespace;
use crate::images::SANDBOX_IMAGE;
use crate::model_server::SERVICE;

const PROVIDER: &str = include_str!("fixtures/provider.yaml");
const KEYLESS_PROVIDER: &str = include_str!("fixtures/keyless-provider.yaml");
const AGENT: &str = include_str!("fixtures/agent.yaml");
const JOINED_AGENT: &str = include_str!("fixtures/joined-agent.yaml");
const SANDBOX: &str = include_str!("fixtures/sandbox.yaml");
const CRON_JOB: &str = include_str!("fixtures/cron-job.yaml");
const SECRET: &str = include_str!("fixtures/secret.yaml");

/// A Secret with one key.
#[must_use]
pub fn secret(name: &str, key: &str, value: &str) -> String {
    fill(SECRET, &[("name", name), ("key", key), ("value", value)])
}

/// A Provider with the key `api-key` of the Secret of the same name, and the models `small` and `large`.
#[must_use]
pub fn provider(name: &str, base_url: &str) -> String {
    fill(PROVIDER, &[("name", name), ("base-url", base_url)])
}

/// The same without a key: it brings no variable to a gateway, so none is recreated for it.
#[must_use]
pub fn keyless_provider(name: &str, base_url: &str) -> String {
    fill(KEYLESS_PROVIDER, &[("name", name), ("base-url", base_url)])
}

/// An Agent with a gateway of its own, small enough that some of them run side by side. `model` is `<provider>/<model>`.
#[must_use]
pub fn agent(name: &str, model: &str) -> String {
    agent_with(name, model, &[])
}

/// The same with fallbacks.
#[must_use]
pub fn agent_with(name: &str, model: &str, fallbacks: &[&str]) -> String {
    fill(AGENT, &[("name", name), ("model", &models(model, fallbacks))])
}

/// An Agent that joins the gateway of another.
#[must_use]
pub fn joined_agent(name: &str, owner: &str, model: &str) -> String {
    fill(JOINED_AGENT, &[("name", name), ("owner", owner), ("model", &models(model, &[]))])
}

/// A Sandbox with this access to workspaces: `none`, `ro` or `rw`. More of its spec can be written below it.
#[must_use]
pub fn sandbox(name: &str, access: &str) -> String {
    fill(SANDBOX, &[("name", name), ("access", access), ("image", SANDBOX_IMAGE)])
}

/// The same Agent, whose commands run in this Sandbox.
#[must_use]
pub fn in_sandbox(sandbox: &str, agent: &str) -> String {
    format!("{agent}  sandbox:\n    ref:\n      name: {sandbox}\n")
}

/// A CronJob of this Agent. `when` is a line of its spec, like `every: 10s`. More of its spec can be written below it.
#[must_use]
pub fn cron_job(name: &str, agent: &str, when: &str, message: &str) -> String {
    let message = serde_json::Value::from(message).to_string();
    fill(CRON_JOB, &[("name", name), ("agent", agent), ("when", when), ("message", &message)])
}

fn models(primary: &str, fallbacks: &[&str]) -> String {
    let reference = |model: &str| {
        let (provider, model) = model.split_once('/').expect("<provider>/<model>");
        format!("{{provider: {provider}, model: {model}}}")
    };
    let mut text = format!("{{primary: {}, fallbacks: [", reference(primary));
    for fallback in fallbacks {
        let _ = write!(text, "{},", reference(fallback));
    }
    text + "]}"
}

/// A base URL on the model server. Its path begins with `scope` and `name`.
pub(super) fn base_url(scope: &str, name: &str) -> String {
    let (service, port) = SERVICE;
    format!("http://{service}.{NAMESPACE}.svc.cluster.local:{port}{}/v1", prefix(scope, name))
}

fn prefix(scope: &str, name: &str) -> String {
    format!("/{scope}/{name}")
}

/// Puts each value in the place of `<name>`.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let filled =
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value));
    assert!(!filled.contains('<'), "a placeholder is left: {filled}");
    filled
}

impl TestNamespace {
    /// A base URL on the model server whose path tells this test and `name` apart from others.
    #[must_use]
    pub fn base_url(&self, name: &str) -> String {
        base_url(&self.scope, name)
    }

    /// The beginning of the paths of [`Self::base_url`].
    #[must_use]
    pub fn prefix(&self, name: &str) -> String {
        prefix(&self.scope, name)
    }

    /// A Provider on the model server and its Secret with this key.
    pub async fn serve(&self, provider_name: &str, key: &str) {
        self.apply(&secret(provider_name, "api-key", key)).await;
        self.apply(&provider(provider_name, &self.base_url(provider_name))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixtures_are_yaml_with_every_name_filled_in() {
        let agent = agent_with("a", "p/small", &["p/large"]);
        let agent: serde_json::Value = serde_yaml::from_str(&agent).unwrap();
        assert_eq!(agent["spec"]["model"]["fallbacks"][0]["model"], "large");
        let joined: serde_json::Value = serde_yaml::from_str(&joined_agent("b", "a", "p/small")).unwrap();
        assert_eq!(joined["spec"]["gatewayRef"]["name"], "a");
        let sandboxed: serde_json::Value =
            serde_yaml::from_str(&in_sandbox("box", &joined_agent("b", "a", "p/small"))).unwrap();
        assert_eq!(sandboxed["spec"]["sandbox"]["ref"]["name"], "box");
        let sandbox: serde_json::Value = serde_yaml::from_str(&sandbox("box", "rw")).unwrap();
        assert_eq!(sandbox["spec"]["workspaceAccess"], "rw");
        let words = "Run `date`: \"now\"";
        let job: serde_json::Value = serde_yaml::from_str(&cron_job("j", "a", "schedule: '0 4 * * *'", words)).unwrap();
        assert_eq!((&job["spec"]["schedule"], &job["spec"]["message"]), (&"0 4 * * *".into(), &words.into()));
        let provider: serde_json::Value = serde_yaml::from_str(&provider("p", "http://h/v1")).unwrap();
        assert_eq!(provider["spec"]["credentials"]["secretKeyRef"]["name"], "p");
    }
}
