//! What the model server says, and when: named lists of rules. Waits for nothing but the clock: no network, no disk.
//!
//! Scripts are tried in the order of their names, the rules of each from the first to the last; the first rule that applies
//! answers. A rule with `times` steps aside when it is used up, which makes sequences: first a tool call, then a text. A delayed
//! answer is given early when its script is replaced or removed: a test ends what it has begun, however slow the machine is.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use super::rule::{Asked, MAX_DELAY, Reply, Rule};

/// More scripts than any suite needs; the bound keeps a forgotten `DELETE` in a loop from filling the memory.
pub const MAX_SCRIPTS: usize = 512;
/// Rules in one script.
pub const MAX_RULES: usize = 256;

/// Why a script is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScriptError {
    #[error("there are {MAX_SCRIPTS} scripts already: DELETE /scripts/<name> those that are no longer used")]
    TooMany,
    #[error("script {0:?} has more than {MAX_RULES} rules: split it by path prefix or key")]
    TooLong(String),
    #[error("rule {rule} of script {script:?}: error.status is {status}, but must be 400 to 599")]
    Status { script: String, rule: usize, status: u16 },
    #[error("rule {rule} of script {script:?}: delayMs is above {} ms", MAX_DELAY.as_millis())]
    Delay { script: String, rule: usize },
    #[error("rule {rule} of script {script:?}: the arguments of tool {tool:?} are no JSON object")]
    Arguments { script: String, rule: usize, tool: String },
}

/// All scripts by name.
#[derive(Debug, Default)]
pub struct Scripts(BTreeMap<String, Script>);

#[derive(Debug, Default)]
struct Script {
    rules: Vec<Rule>,
    /// Dropped with the script, which is how answers that wait learn that it is gone.
    present: watch::Sender<()>,
}

/// How one request is answered.
#[derive(Debug)]
pub struct Answer {
    pub reply: Reply,
    delay: Duration,
    /// That of the rule's script; absent where no rule applied.
    present: Option<watch::Receiver<()>>,
}

impl Answer {
    /// One that is given at once, whatever becomes of the scripts.
    #[must_use]
    pub fn at_once(reply: Reply) -> Self {
        Self { reply, delay: Duration::ZERO, present: None }
    }

    /// Ends when the delay is over, or the script is replaced or removed.
    pub async fn is_due(&mut self) {
        let Some(present) = &mut self.present else { return };
        // Nothing is ever sent, so this ends with the sender.
        let gone = present.changed();
        tokio::time::timeout(self.delay, gone).await.ok();
    }
}

impl Scripts {
    /// Sets the rules of `name`, replacing those that it had.
    pub fn put(&mut self, name: &str, rules: Vec<Rule>) -> Result<(), ScriptError> {
        if self.0.len() >= MAX_SCRIPTS && !self.0.contains_key(name) {
            return Err(ScriptError::TooMany);
        }
        check(name, &rules)?;
        self.0.insert(name.to_owned(), Script { rules, present: watch::Sender::default() });
        Ok(())
    }

    /// Removes the rules of `name`; true when there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// All scripts, with what is left of their `times`.
    #[must_use]
    pub fn all(&self) -> BTreeMap<&str, &[Rule]> {
        self.0.iter().map(|(name, script)| (name.as_str(), script.rules.as_slice())).collect()
    }

    /// The answer of the rule that applies to this request, which is counted as used; none: the default answer.
    pub fn take(&mut self, asked: &Asked<'_>) -> Option<Answer> {
        let mut rules =
            self.0.values_mut().flat_map(|script| script.rules.iter_mut().map(|rule| (rule, &script.present)));
        let (rule, present) = rules.find(|(rule, _)| rule.applies(asked))?;
        rule.times = rule.times.map(|left| left.saturating_sub(1));
        let delay = Duration::from_millis(rule.delay_ms);
        Some(Answer { reply: rule.reply.clone(), delay, present: Some(present.subscribe()) })
    }
}

