//! Keys of users that the gateway rejected: while their author leaves them as they are, the last accepted ones stand in. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::plan::{SecretVariable, hash};
use crate::naming::REJECTED_KEYS;
use crate::openclaw::config::passthrough::author::Author;
use crate::openclaw::config::passthrough::remainder;
use crate::openclaw::config::sections::Fields;
use crate::references::digests::Digests;

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
    /// Names the keys and their [`Circumstances`].
    hash: String,
    /// The gateway's own words.
    message: String,
    #[serde(default, skip_serializing_if = "Verdict::is_certain")]
    verdict: Verdict,
}

/// How much is known of whose keys were rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Verdict {
    #[default]
    Certain,
    /// The gateway is still to accept a configuration without them.
    Guess,
    /// The gateway rejected the configuration without them, too: they are rendered again, and never guessed at again.
    Innocent,
}

impl Verdict {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_certain(&self) -> bool {
        *self == Self::Certain
    }
}

/// What else decides whether a gateway accepts keys: others may make it accept them, or reject what it accepted.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    pub image: Option<&'a str>,
    /// The values behind variables.
    pub digests: &'a Digests,
}

/// Keys of one author in these circumstances.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    pub author: &'a Author,
    pub fields: &'a Fields,
    /// The variables that they read.
    pub variables: &'a [SecretVariable],
    pub circumstances: Circumstances<'a>,
}

impl Keys<'_> {
    fn hash(&self) -> String {
        let Circumstances { image, digests } = self.circumstances;
        let fields = remainder(self.author.place(), self.fields);
        let of_variable =
            |variable: &SecretVariable| Some((variable.variable.clone(), digests.0.get(&variable.id())?.clone()));
        let values: BTreeMap<_, _> = self.variables.iter().filter_map(of_variable).collect();
        if values.is_empty() { hash(&(fields, image)) } else { hash(&(fields, image, values)) }
    }
}

impl Rejections {
    fn of_keys(&self, keys: Keys<'_>) -> Option<&RejectedKeys> {
        self.0.get(keys.author).filter(|rejected| rejected.hash == keys.hash())
    }

    /// What the gateway said of these keys, if it rejected exactly them.
    #[must_use]
    pub fn message(&self, keys: Keys<'_>) -> Option<&str> {
        let rejected = self.of_keys(keys).filter(|rejected| rejected.verdict != Verdict::Innocent)?;
        Some(&rejected.message)
    }

    /// Whether it is only a guess that the gateway rejected these.
    #[must_use]
    pub fn is_guess(&self, keys: Keys<'_>) -> bool {
        self.of_keys(keys).is_some_and(|rejected| rejected.verdict == Verdict::Guess)
    }

    /// Whether it turned out that the gateway rejects something else.
    #[must_use]
    pub fn is_innocent(&self, keys: Keys<'_>) -> bool {
        self.of_keys(keys).is_some_and(|rejected| rejected.verdict == Verdict::Innocent)
    }

    /// Those and another one; `None`: there are too many.
    #[must_use]
    pub fn with(&self, keys: Keys<'_>, message: &str, is_guess: bool) -> Option<Self> {
        let mut all = self.0.clone();
        let message = message.chars().take(MESSAGE_LIMIT).collect();
        let verdict = if is_guess { Verdict::Guess } else { Verdict::Certain };
        all.insert(keys.author.clone(), RejectedKeys { hash: keys.hash(), message, verdict });
        (all.len() <= MOST).then_some(Self(all))
    }

    /// The gateway rejects a configuration that does without these: what was guessed was wrong. `None`: nothing was.
    #[must_use]
    pub fn without_guesses(&self) -> Option<Self> {
        let is_guess = |rejected: &RejectedKeys| rejected.verdict == Verdict::Guess;
        self.0.values().any(is_guess).then(|| {
            let mut all = self.clone();
            all.0.values_mut().filter(|rejected| is_guess(rejected)).for_each(|it| it.verdict = Verdict::Innocent);
            all
        })
    }

    /// The gateway accepted a configuration that does without these.
    #[must_use]
    pub fn confirmed(&self) -> Self {
        let rejected = self.0.iter().filter(|(_, rejected)| rejected.verdict != Verdict::Innocent);
        let certain = |rejected: &RejectedKeys| RejectedKeys { verdict: Verdict::Certain, ..rejected.clone() };
        Self(rejected.map(|(author, rejected)| (author.clone(), certain(rejected))).collect())
    }

