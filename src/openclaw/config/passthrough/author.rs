//! Who wrote what OpenClaw rejects. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Place;
use crate::openclaw::config::OfUsers;
use crate::openclaw::config::channels::{account_at, agent_of};
use crate::openclaw::config::sections::Fields;

/// Where the entries of agents are.
const ENTRIES: &str = "agents.entries.";
/// Stands for the accounts of an agent.
const CHANNELS: &str = "channels of ";

/// Whose keys of openclaw.json. As text, the path that they are below.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Author {
    /// Of whoever owns the gateway: keys for all of it.
    Gateway,
    /// Of the agent with this id: keys of its entry.
    Agent(String),
    /// Of the agent with this id: keys of the accounts of its channels.
    Channels(String),
}

impl Author {
    /// Where the keys belong.
    #[must_use]
    pub const fn place(&self) -> Place {
        match self {
            Self::Gateway => Place::Gateway,
            Self::Agent(_) => Place::Agent,
            Self::Channels(_) => Place::Channels,
        }
    }
}

impl From<Author> for String {
    fn from(author: Author) -> Self {
        match author {
            Author::Gateway => Self::new(),
            Author::Agent(id) => format!("{ENTRIES}{id}"),
            Author::Channels(id) => format!("{CHANNELS}{id}"),
        }
    }
}

impl From<String> for Author {
    fn from(path: String) -> Self {
        let of_agent = path.strip_prefix(ENTRIES).map(|id| Self::Agent(id.to_owned()));
        let of_channels = || path.strip_prefix(CHANNELS).map(|id| Self::Channels(id.to_owned()));
        of_agent.or_else(of_channels).unwrap_or(Self::Gateway)
    }
}

/// What a path belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Creel,
    User(Author),
}

/// Who is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    pub author: Author,
    /// OpenClaw's words do not say so: it is the only one whose keys changed.
    pub is_guess: bool,
}

/// Who wrote what OpenClaw rejects with these words; `None`: nobody, as far as can be told.
///
/// Only whose keys differ from those that OpenClaw `accepted` can be at fault: the one of them that the words name, or the only one, unless
/// the words name what Creel alone writes. A guess never falls on the `innocent`.
#[must_use]
pub fn culprit(words: &str, written: &OfUsers, accepted: &OfUsers, innocent: &BTreeSet<Author>) -> Option<Culprit> {
    let mut suspects = written.changed_since(accepted);
    match named(words, written) {
        Some(Owner::Creel) => None,
        Some(Owner::User(author)) if suspects.contains(&author) => Some(Culprit { author, is_guess: false }),
        _ => {
            suspects.retain(|author| !innocent.contains(author));
            let only = if suspects.len() == 1 { suspects.pop_first() } else { None };
            only.map(|author| Culprit { author, is_guess: true })
        }
    }
}

/// The same where OpenClaw rejects what it accepted before: another version of it, or another value of a variable, makes a key invalid that
/// nobody changed. Only its words tell whose.
#[must_use]
pub fn culprit_of_accepted(words: &str, written: &OfUsers, accepted: &OfUsers) -> Option<Culprit> {
    let Some(Owner::User(author)) = named(words, written) else { return None };
    let is_accepted = written.keys(&author).is_some_and(|keys| !keys.is_empty())
        && !written.changed_since(accepted).contains(&author);
    is_accepted.then_some(Culprit { author, is_guess: false })
}

/// Those of the issues, separated by semicolons, that name what this author wrote; all of the words if none does.
#[must_use]
pub fn words_about(author: &Author, words: &str, written: &OfUsers) -> String {
    let is_about = |issue: &&str| named(issue, written) == Some(Owner::User(author.clone()));
    let issues: Vec<&str> = words.split("; ").filter(is_about).collect();
    if issues.is_empty() { words.to_owned() } else { issues.join("; ") }
}

/// To whom the first path in these words belongs. Later ones don't count: OpenClaw may quote there what a user wrote.
fn named(words: &str, written: &OfUsers) -> Option<Owner> {
    let may_be_path = |word: &&str| word.contains('.') || word.ends_with(':') || word.starts_with('"');
    words.split_whitespace().filter(may_be_path).find_map(|word| {
        let path = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        // Quoted is a key, whatever it looks like.
        let is_of_gateway = || written.gateway.contains_key(path).then_some(Owner::User(Author::Gateway));
        if word.starts_with('"') { is_of_gateway() } else { owner(path, written) }
    })
}

