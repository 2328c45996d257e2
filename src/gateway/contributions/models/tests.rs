use serde_json::{Value, json};

use crate::gateway::credentials::lacking;
use crate::gateway::fixtures::{company, edit, gathered, plan, secret, settle};
use crate::gateway::gather::Gathered;
use crate::kubernetes::conditions::reason;
use crate::references::digests::{Read, SourceKind};

/// A third Provider, of which no Agent knows.
const LLAMA: &str = "
apiVersion: creel.dev/v1alpha1
kind: Provider
metadata: {name: llama, namespace: assistants}
spec:
  api: openai-completions
  baseURL: http://llama.models.svc:8080/v1
  credentials: {secretKeyRef: {name: llama, key: key}}
  models: [{id: qwen3}]
";

/// `writer` has a profile `local` with a model of `llama`, beside its own of `litellm`; the gateway runs without it.
fn with_profile() -> Gathered {
    let mut gathered = with_provider();
    edit(&mut gathered, "writer", |agent| {
        let profiles = json!([{"name": "local", "primary": {"provider": "llama", "model": "qwen3"}}]);
        agent.spec.model_profiles = serde_json::from_value(profiles).unwrap();
    });
    gathered
}

fn with_provider() -> Gathered {
    let mut with = company();
    with.providers.extend(gathered(LLAMA).providers);
    secret(&mut with, "llama", &[("key", "three")]);
    settle(&mut with);
    with
}

fn switch(gathered: &mut Gathered, profile: Option<&str>) {
    edit(gathered, "writer", |agent| agent.spec.active_model_profile = profile.map(str::to_owned));
}

/// The model of `writer`, and the hash of the Pod.
fn planned(gathered: &Gathered) -> (Value, String) {
    let plan = plan(gathered);
    (plan.config.unwrap().value()["agents"]["entries"]["writer"]["model"].clone(), plan.pod.unwrap().hash())
}

#[test]
fn a_new_profile_brings_its_key_once_and_a_switch_changes_nothing_but_the_model() {
    let mut gathered = with_profile();
    let (model, _) = planned(&gathered);
    assert_eq!(model["primary"], "p-litellm/deepseek-v3");
    let keys = plan(&gathered).pod.unwrap().provider_env;
    assert!(keys.iter().any(|variable| variable.secret == "llama"), "{keys:?}");
    settle(&mut gathered);
    let (_, pod) = planned(&gathered);
    for (profile, primary) in
        [(Some("local"), "p-llama/qwen3"), (None, "p-litellm/deepseek-v3"), (Some("local"), "p-llama/qwen3")]
    {
        switch(&mut gathered, profile);
        let (model, same) = planned(&gathered);
        assert_eq!((model, same), (json!({"primary": primary, "fallbacks": []}), pod.clone()));
        assert!(plan(&gathered).faults.is_empty());
        settle(&mut gathered);
    }
}

#[test]
fn a_profile_without_its_key_is_reported_and_the_models_that_answer_are_not_disturbed() {
    let mut gathered = with_profile();
    gathered.reads.insert((SourceKind::Secret, "llama".into()), Read::Missing);
    let reported = plan(&gathered);
    assert!(reported.faults.is_empty(), "{:?}", reported.faults);
    assert_eq!(reported.agent_warnings["writer"][0].reason, reason::SECRET_NOT_FOUND);
    assert!(reported.config.unwrap().value().pointer("/models/providers/p-llama").is_none());

    let before = planned(&gathered);
    switch(&mut gathered, Some("local"));
    assert_eq!(planned(&gathered), before, "the switch is refused");
    let fault = &plan(&gathered).faults["writer"];
    assert_eq!((fault.reason, &fault.kept), (reason::SECRET_NOT_FOUND, &vec!["model"]));
}

#[test]
fn a_model_of_a_profile_is_checked_like_that_of_the_spec_and_named_by_its_field() {
    let mut gathered = with_profile();
    edit(&mut gathered, "writer", |agent| agent.spec.model_profiles[0].selection.primary.model = "qwen".into());
    let expected = "Provider \"llama\" has no model \"qwen\" (spec.modelProfiles[local].primary of Agent \"writer\") (did you mean \"qwen3\"?): use one of its spec.models, or add it there";
    let warning = plan(&gathered).agent_warnings["writer"][0].clone();
    assert_eq!((warning.reason, warning.message.as_str()), (reason::MODEL_NOT_FOUND, expected));
    switch(&mut gathered, Some("local"));
    assert_eq!(plan(&gathered).faults["writer"].message, expected);
    switch(&mut gathered, Some("lokal"));
    let fault = plan(&gathered).faults["writer"].message.clone();
    let expected = "Model profile \"lokal\" is not in spec.modelProfiles (spec.activeModelProfile of Agent \"writer\") (did you mean \"local\"?)";
    assert_eq!(fault, expected);
}

#[test]
fn while_the_model_is_at_fault_the_providers_of_profiles_stay_and_no_other_comes() {
    let mut gathered = with_profile();
    settle(&mut gathered);
    let (_, pod) = planned(&gathered);
    edit(&mut gathered, "writer", |agent| agent.spec.model.primary.model = "unknown".into());
    let plan = plan(&gathered);
    assert_eq!(plan.faults["writer"].kept, ["model"]);
    assert!(plan.config.unwrap().value().pointer("/models/providers/p-llama").is_some());
    assert_eq!(plan.pod.unwrap().hash(), pod);

    let mut gathered = with_provider();
    let (_, pod) = planned(&gathered);
    edit(&mut gathered, "writer", |agent| {
        let model = json!({"primary": {"provider": "llama", "model": "qwen3"}, "fallbacks": [{"provider": "llama", "model": "qwen"}]});
        agent.spec.model = serde_json::from_value(model).unwrap();
    });
    assert_eq!(planned(&gathered).1, pod, "an edit that is refused recreates nothing");
}

#[test]
fn a_key_that_the_gateway_lacks_is_in_the_way_of_the_models_that_answer_only() {
    let mut gathered = with_profile();
    let unavailable = ["llama".to_owned()].into();
    assert_eq!(lacking(&gathered.joined[0], &gathered, &unavailable), None);
    switch(&mut gathered, Some("local"));
    assert!(lacking(&gathered.joined[0], &gathered, &unavailable).is_some());
}
