//! Which configuration the gateway's Pod mounts: the desired one, or the last good one while the gateway rejects the desired one. Pure.
//!
//! Where a rejection is about what one user wrote, only these keys count as rejected: the last good configuration stands in until the next
//! plan, which does without them. Else it is about the configuration as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;
use serde_json::Value;

use super::gather::Live;
use super::plan::{SecretVariable, hash};
use super::rejections::{Circumstances, Keys, Rejections};
use crate::naming::{
    self, ACQUITTED_HASH, FAILED_START, GatewayNames, REFUSED_HASH, REFUSED_MESSAGE, REJECTED_HASH, REJECTED_MESSAGE,
};
use crate::openclaw::config::OfUsers;
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::config::passthrough::author::{Author, Culprit, culprit, culprit_of_accepted, words_about};
use crate::openclaw::config::passthrough::read_back;
use crate::openclaw::live;
use crate::references::digests::Digests;

/// Characters of the gateway's own words that are kept with a rejection.
const MESSAGE_LIMIT: usize = 900;

/// The configuration in the ConfigMap that the gateway's Pod mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigRevision {
    /// The name of the ConfigMap.
    pub name: String,
    /// The document in it.
    pub current: Arc<ConfigDocument>,
    /// The document that the plan asks for; `None`: the last good one stands in for one that is not known any more.
    pub desired: Option<Arc<ConfigDocument>>,
    /// The image of the gateway that reads it.
    pub image: String,
    /// What was found about the desired document; a rejection: the last good one stands in for it, if there is one.
    pub ruling: Option<Ruling>,
    /// Keys that the plan does without, or the next one.
    pub rejections: Rejections,
    /// Of the values behind variables, as the plan knows them: the Pod that runs may have been started with others.
    pub digests: Digests,
}

/// What was found about a configuration that a gateway did not simply run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    Rejected(Rejection),
    /// The gateway does not start with it, nor with the last good one. Named as in [`Rejection::hash`].
    Acquitted(String),
}

/// A configuration that the gateway rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Names the rejected text and the image that rejected it.
    pub hash: String,
    /// The gateway's own words.
    pub message: String,
    /// Whether it is only suspected, because the gateway did not start with it.
    pub failed_start: bool,
}

impl Ruling {
    fn hash(&self) -> &str {
        match self {
            Self::Rejected(rejection) => &rejection.hash,
            Self::Acquitted(hash) => hash,
        }
    }

    fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Acquitted(_) => None,
        }
    }

    /// As the annotations of the mounted ConfigMap keep it.
    fn annotations(&self) -> impl Iterator<Item = (String, String)> {
        let annotations = match self {
            Self::Acquitted(hash) => vec![(ACQUITTED_HASH, hash.clone())],
            Self::Rejected(Rejection { hash, message, failed_start }) => {
                let suspected = failed_start.then(|| (FAILED_START, "true".to_owned()));
                let rejected = [(REJECTED_HASH, hash.clone()), (REJECTED_MESSAGE, message.clone())];
                rejected.into_iter().chain(suspected).collect()
            }
        };
        annotations.into_iter().map(|(key, value)| (key.to_owned(), value))
    }

    fn read_back(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let annotation = |key: &str| annotations.get(key).cloned();
        // As earlier versions wrote it: forgotten, the configuration would be mounted again.
        let either = |key, earlier| annotation(key).or_else(|| annotation(earlier));
        if let Some(hash) = annotation(ACQUITTED_HASH) {
            return Some(Self::Acquitted(hash));
        }
        Some(Self::Rejected(Rejection {
            hash: either(REJECTED_HASH, REFUSED_HASH)?,
            message: either(REJECTED_MESSAGE, REFUSED_MESSAGE).unwrap_or_default(),
            failed_start: annotations.contains_key(FAILED_START),
        }))
    }
}

impl ConfigRevision {
    /// What the live Deployment's Pod mounts, desired or not.
    #[must_use]
    pub fn of_live(live: &Live, names: &GatewayNames) -> Option<Self> {
        let plan = live.annotation(naming::PLAN)?;
        let image = live.image.as_deref().unwrap_or_default();
        let current = live.config.clone()?;
        let selected = Self::select(live, names, plan, image, Arc::clone(&current));
        if selected.ruling.is_some() {
            return Some(selected);
        }
        let rejected = rulings(live, names).next().filter(|ruling| ruling.rejection().is_some());
        Some(Self { desired: rejected.is_none().then(|| Arc::clone(&current)), current, ruling: rejected, ..selected })
    }