fn owner(path: &str, written: &OfUsers) -> Option<Owner> {
    if let Some(entry) = path.strip_prefix(ENTRIES) {
        let (id, below) = entry.split_once('.').unwrap_or((entry, ""));
        let is_user = Place::Agent.remedy(below).is_none();
        return Some(if is_user { Owner::User(Author::Agent(id.to_owned())) } else { Owner::Creel });
    }
    if let Some((id, below)) = account_at(path)
        && let Some(agent) = agent_of(id)
    {
        let is_user = Place::Channels.remedy(&format!("{id}.{below}")).is_none();
        return Some(if is_user { Owner::User(Author::Channels(agent.to_owned())) } else { Owner::Creel });
    }
    if Place::Gateway.remedy(path).is_some() {
        return Some(Owner::Creel);
    }
    let first = path.split('.').next().unwrap_or(path);
    written.gateway.contains_key(first).then_some(Owner::User(Author::Gateway))
}

impl OfUsers {
    /// What this author wrote.
    #[must_use]
    pub fn keys(&self, author: &Author) -> Option<&Fields> {
        match author {
            Author::Gateway => Some(&self.gateway),
            Author::Agent(id) => self.agents.get(id),
            Author::Channels(id) => self.channels.get(id),
        }
    }

    /// From now on this author wrote nothing.
    pub fn forget(&mut self, author: &Author) {
        match author {
            Author::Gateway => self.gateway.clear(),
            Author::Agent(id) => {
                self.agents.remove(id);
            }
            Author::Channels(id) => {
                self.channels.remove(id);
            }
        }
    }

    /// Everybody who may have written something.
    pub fn authors(&self) -> impl Iterator<Item = Author> {
        let agents = self.agents.keys().cloned().map(Author::Agent);
        let channels = self.channels.keys().cloned().map(Author::Channels);
        std::iter::once(Author::Gateway).chain(agents).chain(channels)
    }

