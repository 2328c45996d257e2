//! JSON as a value of limited depth. Pure.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Below the limit of `serde_json`, which fails where this only cuts. No kind that Creel reads is nested half as deep.
const DEPTH: usize = 64;

/// Reads any JSON: what lies deeper than the limit is left out.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    levels: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self { levels: DEPTH }
    }
}

impl Tree {
    /// For what lies below; `None`: it is left out.
    fn below(self) -> Option<Self> {
        self.levels.checked_sub(1).map(|levels| Self { levels })
    }
}

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        match self.below() {
            Some(below) => {
                while let Some(item) = items.next_element_seed(below)? {
                    list.push(item);
                }
            }
            // Skipped without recursion, however deep it is.
            None => while items.next_element::<IgnoredAny>()?.is_some() {},
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        match self.below() {
            Some(below) => {
                while let Some(name) = members.next_key::<String>()? {
                    object.insert(name, members.next_value_seed(below)?);
                }
            }
            None => while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {},
        }
        Ok(object.into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = Tree::default().deserialize(&mut deserializer).unwrap();
        deserializer.end().unwrap();
        value
    }

    #[test]
    fn what_is_not_deep_is_read_as_it_is() {
        let text = r#"{"a": [1, -2, 2.5, "b", true, null, {"c": {}}], "d": []}"#;
        assert_eq!(read(text), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn what_is_deeper_than_the_parser_may_go_is_left_out() {
        for (opens, leaf, closes) in [("[", "1", "]"), (r#"{"a":"#, "1", "}")] {
            let text = format!("{}{leaf}{}", opens.repeat(10_000), closes.repeat(10_000));
            assert!(serde_json::from_str::<Value>(&text).is_err());
            assert_eq!(read(&text).to_string().len(), opens.len() * DEPTH + "[]".len() + closes.len() * DEPTH);
        }
    }
}
