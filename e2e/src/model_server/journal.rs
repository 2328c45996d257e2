//! What the model server was asked: the last requests, in memory and bounded. No network, no disk.
//!
//! Keys are kept as they came, because "which key was on the wire" is a question that tests ask. They are test keys: the
//! server is never given a real one, and it prints none.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::rule::under;

/// Requests kept; the oldest go first.
const MAX_REQUESTS: usize = 4_000;
/// Bytes of the user's last words that are kept.
pub const MAX_TEXT: usize = 2_048;
/// Bytes of a prompt that are kept; the gateway's has some tens of thousands.
pub const MAX_PROMPT: usize = 64 * 1024;
/// Requests whose prompt is kept: the newest.
const MAX_PROMPTS: usize = 64;
/// Bytes of one header value that are kept.
pub const MAX_HEADER: usize = 512;
/// Headers of one request that are kept.
pub const MAX_HEADERS: usize = 64;
/// Names of offered tools that are kept.
pub const MAX_TOOLS: usize = 128;

/// One request as the model server saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Recorded {
    /// Counts from 1 over all requests of this server.
    pub sequence: u64,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    pub method: String,
    pub path: String,
    /// The bearer key, as it was on the wire.
    pub api_key: Option<String>,
    /// Other headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Empty when models were listed.
    pub model: String,
    pub stream: bool,
    /// The user's last words, cut to 2,048 bytes.
    pub text: String,
    /// What the gateway told the model before the conversation, cut to 64 KiB. Only the newest requests still have it.
    pub prompt: Prompt,
    /// How many messages the request carried.
    pub messages: usize,
    /// The names of the tools that were offered.
    pub tools: Vec<String>,
    /// The HTTP status that was answered.
    pub status: u16,
}

/// Long, so that `{:?}` tells only how long.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prompt(pub String);

impl fmt::Debug for Prompt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "({} bytes)", self.0.len())
    }
}

/// Which requests to return: all members that are present must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Only requests with a higher sequence number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

impl Filter {
    /// Requests below these path segments, for example `/team-b`.
    #[must_use]
    pub fn path_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.path_prefix = Some(prefix.into());
        self
    }

    /// Requests with this bearer key.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Requests to this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Requests that came after the one with this number.
    #[must_use]
    pub fn after(mut self, sequence: u64) -> Self {
        self.after = Some(sequence);
        self
    }

    fn fits(&self, request: &Recorded) -> bool {
        self.after.is_none_or(|after| request.sequence > after)
            && self.path_prefix.as_deref().is_none_or(|prefix| under(&request.path, prefix))
            && self.api_key.as_deref().is_none_or(|key| request.api_key.as_deref() == Some(key))
            && self.model.as_deref().is_none_or(|model| request.model == model)
    }
}

/// The last requests.
#[derive(Debug, Default)]
pub struct Journal {
    last: u64,
    requests: VecDeque<Recorded>,
}

impl Journal {
    /// Keeps the request and returns its number.
    pub fn record(&mut self, mut request: Recorded) -> u64 {
        self.last += 1;
        request.sequence = self.last;
        if self.requests.len() == MAX_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
        if let Some(older) = self.requests.iter_mut().rev().nth(MAX_PROMPTS) {
            older.prompt = Prompt::default();
        }
        self.last
    }

    /// The requests that fit, oldest first.
    #[must_use]
    pub fn find(&self, filter: &Filter) -> Vec<&Recorded> {
        self.requests.iter().filter(|request| filter.fits(request)).collect()
    }
}

/// Cuts `text` to at most `bytes`, at a character's border.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn the_oldest_requests_go_first_and_numbers_go_on() {
        let mut journal = Journal::default();
        for _ in 0..MAX_REQUESTS + 10 {
            journal.record(Recorded::default());
        }
        let kept = journal.find(&Filter::default());
        assert_eq!(kept.len(), MAX_REQUESTS);
        assert_eq!(kept.first().unwrap().sequence, 11);
        assert_eq!(journal.find(&Filter::default().after(MAX_REQUESTS as u64 + 9)).len(), 1);
    }

    #[test]
    fn only_the_newest_requests_keep_their_prompt() {
        let mut journal = Journal::default();
        for _ in 0..MAX_PROMPTS + 10 {
            journal.record(Recorded { prompt: Prompt("told".into()), ..Recorded::default() });
        }
        let kept = journal.find(&Filter::default());
        assert_eq!(kept.iter().filter(|request| request.prompt.0 == "told").count(), MAX_PROMPTS);
        assert_eq!(kept.last().unwrap().prompt.0, "told");
    }

    #[test]
    fn a_filter_asks_for_everything_it_names() {
        let mut journal = Journal::default();
        journal.record(Recorded {
            path: "/a/v1/models".into(),
            api_key: Some("k".into()),
            model: "m".into(),
            ..Recorded::default()
        });
        let all = Filter::default().path_prefix("/a").api_key("k").model("m");
        assert_eq!(journal.find(&all).len(), 1);
        assert!(journal.find(&all.clone().path_prefix("/b")).is_empty());
        assert!(journal.find(&all.clone().api_key("l")).is_empty());
        assert!(journal.find(&all.model("n")).is_empty());
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 30), "aé");
    }
}