    /// Whose keys are others than before.
    fn changed_since(&self, before: &Self) -> BTreeSet<Author> {
        let differ =
            |place, now: &Fields, before: &Fields| super::remainder(place, now) != super::remainder(place, before);
        let changed = |author: &Author| {
            let keys = |written: &Self| written.keys(author).cloned().unwrap_or_default();
            differ(author.place(), &keys(self), &keys(before))
        };
        self.authors().filter(changed).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What the owner of a gateway and its agents `a` and `b` wrote.
    fn written(gateway: &Value, a: &Value, b: &Value) -> OfUsers {
        let fields = |value: &Value| value.as_object().unwrap().clone();
        OfUsers {
            gateway: fields(gateway),
            agents: [("a".to_owned(), fields(a)), ("b".to_owned(), fields(b))].into(),
            ..OfUsers::default()
        }
    }

    /// Who is at fault of the owner, who wrote `hooks`, and of the agents, all of whose keys are new.
    fn among_all(words: &str) -> Option<Author> {
        let all = written(&json!({"hooks": {"path": "/x"}, "bogus": 1}), &json!({"x": 1}), &json!({"y": 1}));
        blamed(words, &all, &OfUsers::default())
    }

    fn blamed(words: &str, written: &OfUsers, accepted: &OfUsers) -> Option<Author> {
        culprit(words, written, accepted, &BTreeSet::new()).map(|culprit| culprit.author)
    }

    fn agent(id: &str) -> Author {
        Author::Agent(id.to_owned())
    }

    #[test]
    fn whose_place_openclaw_names_is_at_fault() {
        assert_eq!(among_all("agents.entries.a: Unrecognized key: \"x\""), Some(agent("a")));
        assert_eq!(
            among_all("agents.entries.b.tools.alsoAllow: Invalid input (allowed: \"minimal\")"),
            Some(agent("b"))
        );
        let exit = "openclaw.json:115 — agents.entries.a: Unrecognized key: \"x\"; <root>: Unrecognized key: \"bogus\"";
        assert_eq!(among_all(exit), Some(agent("a")));
        for of_gateway in [
            "hooks.mappings.0.action: Invalid input",
            "hooks: Invalid input: expected object, received number",
            "openclaw.json: Unrecognized key: \"bogus\"",
            "openclaw.json:7 — <root>: Unrecognized key: \"bogus\"",
            "the gateway does not start with it and exits with code 1: Gateway failed to start: Error: \
             hooks.allowedSessionKeyPrefixes is required",
        ] {
            assert_eq!(among_all(of_gateway), Some(Author::Gateway), "{of_gateway}");
        }
    }

    #[test]
    fn of_several_at_fault_the_first_is_found() {
        let both = "agents.entries.b: Unrecognized key: \"y\"; agents.entries.a: Unrecognized key: \"x\"";
        assert_eq!(among_all(both), Some(agent("b")));
    }

    #[test]
    fn a_key_that_is_quoted_does_not_lay_the_blame_on_another() {
        assert_eq!(among_all("agents.entries.a: Unrecognized key: \"agents.entries.b.y\""), Some(agent("a")));
    }

    #[test]
    fn without_a_place_the_only_one_whose_keys_changed_is_at_fault() {
        let words = "the gateway read it and did not apply it; its log says why";
        assert_eq!(among_all(words), None);
        let accepted = written(&json!({}), &json!({"x": 1}), &json!({"y": 1}));
        let edited = written(&json!({}), &json!({"x": 1}), &json!({"y": 2}));
        assert_eq!(blamed(words, &edited, &accepted), Some(agent("b")));
        assert_eq!(blamed("agents.entries.a.x: conflicts with y", &edited, &accepted), Some(agent("b")));
        let removed = written(&json!({}), &json!({}), &json!({"y": 1}));
        assert_eq!(blamed(words, &removed, &accepted), Some(agent("a")));
        assert_eq!(blamed(words, &accepted, &accepted), None);
    }

    #[test]
    fn a_guess_falls_on_nobody_who_is_innocent_and_words_may() {
        let (accepted, edited) = (OfUsers::default(), written(&json!({}), &json!({"x": 1}), &json!({})));
        let blame =
            |words, innocent: &[Author]| culprit(words, &edited, &accepted, &innocent.iter().cloned().collect());
        let of_a = |is_guess| Some(Culprit { author: agent("a"), is_guess });
        assert_eq!(blame("no", &[]), of_a(true));
        assert_eq!(blame("no", &[agent("a")]), None);
        assert_eq!(blame("agents.entries.a: Unrecognized key: \"x\"", &[agent("a")]), of_a(false));
    }

    #[test]
    fn of_keys_that_were_accepted_before_only_words_tell_whose_are_invalid_now() {
        let accepted = written(&json!({}), &json!({"x": 1}), &json!({"y": 1}));
        let of_accepted = |words| culprit_of_accepted(words, &accepted, &accepted).map(|culprit| culprit.author);
        assert_eq!(of_accepted("agents.entries.a.x: Invalid input"), Some(agent("a")));
        assert_eq!(of_accepted("no"), None);
        let edited = written(&json!({}), &json!({"x": 2}), &json!({"y": 1}));
        assert_eq!(culprit_of_accepted("agents.entries.a.x: Invalid input", &edited, &accepted), None);
    }

    #[test]
    fn keys_of_an_account_are_their_agents_and_those_that_creel_writes_are_nobodys() {
        let keys = json!({"creel_a_main": {"bogus": 1}}).as_object().unwrap().clone();
        let all = OfUsers { channels: [("a".to_owned(), keys)].into(), ..OfUsers::default() };
        let account = "channels.telegram.accounts.creel_a_main";
        let words = format!("{account}: must not have additional properties: \"bogus\"");
        assert_eq!(blamed(&words, &all, &OfUsers::default()), Some(Author::Channels("a".to_owned())));
        assert_eq!(blamed(&format!("{account}.allowFrom: no"), &all, &OfUsers::default()), None);
        assert_eq!(blamed("channels.telegram.accounts.own.bogus: no", &all, &all), None);
    }

    #[test]
    fn nobody_is_at_fault_for_what_creel_alone_writes() {
        let edited = written(&json!({}), &json!({"x": 1}), &json!({}));
        for of_creel in [
            "models.providers.p-openai.baseUrl: Invalid url",
            "models: Invalid input",
            "agents.entries.a.model.primary: Invalid input",
            "agents.entries: Invalid input",
        ] {
            assert_eq!(blamed(of_creel, &edited, &OfUsers::default()), None, "{of_creel}");
        }
    }

    #[test]
    fn a_shared_object_that_is_empty_is_no_change() {
        let accepted = written(&json!({}), &json!({}), &json!({}));
        let edited = written(&json!({"session": {}}), &json!({"tools": {}}), &json!({}));
        assert_eq!(blamed("no", &edited, &accepted), None);
    }

    #[test]
    fn each_author_is_told_about_their_own_keys() {
        let all = written(&json!({}), &json!({"x": 1}), &json!({"y": 1}));
        let words = "agents.entries.b.y: no; agents.entries.a.x: no; agents.entries.b.z: no";
        let about = |author| words_about(&Author::Agent(author), words, &all);
        assert_eq!(about("b".to_owned()), "agents.entries.b.y: no; agents.entries.b.z: no");
        assert_eq!(about("a".to_owned()), "agents.entries.a.x: no");
        assert_eq!(words_about(&Author::Gateway, words, &all), words);
    }

    #[test]
    fn an_author_is_the_path_of_the_keys_and_back() {
        let [agent, channels] = [Author::Agent, Author::Channels].map(|author| author("a".to_owned()));
        for (author, path) in [(Author::Gateway, ""), (agent, "agents.entries.a"), (channels, "channels of a")] {
            assert_eq!(String::from(author.clone()), path);
            assert_eq!(Author::from(path.to_owned()), author);
        }
    }
}
