//! A Kubernetes quantity as users write it: `10Gi`, `"0.5"` or a bare number.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as KubernetesQuantity;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// A resource amount. Kept as text: the API server owns its meaning, and `1` and `"1"` are the same amount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

impl Quantity {
    /// The amount in whole bytes, rounded down; `None` if it is none.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        let split = self.0.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(self.0.len());
        let (number, suffix) = self.0.split_at(split);
        let factor: f64 = match suffix {
            "" => 1.0,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "T" => 1e12,
            "Ki" => 1024.0,
            "Mi" => 1024.0 * 1024.0,
            "Gi" => 1024.0 * 1024.0 * 1024.0,
            "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        };
        let bytes = number.parse::<f64>().ok()? * factor;
        // Memory of a machine lies far below the 2⁵³ that a float counts exactly.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (bytes.is_finite() && bytes >= 0.0).then_some(bytes as u64)
    }
}

impl From<&Quantity> for KubernetesQuantity {
    fn from(quantity: &Quantity) -> Self {
        Self(quantity.0.clone())
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(serde_json::Number),
            Text(String),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Number(number) => Self(number.to_string()),
            Written::Text(text) => Self(text),
        })
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            // The same pattern that Kubernetes publishes for its own quantities.
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
            "maxLength": 32
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_of_memory_is_read_in_bytes() {
        let bytes = |text: &str| Quantity(text.into()).bytes();
        assert_eq!(bytes("2Gi"), Some(2 * 1024 * 1024 * 1024));
        assert_eq!(bytes("0.5k"), Some(500));
        assert_eq!(bytes("much"), None);
    }

    #[test]
    fn a_bare_number_and_a_string_are_both_read() {
        assert_eq!(serde_json::from_str::<Quantity>("2").unwrap(), Quantity("2".into()));
        assert_eq!(serde_json::from_str::<Quantity>("\"10Gi\"").unwrap(), Quantity("10Gi".into()));
    }
}
