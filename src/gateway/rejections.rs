//! Keys of users that the gateway rejected: while their author leaves them as they are, the last accepted ones stand in. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::plan::hash;
use crate::naming::REJECTED_KEYS;
use crate::openclaw::config::passthrough::author::Author;
use crate::openclaw::config::sections::Fields;

/// How many are remembered, and characters of the gateway's words on each: all annotations of an object have 256 KiB.
const MOST: usize = 64;
const MESSAGE_LIMIT: usize = 500;

/// What the gateway rejected, by author.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rejections(BTreeMap<Author, RejectedKeys>);

/// Keys as their author wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RejectedKeys {
    /// Names the keys and the image that rejected them: another one may accept them.
    hash: String,
    /// The gateway's own words.
    message: String,
}

impl Rejections {
    /// What the gateway said of these keys, if it rejected exactly them.
    #[must_use]
    pub fn message(&self, author: &Author, keys: &Fields, image: Option<&str>) -> Option<&str> {
        let rejected = self.0.get(author)?;
        (rejected.hash == hash(&(keys, image))).then_some(rejected.message.as_str())
    }

    /// Those and another one; `None`: there are too many.
    #[must_use]
    pub fn with(&self, author: Author, keys: &Fields, image: Option<&str>, message: &str) -> Option<Self> {
        let mut all = self.0.clone();
        let message = message.chars().take(MESSAGE_LIMIT).collect();
        all.insert(author, RejectedKeys { hash: hash(&(keys, image)), message });
        (all.len() <= MOST).then_some(Self(all))
    }

    /// Those of these authors.
    #[must_use]
    pub fn of(&self, authors: &BTreeSet<Author>) -> Self {
        let of_authors = self.0.iter().filter(|(author, _)| authors.contains(*author));
        Self(of_authors.map(|(author, rejected)| (author.clone(), rejected.clone())).collect())
    }

    /// As the annotation of the mounted ConfigMap keeps them; `None`: there are none.
    #[must_use]
    pub fn annotation(&self) -> Option<(String, String)> {
        let text = serde_json::to_string(self).ok().filter(|_| !self.0.is_empty())?;
        Some((REJECTED_KEYS.to_owned(), text))
    }

    /// What the annotations of a ConfigMap keep.
    #[must_use]
    pub fn read_back(annotations: &BTreeMap<String, String>) -> Self {
        annotations.get(REJECTED_KEYS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// All of them together.
impl FromIterator<Self> for Rejections {
    fn from_iter<T: IntoIterator<Item = Self>>(all: T) -> Self {
        Self(all.into_iter().flat_map(|rejections| rejections.0).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn writer() -> Author {
        Author::Agent("writer".to_owned())
    }

    fn keys(value: u8) -> Fields {
        json!({"noSuchKey": value}).as_object().unwrap().clone()
    }

    fn one() -> Rejections {
        Rejections::default().with(writer(), &keys(1), Some("image"), "no such key").unwrap()
    }

    #[test]
    fn only_the_very_keys_count_as_rejected_and_only_for_this_image() {
        let rejected = one();
        assert_eq!(rejected.message(&writer(), &keys(1), Some("image")), Some("no such key"));
        assert_eq!(rejected.message(&writer(), &keys(2), Some("image")), None);
        assert_eq!(rejected.message(&writer(), &keys(1), Some("another")), None);
        assert_eq!(rejected.message(&Author::Gateway, &keys(1), Some("image")), None);
    }

    #[test]
    fn of_each_author_the_last_ones_are_remembered() {
        let again = one().with(writer(), &keys(2), Some("image"), "nor this one").unwrap();
        let both = again.with(Author::Gateway, &keys(1), Some("image"), "no").unwrap();
        assert_eq!(both.message(&writer(), &keys(1), Some("image")), None);
        assert_eq!(both.message(&writer(), &keys(2), Some("image")), Some("nor this one"));
        assert_eq!(both.of(&BTreeSet::from([writer()])), again);
    }

    #[test]
    fn the_next_process_of_the_operator_knows_them() {
        let both = one().with(Author::Gateway, &keys(1), None, "no").unwrap();
        let annotations = BTreeMap::from([both.annotation().unwrap()]);
        assert_eq!(Rejections::read_back(&annotations), both);
        assert_eq!(Rejections::default().annotation(), None);
        let edited = BTreeMap::from([(REJECTED_KEYS.to_owned(), "{".to_owned())]);
        assert_eq!(Rejections::read_back(&edited), Rejections::default());
    }

    #[test]
    fn they_fit_into_annotations() {
        let mut all = Rejections::default();
        for number in 0..MOST {
            let author = Author::Agent(format!("{number:0>63}"));
            all = all.with(author, &keys(1), Some("image"), &"\u{1F99E}".repeat(1000)).unwrap();
        }
        assert!(all.annotation().unwrap().1.len() < 200 << 10);
        assert_eq!(all.with(Author::Gateway, &keys(1), None, "no"), None);
    }
}
