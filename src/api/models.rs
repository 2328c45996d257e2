//! Which models an object names, and where in its spec.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::agent::AgentSpec;

/// A first choice and its fallbacks, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ModelSelection {
    /// The model that is tried first.
    pub primary: ModelReference,
    /// The models to try, in order, when the previous one fails (no credit, rate limit, outage), at most 8. Use models of other
    /// Providers: when credit runs out, all models of a Provider fail. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub fallbacks: Vec<ModelReference>,
}

/// A model of a Provider in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct ModelReference {
    /// The name of the Provider. Example: `openai`.
    #[schemars(length(min = 1, max = 63))]
    pub provider: String,
    /// The id of one of the models in the Provider's spec. Example: `gpt-4o-mini`.
    #[schemars(length(min = 1, max = 128))]
    pub model: String,
}

/// Models of an Agent under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ModelProfile {
    /// The name of the profile, unique in the list. Example: `local`.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    #[serde(flatten)]
    pub selection: ModelSelection,
}

/// The model profile that an Agent uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ActiveModelProfile {
    /// The name of the entry of `spec.modelProfiles`.
    pub name: String,
    /// When Creel switched to it.
    pub since: Time,
}

/// Where `spec.model` of an object is.
pub const MODEL_FIELD: &str = "spec.model";

impl ModelSelection {
    /// Every model that is named, in the order in which they are tried, with the field that names it: `spec.model.fallbacks[0]`, if these are
    /// the models at `spec.model`.
    pub fn references(&self, field: &str) -> impl Iterator<Item = (String, &ModelReference)> + use<'_> {
        let primary = (format!("{field}.primary"), &self.primary);
        let prefix = format!("{field}.fallbacks");
        let fallbacks = self.fallbacks.iter().enumerate();
        std::iter::once(primary)
            .chain(fallbacks.map(move |(position, reference)| (format!("{prefix}[{position}]"), reference)))
    }

    /// The names of the Providers of these models.
    #[must_use]
    pub fn providers(&self) -> BTreeSet<String> {
        std::iter::once(&self.primary).chain(&self.fallbacks).map(|reference| reference.provider.clone()).collect()
    }
}

/// Models of an Agent, and the field that has them: `spec.model` or `spec.modelProfiles[local]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecModels<'a> {
    pub field: String,
    pub selection: &'a ModelSelection,
}

impl<'a> SpecModels<'a> {
    /// Each model with the field that names it.
    pub fn references(&self) -> impl Iterator<Item = (String, &'a ModelReference)> + use<'a> {
        self.selection.references(&self.field)
    }
}

impl AgentSpec {
    /// The models that answer; `None`: `activeModelProfile` names no profile.
    #[must_use]
    pub fn active_models(&self) -> Option<SpecModels<'_>> {
        let Some(name) = &self.active_model_profile else {
            return Some(SpecModels { field: MODEL_FIELD.to_owned(), selection: &self.model });
        };
        self.model_profiles.iter().find(|profile| profile.name == *name).map(ModelProfile::in_spec)
    }

    /// The names of the Providers of all models that the Agent can switch to.
    #[must_use]
    pub fn providers(&self) -> BTreeSet<String> {
        self.all_models().flat_map(|models| models.selection.providers()).collect()
    }

    /// All models that the Agent can switch to, those that answer now included.
    pub fn all_models(&self) -> impl Iterator<Item = SpecModels<'_>> {
        let own = SpecModels { field: MODEL_FIELD.to_owned(), selection: &self.model };
        std::iter::once(own).chain(self.model_profiles.iter().map(ModelProfile::in_spec))
    }
}

impl ModelProfile {
    fn in_spec(&self) -> SpecModels<'_> {
        SpecModels { field: format!("spec.modelProfiles[{}]", self.name), selection: &self.selection }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_names_its_models_in_the_order_in_which_they_are_tried() {
        let selection = "{primary: {provider: openai, model: small}, fallbacks: [{provider: local, model: a}, {provider: openai, model: b}]}";
        let selection: ModelSelection = serde_yaml::from_str(selection).unwrap();
        let named: Vec<_> =
            selection.references(MODEL_FIELD).map(|(field, reference)| (field, reference.model.as_str())).collect();
        assert_eq!(
            named,
            [
                ("spec.model.primary".to_owned(), "small"),
                ("spec.model.fallbacks[0]".to_owned(), "a"),
                ("spec.model.fallbacks[1]".to_owned(), "b"),
            ]
        );
        assert_eq!(selection.providers(), BTreeSet::from(["local".to_owned(), "openai".to_owned()]));
    }

    #[test]
    fn the_models_that_answer_are_those_of_the_active_profile_or_else_of_the_spec() {
        let spec = "
            model: {primary: {provider: openai, model: small}}
            modelProfiles:
            - {name: local, primary: {provider: llama, model: a}, fallbacks: [{provider: openai, model: small}]}
            - {name: cheap, primary: {provider: openai, model: mini}}";
        let mut spec: AgentSpec = serde_yaml::from_str(spec).unwrap();
        assert_eq!(spec.active_models().unwrap().field, "spec.model");
        spec.active_model_profile = Some("local".to_owned());
        let fields: Vec<String> = spec.active_models().unwrap().references().map(|(field, _)| field).collect();
        assert_eq!(fields, ["spec.modelProfiles[local].primary", "spec.modelProfiles[local].fallbacks[0]"]);
        spec.active_model_profile = Some("lokal".to_owned());
        assert_eq!(spec.active_models(), None);
        let all: Vec<String> = spec.all_models().map(|models| models.field).collect();
        assert_eq!(all, ["spec.model", "spec.modelProfiles[local]", "spec.modelProfiles[cheap]"]);
    }
}