fn check(script: &str, rules: &[Rule]) -> Result<(), ScriptError> {
    let script = script.to_owned();
    if rules.len() > MAX_RULES {
        return Err(ScriptError::TooLong(script));
    }
    for (rule, written) in rules.iter().enumerate() {
        if u128::from(written.delay_ms) > MAX_DELAY.as_millis() {
            return Err(ScriptError::Delay { script, rule });
        }
        match &written.reply {
            Reply::Error(failure) if !(400..600).contains(&failure.status) => {
                return Err(ScriptError::Status { script, rule, status: failure.status });
            }
            Reply::ToolCalls(calls) => {
                if let Some(call) = calls.iter().find(|call| !call.arguments.is_object()) {
                    return Err(ScriptError::Arguments { script, rule, tool: call.name.clone() });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::rule::Chat;
    use super::*;
    use serde_json::json;

    fn chat<'a>(path: &'a str, key: &'a str, model: &'a str, text: &'a str) -> Asked<'a> {
        Asked { path, api_key: Some(key), chat: Some(Chat { model, text }) }
    }

    fn scripts(rules: Vec<Rule>) -> Scripts {
        let mut scripts = Scripts::default();
        scripts.put("test", rules).unwrap();
        scripts
    }

    #[test]
    fn a_rule_that_is_used_up_steps_aside() {
        let mut scripts =
            scripts(vec![Rule::tool_call("exec", json!({"command": "date"})).times(1), Rule::text("done")]);
        let asked = chat("/v1/chat/completions", "k", "m", "hello");
        assert!(matches!(scripts.take(&asked), Some(Answer { reply: Reply::ToolCalls(_), .. })));
        assert_eq!(scripts.take(&asked).unwrap().reply, Reply::Text("done".into()));
    }

    #[test]
    fn every_condition_of_a_rule_must_fit() {
        let rule = Rule::text("x").path_prefix("/a").api_key("k").model("m").when_text("ell");
        let mut scripts = scripts(vec![rule]);
        assert!(scripts.take(&chat("/a/v1/chat/completions", "k", "m", "hello")).is_some());
        for other in [
            chat("/b/v1/chat/completions", "k", "m", "hello"),
            chat("/a/v1/chat/completions", "j", "m", "hello"),
            chat("/a/v1/chat/completions", "k", "n", "hello"),
            chat("/a/v1/chat/completions", "k", "m", "bye"),
        ] {
            assert!(scripts.take(&other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_required_key_is_a_rule_for_every_other_key() {
        let mut scripts = scripts(vec![Rule::error(401).not_api_key("right")]);
        assert!(scripts.take(&chat("/v1/chat/completions", "right", "m", "")).is_none());
        assert!(scripts.take(&chat("/v1/chat/completions", "wrong", "m", "")).is_some());
        assert!(scripts.take(&Asked { path: "/v1/models", api_key: None, chat: None }).is_some());
    }

    #[test]
    fn a_text_does_not_answer_a_listing_of_models() {
        let mut scripts = scripts(vec![Rule::text("x"), Rule::models(["a"])]);
        let listing = Asked { path: "/v1/models", api_key: None, chat: None };
        assert_eq!(scripts.take(&listing).unwrap().reply, Reply::Models(vec!["a".into()]));
    }

    #[test]
    fn what_cannot_be_played_is_refused_by_name() {
        let mut scripts = Scripts::default();
        let error = scripts.put("s", vec![Rule::echo(), Rule::error(200)]).unwrap_err();
        assert_eq!(error, ScriptError::Status { script: "s".into(), rule: 1, status: 200 });
        assert!(scripts.put("s", vec![Rule::echo().delay(Duration::from_hours(1))]).is_err());
        assert!(scripts.put("s", vec![Rule::tool_call("t", json!("text"))]).is_err());
        assert!(scripts.put("s", vec![Rule::echo(); MAX_RULES + 1]).is_err());
    }
}
