//! A hash of a JSON value, made while it is read: two values have the same one if they are equal. So a job can be compared with what is
//! wanted of it, and takes up as much memory as any other, whatever is in it. Pure.

use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Stands for a JSON value. The order of members makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonHash(u64);

impl JsonHash {
    #[must_use]
    pub fn of(value: &Value) -> Self {
        // A value that is there can always be read.
        Self::deserialize(value).unwrap_or(Self(0))
    }

    /// Of an object without the members whose names begin so.
    pub fn without<'de, D: Deserializer<'de>>(prefix: &'static str, deserializer: D) -> Result<Self, D::Error> {
        Reader { left_out: Some(prefix) }.deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for JsonHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reader::default().deserialize(deserializer)
    }
}

/// Kinds of values, so that those of different kinds differ.
#[derive(Clone, Copy)]
enum Kind {
    Null,
    Flag,
    Integer,
    Negative,
    Fraction,
    Text,
    List,
    Object,
}

fn hash(kind: Kind, bytes: &[u8]) -> JsonHash {
    JsonHash(xxh3_64_with_seed(bytes, kind as u64))
}

#[derive(Clone, Copy, Default)]
struct Reader {
    left_out: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = JsonHash;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JsonHash, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = JsonHash;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<JsonHash, E> {
        Ok(hash(Kind::Null, &[]))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<JsonHash, E> {
        Ok(hash(Kind::Flag, &[u8::from(flag)]))
    }

    fn visit_u64<E>(self, number: u64) -> Result<JsonHash, E> {
        Ok(hash(Kind::Integer, &number.to_be_bytes()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<JsonHash, E> {
        match u64::try_from(number) {
            Ok(number) => Ok(hash(Kind::Integer, &number.to_be_bytes())),
            Err(_) => Ok(hash(Kind::Negative, &number.to_be_bytes())),
        }
    }

    fn visit_f64<E>(self, number: f64) -> Result<JsonHash, E> {
        Ok(hash(Kind::Fraction, &number.to_bits().to_be_bytes()))
    }

    fn visit_str<E>(self, text: &str) -> Result<JsonHash, E> {
        Ok(hash(Kind::Text, text.as_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<JsonHash, A::Error> {
        let mut all = 0;
        while let Some(JsonHash(item)) = items.next_element()? {
            all = xxh3_64_with_seed(&item.to_be_bytes(), all);
        }
        Ok(hash(Kind::List, &all.to_be_bytes()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<JsonHash, A::Error> {
        let mut all = 0_u64;
        while let Some(name) = members.next_key::<String>()? {
            let JsonHash(value) = members.next_value()?;
            if self.left_out.is_none_or(|prefix| !name.starts_with(prefix)) {
                all = all.wrapping_add(xxh3_64_with_seed(&value.to_be_bytes(), xxh3_64(name.as_bytes())));
            }
        }
        Ok(hash(Kind::Object, &all.to_be_bytes()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_that_is_read_has_the_hash_of_the_one_that_is_written() {
        let value = json!({"a": [1, -2, 2.5, "b", true, null, {"c": {}}], "d": []});
        assert_eq!(serde_json::from_str::<JsonHash>(&value.to_string()).unwrap(), JsonHash::of(&value));
        let other_order: JsonHash = serde_json::from_str(r#"{"b": 2, "a": 1}"#).unwrap();
        assert_eq!(other_order, JsonHash::of(&json!({"a": 1, "b": 2})));
    }

    #[test]
    fn different_values_have_different_hashes() {
        let values = [
            json!(null),
            json!(false),
            json!(true),
            json!(0),
            json!(1),
            json!(-1),
            json!(1.0),
            json!("1"),
            json!(""),
            json!([]),
            json!([1, 2]),
            json!([2, 1]),
            json!([[1], 2]),
            json!([1, [2]]),
            json!({}),
            json!({"a": 1}),
            json!({"b": 1}),
            json!({"a": 1, "b": 2}),
            json!({"a": 2, "b": 1}),
            json!({"a": {"b": 2}}),
        ];
        for (place, one) in values.iter().enumerate() {
            for other in &values[..place] {
                assert_ne!(JsonHash::of(one), JsonHash::of(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn members_can_be_left_out_of_the_object_itself_and_not_of_those_in_it() {
        let without = |text| JsonHash::without("x", &mut serde_json::Deserializer::from_str(text)).unwrap();
        assert_eq!(without(r#"{"a": 1, "xy": 2}"#), JsonHash::of(&json!({"a": 1})));
        assert_ne!(without(r#"{"a": {"xy": 2}}"#), JsonHash::of(&json!({"a": {}})));
    }
}