    /// Whether a plan does without the same keys.
    #[must_use]
    pub fn leaves_out_the_same_as(&self, other: &Self) -> bool {
        self.confirmed() == other.confirmed()
    }

    /// Those of these authors, and of innocent ones.
    #[must_use]
    pub fn of(&self, authors: &BTreeSet<Author>) -> Self {
        let of_authors = self
            .0
            .iter()
            .filter(|(author, rejected)| authors.contains(*author) || rejected.verdict == Verdict::Innocent);
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

    fn fields(value: u8) -> Fields {
        json!({"noSuchKey": value}).as_object().unwrap().clone()
    }

    static NO_DIGESTS: Digests = Digests(BTreeMap::new());

    fn keys<'a>(author: &'a Author, fields: &'a Fields, image: Option<&'a str>) -> Keys<'a> {
        Keys { author, fields, variables: &[], circumstances: Circumstances { image, digests: &NO_DIGESTS } }
    }

    fn one() -> Rejections {
        Rejections::default().with(keys(&writer(), &fields(1), Some("image")), "no such key", false).unwrap()
    }

    #[test]
    fn only_the_very_keys_count_as_rejected_and_only_for_this_image() {
        let rejected = one();
        assert_eq!(rejected.message(keys(&writer(), &fields(1), Some("image"))), Some("no such key"));
        assert_eq!(rejected.message(keys(&writer(), &fields(2), Some("image"))), None);
        assert_eq!(rejected.message(keys(&writer(), &fields(1), Some("another"))), None);
        assert_eq!(rejected.message(keys(&Author::Gateway, &fields(1), Some("image"))), None);
    }

    #[test]
    fn another_value_of_a_variable_may_make_the_gateway_accept_them() {
        let variables = [SecretVariable { variable: "A".into(), secret: "s".into(), key: "k".into() }];
        let digests = |digest: &str| Digests([("Secret/s/k".to_owned(), digest.to_owned())].into());
        let (before, after, author, fields) = (digests("1"), digests("2"), writer(), fields(1));
        let with = |digests| {
            let circumstances = Circumstances { image: None, digests };
            Keys { author: &author, fields: &fields, variables: &variables, circumstances }
        };
        let rejected = Rejections::default().with(with(&before), "no", false).unwrap();
        assert_eq!((rejected.message(with(&before)), rejected.message(with(&after))), (Some("no"), None));
    }

    #[test]
    fn of_each_author_the_last_ones_are_remembered() {
        let again = one().with(keys(&writer(), &fields(2), Some("image")), "nor this one", false).unwrap();
        let both = again.with(keys(&Author::Gateway, &fields(1), Some("image")), "no", false).unwrap();
        assert_eq!(both.message(keys(&writer(), &fields(1), Some("image"))), None);
        assert_eq!(both.message(keys(&writer(), &fields(2), Some("image"))), Some("nor this one"));
        assert_eq!(both.of(&BTreeSet::from([writer()])), again);
    }

    #[test]
    fn a_guess_holds_until_the_gateway_does_not_accept_what_does_without_it() {
        let (author, fields) = (writer(), fields(1));
        let keys = keys(&author, &fields, None);
        let guess = Rejections::default().with(keys, "no", true).unwrap();
        assert_eq!((guess.message(keys), guess.is_guess(keys)), (Some("no"), true));
        let wrong = guess.without_guesses().unwrap();
        assert!(wrong.message(keys).is_none() && wrong.is_innocent(keys));
        assert_eq!(wrong.of(&BTreeSet::new()), wrong, "it is not guessed again");
        assert_eq!(wrong.confirmed(), Rejections::default());
        let right = guess.confirmed();
        assert_eq!((right.message(keys), right.without_guesses()), (Some("no"), None));
        assert!(!right.is_guess(keys));
        assert!(right.leaves_out_the_same_as(&guess) && !right.leaves_out_the_same_as(&wrong));
        for known in [guess, wrong] {
            let annotations = BTreeMap::from([known.annotation().unwrap()]);
            assert_eq!(Rejections::read_back(&annotations), known);
        }
    }

    #[test]
    fn the_next_process_of_the_operator_knows_them() {
        let both = one().with(keys(&Author::Gateway, &fields(1), None), "no", true).unwrap();
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
            all = all.with(keys(&author, &fields(1), Some("image")), &"\u{1F99E}".repeat(1000), true).unwrap();
        }
        assert!(all.annotation().unwrap().1.len() < 200 << 10);
        assert_eq!(all.with(keys(&Author::Gateway, &fields(1), None), "no", false), None);
    }
}