    /// The revision for the ConfigMap of this plan: the desired document, unless this image has rejected exactly that one.
    #[must_use]
    pub fn select(live: &Live, names: &GatewayNames, plan: &str, image: &str, desired: Arc<ConfigDocument>) -> Self {
        let hash = rejection_hash(&desired, image);
        let ruling = rulings(live, names).find(|ruling| ruling.hash() == hash);
        let rejection = ruling.as_ref().and_then(Ruling::rejection);
        let last_good = rejection.and_then(|_| live.last_good(names));
        let current = last_good.unwrap_or_else(|| Arc::clone(&desired));
        Self {
            name: names.config(plan),
            current,
            desired: Some(desired),
            image: image.to_owned(),
            ruling,
            rejections: live.rejections.clone(),
            digests: live.digests.clone(),
        }
    }

    /// What is remembered of it in annotations of the mounted ConfigMap; `None`: nothing.
    #[must_use]
    pub fn annotations(&self) -> Option<BTreeMap<String, String>> {
        let ruling = self.ruling.as_ref().map(Ruling::annotations);
        let all: BTreeMap<_, _> = ruling.into_iter().flatten().chain(self.rejections.annotation()).collect();
        (!all.is_empty()).then_some(all)
    }

    /// The rejection of the desired document.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        self.ruling.as_ref()?.rejection()
    }

    /// The revision after the gateway rejected the desired document with this message. `failed_start`: see [`Rejection`].
    #[must_use]
    pub fn rolled_back(&self, live: &Live, names: &GatewayNames, message: &str, failed_start: bool) -> Self {
        // Of a start that fails nobody knows yet whether it is over the configuration.
        if !failed_start && let Some(blamed) = self.blamed(live, names, Words::OfConfiguration(message), &self.current)
        {
            return blamed;
        }
        let known = self.rejection().filter(|_| self.desired.is_none()).map(|rejection| rejection.hash.clone());
        let rejected = self.desired.as_ref().unwrap_or(&self.current);
        let rejection = Rejection {
            hash: known.unwrap_or_else(|| rejection_hash(rejected, &self.image)),
            message: message.chars().take(MESSAGE_LIMIT).collect(),
            failed_start,
        };
        let current = live.last_good(names).unwrap_or_else(|| Arc::clone(rejected));
        Self { current, ruling: Some(Ruling::Rejected(rejection)), ..self.clone() }
    }

    /// The revision after it turned out that the gateway does not start, with this message, with the last good document either, or that there
    /// is none: it has nothing against the desired one, unless against keys of one user.
    #[must_use]
    pub fn acquitted(&self, live: &Live, names: &GatewayNames, message: &str) -> Self {
        if let Some(blamed) = self.blamed(live, names, Words::OfCrash(message), &self.current) {
            return blamed;
        }
        let current = self.desired.clone().unwrap_or_else(|| Arc::clone(&self.current));
        let ruling = self.rejection().map(|rejection| Ruling::Acquitted(rejection.hash.clone()));
        Self { current, ruling, ..self.clone() }
    }

    /// The revision after the gateway started with the last good document: the desired one is to blame.
    #[must_use]
    pub fn convicted(&self, live: &Live, names: &GatewayNames) -> Self {
        let rejected = self.rejection().zip(self.desired.as_ref());
        let blamed = rejected
            .and_then(|(rejection, desired)| self.blamed(live, names, Words::OfCrash(&rejection.message), desired));
        if let Some(blamed) = blamed {
            return blamed;
        }
        let ruling = self.rejection().map(|rejection| Rejection { failed_start: false, ..rejection.clone() });
        Self { ruling: ruling.map(Ruling::Rejected), ..self.clone() }
    }

    /// The revision after the gateway rejected what one user wrote in this document, or it turned out that those are innocent whom a guess
    /// has fallen on; `None`: nobody is to blame.
    fn blamed(
        &self,
        live: &Live,
        names: &GatewayNames,
        words: Words<'_>,
        rejected: &Arc<ConfigDocument>,
    ) -> Option<Self> {
        let (message, of_crash) = match words {
            Words::OfConfiguration(message) => (message, false),
            Words::OfCrash(message) => (message, true),
        };
        let written = self.desired.as_ref()?.of_users()?;
        let last_good = live.last_good(names);
        let mut accepted = last_good.as_ref().map(|document| read_back(document.value())).unwrap_or_default();
        let is_rejected_now = |author: &Author| {
            self.with_keys(live, &accepted, author, |keys| self.rejections.message(keys).is_some()).unwrap_or_default()
        };
        let rejected_now: Vec<Author> = accepted.authors().filter(is_rejected_now).collect();
        for author in &rejected_now {
            accepted.forget(author);
        }
        // Keys that it started with before are not why it crashes, whatever its last words look like.
        let of_accepted = || culprit_of_accepted(message, written, &accepted).filter(|_| !of_crash);
        let innocent = self.innocent(live, written);
        let culprit = if last_good.as_ref() == Some(rejected) {
            of_accepted()
        } else {
            let found = culprit(message, written, &accepted, &innocent);
            found.or_else(|| of_accepted().filter(|_| !rejected_now.is_empty()))
        };
        // Whom a crash names is tried out as any guess is: once.
        let culprit = culprit.map(|found| Culprit { is_guess: found.is_guess || of_crash, ..found });
        let culprit = culprit.filter(|found| !(found.is_guess && innocent.contains(&found.author)));
        let no_longer_guessed = self.rejections.without_guesses();
        let rejections = match culprit {
            Some(Culprit { author, is_guess }) if !is_guess || no_longer_guessed.is_none() => {
                let message = words_about(&author, message, written);
                self.with_keys(live, written, &author, |keys| self.rejections.with(keys, &message, is_guess))??
            }
            _ => no_longer_guessed?,
        };
        let current = last_good.unwrap_or_else(|| Arc::clone(rejected));
        Some(Self { current, ruling: None, rejections, ..self.clone() })
    }

    /// Whose present keys are innocent.
    fn innocent(&self, live: &Live, written: &OfUsers) -> BTreeSet<Author> {
        let is_innocent = |author: &Author| {
            self.with_keys(live, written, author, |keys| self.rejections.is_innocent(keys)).unwrap_or_default()
        };
        written.authors().filter(is_innocent).collect()
    }

    /// What is said of the author's keys, as the next plan asks for them.
    fn with_keys<T>(
        &self,
        live: &Live,
        written: &OfUsers,
        author: &Author,
        said: impl FnOnce(Keys<'_>) -> T,
    ) -> Option<T> {
        let fields = written.keys(author)?;
        let named = live::variables(&Value::Object(fields.clone()));
        let is_named = |variable: &SecretVariable| named.iter().any(|name| name.as_str() == variable.variable);
        let variables: Vec<SecretVariable> = live.secret_variables().filter(is_named).collect();
        let circumstances = Circumstances { image: live.image.as_deref(), digests: &self.digests };
        Some(said(Keys { author, fields, variables: &variables, circumstances }))
    }

    /// Whether the Pod mounts what the plan asks for.
    #[must_use]
    pub fn is_desired(&self) -> bool {
        self.desired.as_ref() == Some(&self.current)
    }
}

/// What the gateway said before it ended, or instead of taking up a configuration.
#[derive(Clone, Copy, Debug)]
enum Words<'a> {
    /// That the configuration is invalid, and where.
    OfConfiguration(&'a str),
    /// Anything: what they name may have nothing to do with it.
    OfCrash(&'a str),
}

/// A rejection concerns this text and this version of OpenClaw: another image may accept it.
fn rejection_hash(document: &ConfigDocument, image: &str) -> String {
    hash(&(document.text(), image))
}

/// The ruling that this process knows of, and the one that the cache shows, which may be late.
fn rulings(live: &Live, names: &GatewayNames) -> impl Iterator<Item = Ruling> {
    live.ruling.clone().into_iter().chain(annotated(live, names))
}

fn annotated(live: &Live, names: &GatewayNames) -> Option<Ruling> {
    let map = live.config_maps.get(&names.config(live.annotation(naming::PLAN)?))?;
    Ruling::read_back(map.object.annotations())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
