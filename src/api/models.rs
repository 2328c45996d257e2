//! Which models an object names, and where in its spec.

use std::collections::BTreeSet;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

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

impl ModelSelection {
    /// Every model that is named, in the order in which they are tried, with the field that names it: `spec.model.fallbacks[0]`.
    pub fn references(&self) -> impl Iterator<Item = (String, &ModelReference)> {
        let fallbacks = self.fallbacks.iter().enumerate();
        std::iter::once(("spec.model.primary".to_owned(), &self.primary))
            .chain(fallbacks.map(|(position, reference)| (format!("spec.model.fallbacks[{position}]"), reference)))
    }

    /// The names of the Providers of these models.
    #[must_use]
    pub fn providers(&self) -> BTreeSet<String> {
        self.references().map(|(_, reference)| reference.provider.clone()).collect()
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
            selection.references().map(|(field, reference)| (field, reference.model.as_str())).collect();
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
}
