//! The chat-completions protocol as the gateway's `openai-completions` client uses it. Pure: values in, values out.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat>.

use serde::Deserialize;
use serde_json::{Value, json};

use super::rule::{Reply, ToolCall};
use super::spoken::{asks_for_missed_answer, user_words};

/// The answer of a model that does what it is told when the tool returned nothing.
pub const NOTHING: &str = "(nothing)";

/// The parts of a chat request that matter here; everything else is accepted and ignored.
#[derive(Debug, Deserialize)]
pub struct ChatRequest {
    pub model: String,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
    #[serde(default)]
    tools: Vec<Tool>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    /// A text, a list of parts, or null beside tool calls.
    #[serde(default)]
    content: Value,
}

#[derive(Debug, Deserialize)]
struct Tool {
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
}

impl ChatRequest {
    /// The user's last words, without what the gateway adds around them; empty when there are none.
    #[must_use]
    pub fn text(&self) -> String {
        let spoken = self.messages.iter().rev().filter(|message| message.role == "user");
        spoken.map(|message| user_words(&words(&message.content))).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// What the gateway tells the model before the conversation.
    #[must_use]
    pub fn prompt(&self) -> String {
        let told = self.messages.iter().filter(|message| matches!(message.role.as_str(), "system" | "developer"));
        told.map(|message| words(&message.content)).collect::<Vec<_>>().join("\n")
    }

    /// What tools returned since the user's last words; none when none was called.
    fn returned(&self) -> Option<String> {
        let notes = |message: &&Message| message.role == "user" && user_words(&words(&message.content)).is_empty();
        let missed = self.messages.last().is_some_and(|message| asks_for_missed_answer(&words(&message.content)));
        let newest = self.messages.iter().rev().filter(|message| !notes(message));
        let newest = newest.skip_while(|message| missed && message.role == "assistant");
        let mut results: Vec<_> =
            newest.take_while(|message| message.role == "tool").map(|message| words(&message.content)).collect();
        results.reverse();
        let said = (!results.is_empty()).then(|| results.join("\n"))?;
        // A gateway asks again for an answer that is empty.
        Some(if said.trim().is_empty() { NOTHING.to_owned() } else { said })
    }

    /// The turn of a model that does what it is told.
    fn obeyed(&self) -> Turn {
        let offered = |call: &ToolCall| self.tools().any(|name| name == call.name);
        match (self.returned(), ToolCall::spelled(&self.text()).filter(offered)) {
            (Some(result), _) => Turn::Text(result),
            (None, Some(call)) => Turn::ToolCalls(vec![call]),
            (None, None) => Turn::Text(self.echo()),
        }
    }

    fn echo(&self) -> String {
        format!("You said: {}", self.text())
    }

    /// How many messages there are.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// The names of the offered tools.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.tools.iter().map(|tool| tool.function.name.as_str())
    }

    fn characters(&self) -> usize {
        self.messages.iter().map(|message| words(&message.content).len()).sum()
    }
}

fn words(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// What identifies one answer: its number on this server and the time.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub sequence: u64,
    /// Seconds since 1970.
    pub created: u64,
}

impl Stamp {
    fn id(self) -> String {
        format!("chatcmpl-{:012x}", self.sequence)
    }
}

/// A turn of the model: a text, or calls of tools.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    Text(String),
    ToolCalls(Vec<ToolCall>),
}

impl Turn {
    /// The turn that a reply means; none for replies that are no turn.
    #[must_use]
    pub fn of(reply: &Reply, request: &ChatRequest) -> Option<Self> {
        match reply {
            Reply::Echo => Some(Self::Text(request.echo())),
            Reply::Obey => Some(request.obeyed()),
            Reply::Text(text) => Some(Self::Text(text.clone())),
            Reply::ToolCalls(calls) => Some(Self::ToolCalls(calls.clone())),
            Reply::Error(_) | Reply::Models(_) => None,
        }
    }

