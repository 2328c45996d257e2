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
        u64::try_from(self.nano()? / NANO).ok()
    }

    /// The amount in billionths, which are the smallest that Kubernetes counts; `None` if it is none. As in Kubernetes, a smaller fraction
    /// is rounded away from zero, and what is too large is the largest amount.
    #[must_use]
    pub fn nano(&self) -> Option<i128> {
        let (is_negative, unsigned) = match self.0.as_bytes().first()? {
            b'-' => (true, &self.0[1..]),
            b'+' => (false, &self.0[1..]),
            _ => (false, self.0.as_str()),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let (factor, exponent) = scale(suffix)?;
        let exponent = exponent.saturating_add(9).saturating_sub(i32::try_from(fraction.len()).ok()?);
        let power = 10_i128.checked_pow(exponent.unsigned_abs());
        let scaled = digits.saturating_mul(factor);
        let nano = match (power, exponent >= 0) {
            (Some(power), true) => scaled.saturating_mul(power),
            (Some(power), false) => scaled / power + i128::from(scaled % power != 0),
            (None, true) => scaled.saturating_mul(i128::MAX),
            (None, false) => i128::from(scaled != 0),
        };
        let nano = nano.min(i128::from(i64::MAX) * NANO);
        Some(if is_negative { -nano } else { nano })
    }
}

const NANO: i128 = 1_000_000_000;

/// What a suffix stands for: a factor, and a power of ten. All suffixes that Kubernetes has.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    Some(match suffix {
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "" => (1, 0),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        exponent => (1, exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
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
    use proptest::prelude::*;

    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity(text.to_owned())
    }

    #[test]
    fn an_amount_of_memory_is_read_in_bytes() {
        let bytes = |text: &str| quantity(text).bytes();
        assert_eq!(bytes("2Gi"), Some(2 * 1024 * 1024 * 1024));
        assert_eq!(bytes("0.5k"), Some(500));
        assert_eq!(bytes("1e9"), Some(1_000_000_000));
        assert_eq!(bytes("1.5"), Some(1));
        assert_eq!(bytes("-1"), None);
        assert_eq!(bytes("much"), None);
    }

    #[test]
    fn an_amount_is_read_as_kubernetes_reads_it() {
        let nano = |text: &str| quantity(text).nano();
        assert_eq!(nano("250m"), Some(250_000_000));
        assert_eq!(nano("0.25"), nano("250m"));
        assert_eq!(nano("+.25"), nano("250m"));
        assert_eq!(nano("1."), nano("1"));
        assert_eq!(nano("1E"), nano("1e18"));
        assert_eq!(nano("1E3"), nano("1k"));
        assert_eq!(nano("1e-3"), nano("1m"));
        assert_eq!(nano("0.1n"), Some(1), "a fraction is rounded up");
        assert_eq!(nano("1e-99"), Some(1));
        assert_eq!(nano("1e99"), nano("9223372036854775807"), "what is too large is the largest amount");
        assert_eq!(nano("0e99"), Some(0));
        for not_one in ["", "-", ".", "m", "1e", "1ki", "1.2.3", "1e1.5", "1 Gi", "--1", "²"] {
            assert_eq!(nano(not_one), None, "{not_one}");
        }
    }

    /// Each suffix and what it multiplies with, in billionths.
    const SUFFIXES: [(&str, i128); 16] = [
        ("n", 1),
        ("u", 1000),
        ("m", 1_000_000),
        ("", 1_000_000_000),
        ("k", 1_000_000_000_000),
        ("M", 1_000_000_000_000_000),
        ("G", 1_000_000_000_000_000_000),
        ("T", 1_000_000_000_000_000_000_000),
        ("P", 1_000_000_000_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000_000_000_000),
        ("Ki", 1024 * 1_000_000_000),
        ("Mi", 1_048_576 * 1_000_000_000),
        ("Gi", 1_073_741_824 * 1_000_000_000),
        ("Ti", 1_099_511_627_776 * 1_000_000_000),
        ("Pi", 1_125_899_906_842_624 * 1_000_000_000),
        ("Ei", 1_152_921_504_606_846_976 * 1_000_000_000),
    ];

    proptest! {
        #[test]
        fn every_suffix_multiplies(number in 0..1_000_000_i128, (suffix, factor) in proptest::sample::select(&SUFFIXES[..])) {
            let largest = i128::from(i64::MAX) * 1_000_000_000;
            prop_assert_eq!(quantity(&format!("{number}{suffix}")).nano(), Some((number * factor).min(largest)));
            let thousandths = format!("{}.{:03}{suffix}", number / 1000, number % 1000);
            let product = number * factor;
            let rounded_up = product / 1000 + i128::from(product % 1000 != 0);
            prop_assert_eq!(quantity(&thousandths).nano(), Some(rounded_up.min(largest)));
        }

        // The pattern of the schema, in numbers of reasonable length.
        #[test]
        fn whatever_the_schema_accepts_is_read(
            text in r"(\+|-)?(([0-9]{1,9}(\.[0-9]{0,9})?)|(\.[0-9]{1,9}))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,3}))?"
        ) {
            prop_assert!(quantity(&text).nano().is_some(), "{text}");
        }
    }

    #[test]
    fn a_bare_number_and_a_string_are_both_read() {
        assert_eq!(serde_json::from_str::<Quantity>("2").unwrap(), Quantity("2".into()));
        assert_eq!(serde_json::from_str::<Quantity>("\"10Gi\"").unwrap(), Quantity("10Gi".into()));
    }
}
