//! Which models the demo talks to: the scripted server, or a real endpoint when the environment holds its key. Pure.

use crate::model_server::SERVICE;

/// Where the scripted model server runs.
pub const SCRIPTED_NAMESPACE: &str = "model-server";
/// Looks like a key, opens nothing.
const SCRIPTED_KEY: &str = "demo-key-1";

/// An endpoint as a Provider describes it. It holds a key, so it has no `Debug`.
pub struct Endpoint {
    /// The name of the Provider and of its Secret.
    pub provider: &'static str,
    pub api: &'static str,
    pub base_url: String,
    /// Model ids; the first answers.
    pub models: Vec<String>,
    pub key: String,
    /// Whether the scripted server is needed.
    pub scripted: bool,
}

impl Endpoint {
    /// Chooses by what the environment holds: `OPENAI_API_KEY` (and `OPENAI_BASE_URL`), else `ANTHROPIC_API_KEY`, else the scripted
    /// server. `model` replaces the models that the demo would choose.
    pub fn choose(variable: impl Fn(&str) -> Option<String>, model: Option<&str>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let models = |ids: &[&str]| {
            model.map_or_else(|| ids.iter().map(ToString::to_string).collect(), |id| vec![id.to_owned()])
        };
        if let Some(key) = variable("OPENAI_API_KEY") {
            let base_url = variable("OPENAI_BASE_URL").unwrap_or_else(|| "https://api.openai.com/v1".into());
            return Self {
                provider: "openai",
                api: "openai-completions",
                base_url,
                models: models(&["gpt-4o-mini", "gpt-4o"]),
                key,
                scripted: false,
            };
        }
        if let Some(key) = variable("ANTHROPIC_API_KEY") {
            return Self {
                provider: "anthropic",
                api: "anthropic-messages",
                base_url: "https://api.anthropic.com".into(),
                models: models(&["claude-haiku-4-5", "claude-sonnet-4-5"]),
                key,
                scripted: false,
            };
        }
        let (service, port) = SERVICE;
        Self {
            provider: "scripted",
            api: "openai-completions",
            base_url: format!("http://{service}.{SCRIPTED_NAMESPACE}.svc.cluster.local:{port}/v1"),
            models: models(&["gpt-4o-mini", "gpt-4o"]),
            key: SCRIPTED_KEY.into(),
            scripted: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(variables: &[(&str, &str)], model: Option<&str>) -> Endpoint {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Endpoint::choose(find, model)
    }

    #[test]
    fn without_a_key_the_scripted_server_answers() {
        for variables in [&[][..], &[("OPENAI_API_KEY", " ")]] {
            let endpoint = choose(variables, None);
            assert!(endpoint.scripted);
            assert_eq!(endpoint.base_url, "http://model-server.model-server.svc.cluster.local:8080/v1");
        }
    }

    #[test]
    fn a_key_in_the_environment_chooses_its_endpoint() {
        let openai = choose(&[("OPENAI_API_KEY", "a"), ("OPENAI_BASE_URL", "http://host/v1")], Some("m"));
        assert_eq!(
            (openai.provider, openai.base_url.as_str(), openai.models),
            ("openai", "http://host/v1", vec!["m".into()])
        );
        let anthropic = choose(&[("ANTHROPIC_API_KEY", "a")], None);
        assert_eq!((anthropic.provider, anthropic.api, anthropic.scripted), ("anthropic", "anthropic-messages", false));
    }
}
