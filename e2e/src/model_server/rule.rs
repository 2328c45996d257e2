//! One rule of a script: which requests it answers, with what, how often and how late. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longer than the gateway's own drain time (315 s), so that a turn can outlast it.
pub const MAX_DELAY: Duration = Duration::from_mins(10);

/// Which requests a rule answers: all members that are present must fit; none present fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct When {
    /// Whole leading segments of the path: `/team-b` fits `/team-b/v1/models`, not `/team-bc/v1/models`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// The bearer key of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Any key but this one, or none: with a 401 as reply it makes the key a required one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_api_key: Option<String>,
    /// The model that the request names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A part of the user's last words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What one request looked like, as far as rules care.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub path: &'a str,
    pub api_key: Option<&'a str>,
    /// Absent when models are listed.
    pub chat: Option<Chat<'a>>,
}

/// The part that only a chat request has.
#[derive(Clone, Copy, Debug)]
pub struct Chat<'a> {
    pub model: &'a str,
    pub text: &'a str,
}

/// One thing to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// `You said: <the user's last words>`.
    Echo,
    /// This text.
    Text(String),
    /// A turn that ends in calls of tools.
    ToolCalls(Vec<ToolCall>),
    /// Does what the user's words say: the call of a tool that they spell as JSON, `{"name": "read", "arguments": {"path": "a"}}`, or
    /// else `exec` with what stands between backticks; then answers with what the tool returned. Other words are echoed, and so is
    /// what asks for a tool that is not offered.
    #[default]
    Obey,
    /// An HTTP error with a body as a real endpoint sends it.
    Error(Failure),
    /// The list of models; answers only `…/models`.
    Models(Vec<String>),
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    pub name: String,
    /// A JSON object.
    pub arguments: Value,
}

impl ToolCall {
    /// The call that a user's words ask for, see [`Reply::Obey`].
    #[must_use]
    pub fn spelled(words: &str) -> Option<Self> {
        let spelled = serde_json::from_str::<Self>(words).ok().filter(|call| call.arguments.is_object());
        spelled.or_else(|| {
            let command = words.split('`').nth(1).filter(|command| !command.trim().is_empty())?;
            Some(Self { name: "exec".to_owned(), arguments: serde_json::json!({"command": command}) })
        })
    }
}

/// An error answer. What is left out is filled in as a real endpoint words it for that status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// 400 to 599.
    pub status: u16,
    /// `error.code`, for example `insufficient_quota`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `error.type`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `error.message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What to answer to which requests, how often and how late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rule {
    pub when: When,
    /// How many requests this rule still answers; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Milliseconds before the first byte of the answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub delay_ms: u64,
    pub reply: Reply,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(milliseconds: &u64) -> bool {
    *milliseconds == 0
}

impl Rule {
    fn of(reply: Reply) -> Self {
        Self { reply, ..Self::default() }
    }

    /// Answers with the user's last words.
    #[must_use]
    pub fn echo() -> Self {
        Self::of(Reply::Echo)
    }

    /// Answers with `text`.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(Reply::Text(text.into()))
    }

    /// Answers with one call of the tool `name`; `arguments` is a JSON object.
    #[must_use]
    pub fn tool_call(name: impl Into<String>, arguments: Value) -> Self {
        Self::of(Reply::ToolCalls(vec![ToolCall { name: name.into(), arguments }]))
    }

    /// Answers with this HTTP status (400 to 599) and the body that goes with it.
    #[must_use]
    pub fn error(status: u16) -> Self {
        Self::of(Reply::Error(Failure { status, ..Failure::default() }))
    }

    /// Answers `…/models` with these ids.
    #[must_use]
    pub fn models<I: Into<String>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::of(Reply::Models(ids.into_iter().map(Into::into).collect()))
    }

    /// Only for paths that begin with these segments, for example `/fallback`.
    #[must_use]
    pub fn path_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.when.path_prefix = Some(prefix.into());
        self
    }

    /// Only for requests with this bearer key.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.when.api_key = Some(key.into());
        self
    }

    /// Only for requests with another bearer key than this one, or none.
    #[must_use]
    pub fn not_api_key(mut self, key: impl Into<String>) -> Self {
        self.when.not_api_key = Some(key.into());
        self
    }

    /// Only for requests to this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.when.model = Some(model.into());
        self
    }

    /// Only when the user's last words contain this.
    #[must_use]
    pub fn when_text(mut self, part: impl Into<String>) -> Self {
        self.when.text = Some(part.into());
        self
    }

    /// For this many requests, then the next rule that applies.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Waits this long before it answers.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Whether the rule answers this request.
    pub(super) fn applies(&self, asked: &Asked<'_>) -> bool {
        let when = &self.when;
        let fits = |wanted: &Option<String>, actual: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| actual == Some(wanted))
        };
        let sort_fits = match self.reply {
            Reply::Error(_) => true,
            Reply::Models(_) => asked.chat.is_none(),
            Reply::Echo | Reply::Text(_) | Reply::ToolCalls(_) | Reply::Obey => asked.chat.is_some(),
        };
        sort_fits
            && self.times != Some(0)
            && when.path_prefix.as_deref().is_none_or(|prefix| under(asked.path, prefix))
            && fits(&when.api_key, asked.api_key)
            && when.not_api_key.as_deref().is_none_or(|key| asked.api_key != Some(key))
            && fits(&when.model, asked.chat.map(|chat| chat.model))
            && when.text.as_deref().is_none_or(|part| asked.chat.is_some_and(|chat| chat.text.contains(part)))
    }
}

/// True when `path` begins with the whole segments of `prefix`.
#[must_use]
pub fn under(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use serde_json::json;

    #[test]
    fn a_prefix_means_whole_segments() {
        assert!(under("/team-b/v1/models", "/team-b"));
        assert!(under("/team-b/v1/models", "/team-b/"));
        assert!(under("/v1/models", "/"));
        assert!(!under("/team-bc/v1/models", "/team-b"));
    }

    #[test]
    fn a_call_is_spelled_as_json_or_as_a_command_between_backticks() {
        let call = ToolCall::spelled(r#"{"name": "read", "arguments": {"path": "a"}}"#).unwrap();
        assert_eq!(call, ToolCall { name: "read".into(), arguments: json!({"path": "a"}) });
        let call = ToolCall::spelled("Run `hostname -f` and tell me what it says.").unwrap();
        assert_eq!(call, ToolCall { name: "exec".into(), arguments: json!({"command": "hostname -f"}) });
        for words in ["hello", "``", r#"{"name": "read", "arguments": 1}"#] {
            assert_eq!(ToolCall::spelled(words), None, "{words}");
        }
    }

    #[test]
    fn a_rule_reads_as_it_is_documented() {
        let written =
            json!({"when": {"pathPrefix": "/a"}, "times": 2, "delayMs": 50, "reply": {"error": {"status": 402}}});
        let rule: Rule = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(rule, Rule::error(402).path_prefix("/a").times(2).delay(Duration::from_millis(50)));
        assert_eq!(serde_json::to_value(&rule).unwrap(), written);
    }
}
