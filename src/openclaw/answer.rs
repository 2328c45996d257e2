//! How answers of gateways are read. Whatever a gateway says, what is kept of it has a bound; and what is not understood is left out, so
//! that it does not hide the rest. Pure.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Characters of a text that are kept: an error may hold all that a model's provider answered.
pub const WORDS: usize = 400;

/// Characters of a line of a log that are kept.
const LINE: usize = 8192;

/// Entries of a list that are kept: the most that a gateway puts on one page.
pub const ENTRIES: usize = 200;

/// Names of a list that is read as a whole.
const NAMES: usize = 64;

/// The first moment after all times that gateways tell: Kubernetes and people read a year of four digits.
pub const END_OF_TIMES: i64 = 7_258_118_400_000; // 2200-01-01T00:00:00Z

/// What a visitor makes of scalars that it does not expect: nothing.
macro_rules! leaves_out_scalars {
    ($none:expr) => {
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("JSON")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($none)
        }
    };
}

/// The same for a visitor that wants no scalar at all.
macro_rules! takes_no_scalar {
    ($none:expr) => {
        leaves_out_scalars!($none);

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($none)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($none)
        }
    };
}

/// A value without members.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Leaf {
    /// A text, cut; `whole`: nothing is missing.
    Text {
        text: String,
        whole: bool,
    },
    Integer(i64),
    Flag(bool),
    Other,
}

impl<'de> Deserialize<'de> for Leaf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LeafVisitor { characters: WORDS })
    }
}

struct LeafVisitor {
    /// Of a text.
    characters: usize,
}

impl<'de> Visitor<'de> for LeafVisitor {
    type Value = Leaf;

    leaves_out_scalars!(Leaf::Other);

    fn visit_bool<E>(self, flag: bool) -> Result<Leaf, E> {
        Ok(Leaf::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Leaf, E> {
        Ok(Leaf::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Leaf, E> {
        Ok(Leaf::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Leaf, E> {
        let end = text.char_indices().nth(self.characters).map_or(text.len(), |(end, _)| end);
        Ok(Leaf::Text { text: text[..end].to_owned(), whole: end == text.len() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Leaf, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| Leaf::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Leaf, A::Error> {
        IgnoredAny.visit_map(members).map(|_| Leaf::Other)
    }
}

/// A text, cut where it is too long.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Leaf::deserialize(deserializer)? {
        Leaf::Text { text, .. } => Some(text),
        _ => None,
    })
}

/// A line of a log, cut where it is too long.
struct Line(String);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(LeafVisitor { characters: LINE })? {
            Leaf::Text { text, .. } => Self(text),
            _ => Self(String::new()),
        })
    }
}

/// The first [`ENTRIES`] lines of a log.
pub fn lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(LinesVisitor)
}

struct LinesVisitor;

impl<'de> Visitor<'de> for LinesVisitor {
    type Value = Vec<String>;

    takes_no_scalar!(Vec::new());

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut lines = Vec::new();
        while lines.len() < ENTRIES
            && let Some(Line(line)) = items.next_element()?
        {
            lines.push(line);
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(lines)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(members).map(|_| Vec::new())
    }
}

/// A text that only counts as a whole, and as one that people can read: a name or an id.
pub fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Leaf::deserialize(deserializer)? {
        Leaf::Text { text, whole: true } if !text.contains(char::is_control) => Some(text),
        _ => None,
    })
}

/// The same; empty if it is not there.
pub fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    name(deserializer).map(Option::unwrap_or_default)
}

pub fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(match Leaf::deserialize(deserializer)? {
        Leaf::Integer(number) => Some(number),
        _ => None,
    })
}

/// A time as the gateway writes it; one before 1970 or after 2199 is none.
#[must_use]
pub fn time(milliseconds: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds.filter(|time| (0..END_OF_TIMES).contains(time))?).ok()
}

/// A number of things: below zero it is zero.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(integer(deserializer)?.map(|number| u64::try_from(number).unwrap_or_default()))
}

pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Leaf::deserialize(deserializer)? {
        Leaf::Flag(flag) => Some(flag),
        _ => None,
    })
}