    fn finish_reason(&self) -> &'static str {
        match self {
            Self::Text(_) => "stop",
            Self::ToolCalls(_) => "tool_calls",
        }
    }

    /// Token counts, estimated as four characters a token: close enough for a meter, and never zero.
    fn usage(&self, request: &ChatRequest) -> Value {
        let characters = match self {
            Self::Text(text) => text.len(),
            Self::ToolCalls(calls) => calls.iter().map(|call| call.name.len() + call.arguments.to_string().len()).sum(),
        };
        let (prompt, completion) = (request.characters() / 4 + 1, characters / 4 + 1);
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
    }
}

/// The whole answer as one JSON body.
#[must_use]
pub fn completion(request: &ChatRequest, turn: &Turn, stamp: Stamp) -> Value {
    let message = match turn {
        Turn::Text(text) => json!({"role": "assistant", "content": text, "refusal": null}),
        Turn::ToolCalls(calls) => {
            let calls: Vec<_> = calls.iter().enumerate().map(|(index, call)| called(index, call, stamp)).collect();
            json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": calls})
        }
    };
    json!({
        "id": stamp.id(), "object": "chat.completion", "created": stamp.created, "model": request.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": turn.finish_reason()}],
        "usage": turn.usage(request),
    })
}

fn called(index: usize, call: &ToolCall, stamp: Stamp) -> Value {
    json!({
        "id": call_id(index, stamp), "type": "function",
        "function": {"name": call.name, "arguments": call.arguments.to_string()},
    })
}

/// Unique over the server's life: the gateway pairs a tool's result with its call by this.
fn call_id(index: usize, stamp: Stamp) -> String {
    format!("call_{:012x}_{index}", stamp.sequence)
}

/// The answer as server-sent events, each with its `data:` line and the empty line behind it.
#[must_use]
pub fn events(request: &ChatRequest, turn: &Turn, stamp: Stamp) -> Vec<String> {
    let mut deltas = vec![(json!({"role": "assistant", "content": ""}), None)];
    match turn {
        Turn::Text(text) => deltas.extend(text.split_inclusive(' ').map(|word| (json!({"content": word}), None))),
        Turn::ToolCalls(calls) => {
            for (index, call) in calls.iter().enumerate() {
                let head = json!({"index": index, "id": call_id(index, stamp), "type": "function",
                    "function": {"name": call.name, "arguments": ""}});
                let arguments = json!({"index": index, "function": {"arguments": call.arguments.to_string()}});
                deltas.push((json!({"tool_calls": [head]}), None));
                deltas.push((json!({"tool_calls": [arguments]}), None));
            }
        }
    }
    deltas.push((json!({}), Some(turn.finish_reason())));

    let chunk = |choices: Value| {
        json!({"id": stamp.id(), "object": "chat.completion.chunk", "created": stamp.created, "model": request.model,
            "choices": choices})
    };
    let mut chunks: Vec<Value> = deltas
        .into_iter()
        .map(|(delta, end)| chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": end}])))
        .collect();
    if request.stream_options.include_usage {
        let mut last = chunk(json!([]));
        last["usage"] = turn.usage(request);
        chunks.push(last);
    }
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).chain(["data: [DONE]\n\n".to_owned()]).collect()
}