/// Names that only count if each of them is one, and if there are no more than [`NAMES`]: what is left out of them could be what matters.
pub fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    deserializer.deserialize_any(NamesVisitor)
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Option<Vec<String>>;

    takes_no_scalar!(None);

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut names = Some(Vec::new());
        while let Some(item) = items.next_element::<Leaf>()? {
            let name = match item {
                Leaf::Text { text, whole: true } if !text.contains(char::is_control) => Some(text),
                _ => None,
            };
            let one_more = |(mut names, name): (Vec<String>, String)| {
                names.push(name);
                names
            };
            names = names.filter(|names| names.len() < NAMES).zip(name).map(one_more);
        }
        Ok(names)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(members).map(|_| None)
    }
}

/// An object; anything else is none.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Object(PhantomData).deserialize(deserializer)
}

/// Reads an object of this type; anything else is none.
#[derive(Clone, Copy, Debug)]
pub struct Object<T>(pub PhantomData<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Object<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = Option<T>;

    leaves_out_scalars!(None);

    fn visit_bool<E>(self, _: bool) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Option<T>, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Some)
    }
}

/// A list of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    /// The first [`ENTRIES`], without those that are no objects.
    pub entries: Vec<T>,
    /// How many there were.
    pub count: usize,
}

/// A list of objects; anything else is none.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<List<T>>, D::Error> {
    deserializer.deserialize_any(ListVisitor(PhantomData))
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Option<List<T>>;

    takes_no_scalar!(None);

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = List { entries: Vec::new(), count: 0 };
        while list.count < ENTRIES
            && let Some(entry) = items.next_element_seed(Object(PhantomData))?
        {
            list.count += 1;
            list.entries.extend(entry);
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            list.count += 1;
        }
        Ok(Some(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(members).map(|_| None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Told {
        #[serde(deserialize_with = "text")]
        words: Option<String>,
        #[serde(deserialize_with = "name")]
        id: Option<String>,
        #[serde(deserialize_with = "count")]
        tokens: Option<u64>,
        #[serde(deserialize_with = "list")]
        entries: Option<List<Told>>,
        #[serde(deserialize_with = "names")]
        scopes: Option<Vec<String>>,
    }

    fn told(answer: &Value) -> Told {
        serde_json::from_str(&answer.to_string()).unwrap()
    }

    #[test]
    fn of_a_long_text_the_beginning_is_kept_and_a_long_name_is_no_name() {
        let long = "ä".repeat(WORDS + 1);
        let told = told(&json!({"words": long, "id": long}));
        assert_eq!((told.words.unwrap().chars().count(), told.id), (WORDS, None));
        assert_eq!(self::told(&json!({"id": "a\u{0}b"})).id, None);
    }

    #[test]
    fn what_is_not_understood_is_left_out_and_the_rest_is_read() {
        let told = told(&json!({"words": [[1]], "id": {"a": 1}, "tokens": -5, "entries": [7, {"id": "a"}, [], null]}));
        assert_eq!((told.words, told.id, told.tokens), (None, None, Some(0)));
        let list = told.entries.unwrap();
        assert_eq!((list.count, list.entries.len(), list.entries[0].id.as_deref()), (4, 1, Some("a")));
    }

    #[test]
    fn names_of_which_one_is_none_are_not_known() {
        let scopes = |scopes: &Value| told(&json!({"scopes": scopes})).scopes;
        assert_eq!(scopes(&json!(["a", "b"])), Some(vec!["a".to_owned(), "b".to_owned()]));
        let long = "ä".repeat(WORDS + 1);
        for other in [json!(["a", 7]), json!(["a", long]), json!(["a\u{0}"]), json!(vec!["a"; NAMES + 1]), json!("a")] {
            assert_eq!(scopes(&other), None, "{other}");
        }
    }

    #[test]
    fn of_a_long_list_the_first_entries_are_kept_and_the_rest_is_counted() {
        let list = told(&json!({"entries": vec![json!({}); 3 * ENTRIES]})).entries.unwrap();
        assert_eq!((list.entries.len(), list.count), (ENTRIES, 3 * ENTRIES));
    }
}