/// The body of `GET …/models`.
#[must_use]
pub fn model_list(ids: &[String], created: u64) -> Value {
    let data: Vec<_> =
        ids.iter().map(|id| json!({"id": id, "object": "model", "created": created, "owned_by": "system"})).collect();
    json!({"object": "list", "data": data})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    const STAMP: Stamp = Stamp { sequence: 7, created: 1_700_000_000 };

    fn request(value: Value) -> ChatRequest {
        serde_json::from_value(value).unwrap()
    }

    fn hello() -> ChatRequest {
        request(json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "messages": [
            {"role": "system", "content": "Be kind."}, {"role": "user", "content": "hello there"}]}))
    }

    fn chunks(request: &ChatRequest, turn: &Turn) -> Vec<Value> {
        let events = events(request, turn, STAMP);
        assert_eq!(events.last().unwrap(), "data: [DONE]\n\n");
        events[..events.len() - 1]
            .iter()
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn the_last_words_of_the_user_are_found_behind_tool_results_and_in_parts() {
        let asked = request(json!({"model": "m", "messages": [
            {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
            {"role": "assistant", "content": null, "tool_calls": []},
            {"role": "tool", "content": "result", "tool_call_id": "x"}]}));
        assert_eq!(asked.text(), "one\ntwo");
        assert_eq!(asked.messages(), 3);
    }

    #[test]
    fn told_to_run_a_command_it_calls_the_tool_and_then_answers_with_what_that_returned() {
        let user = json!({"role": "user", "content": "[Sat 2026-11-21 08:35 UTC] Run `date`."});
        let turn = |tool: &str, later: &[Value]| {
            let messages: Vec<_> = [user.clone()].into_iter().chain(later.iter().cloned()).collect();
            let tools = json!([{"type": "function", "function": {"name": tool}}]);
            Turn::of(&Reply::Obey, &request(json!({"model": "m", "tools": tools, "messages": messages}))).unwrap()
        };
        let call = ToolCall { name: "exec".into(), arguments: json!({"command": "date"}) };
        assert_eq!(turn("exec", &[]), Turn::ToolCalls(vec![call]));
        assert_eq!(turn("read", &[]), Turn::Text("You said: Run `date`.".into()));
        let called = json!({"role": "assistant", "content": null, "tool_calls": []});
        let result = |text: &str| json!({"role": "tool", "content": text, "tool_call_id": "x"});
        let notes = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>x<<<END_OPENCLAW_INTERNAL_CONTEXT>>>";
        let notes = json!({"role": "user", "content": notes});
        assert_eq!(turn("exec", &[called.clone(), result("Saturday"), notes]), Turn::Text("Saturday".into()));
        assert_eq!(turn("exec", &[called.clone(), result("")]), Turn::Text(NOTHING.into()));
        let missed = "The previous assistant turn completed its tool calls but did not produce a user-visible answer.";
        let (empty, missed) = (json!({"role": "assistant", "content": ""}), json!({"role": "user", "content": missed}));
        assert_eq!(turn("none", &[called, result("Saturday"), empty, missed]), Turn::Text("Saturday".into()));
    }

    #[test]
    fn a_stream_is_the_text_in_pieces_then_the_end_then_the_usage() {
        let asked = hello();
        let chunks = chunks(&asked, &Turn::of(&Reply::Echo, &asked).unwrap());
        let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, "You said: hello there");
        let [.., end, usage] = chunks.as_slice() else { panic!("too short") };
        assert_eq!(end["choices"][0]["finish_reason"], "stop");
        assert_eq!(usage["choices"], json!([]));
        assert!(usage["usage"]["total_tokens"].as_u64().unwrap() > 0);
    }

    #[test]
    fn a_streamed_tool_call_carries_its_name_once_and_arguments_that_parse() {
        let asked = hello();
        let call = ToolCall { name: "exec".into(), arguments: json!({"command": "date"}) };
        let chunks = chunks(&asked, &Turn::ToolCalls(vec![call]));
        let calls: Vec<_> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"].get("tool_calls")).collect();
        let names: Vec<_> = calls.iter().filter_map(|call| call[0]["function"]["name"].as_str()).collect();
        let arguments: String = calls.iter().filter_map(|call| call[0]["function"]["arguments"].as_str()).collect();
        assert_eq!(names, ["exec"]);
        assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"command": "date"}));
        assert!(chunks.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "tool_calls"));
    }

    #[test]
    fn one_body_carries_the_tool_call_with_arguments_as_text() {
        let call = ToolCall { name: "read".into(), arguments: json!({"path": "a"}) };
        let body = completion(&hello(), &Turn::ToolCalls(vec![call]), STAMP);
        let message = &body["choices"][0]["message"];
        assert_eq!(message["tool_calls"][0]["function"]["arguments"], r#"{"path":"a"}"#);
        assert_eq!(message["tool_calls"][0]["id"], "call_000000000007_0");
        assert!(message["content"].is_null());
    }
}
