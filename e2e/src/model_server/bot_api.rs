//! Telegram's Bot API over its real protocol, for bots that a test has made: what people write is fetched by long polling, and what the
//! bot sends is kept. A token that no test has made is unauthorized, as Telegram has it. Memory only.
//!
//! ```text
//! POST   /bot<token>/<method>     the Bot API; methods beyond those that a test looks at succeed and do nothing
//! PUT    /bots/<token>            makes the bot; `{"refusal": {"error_code": 409, "description": "Conflict: …"}}`: it answers so to all
//! DELETE /bots/<token>            from now on the token is unauthorized
//! POST   /bots/<token>/messages   `{"from": 12345, "text": "Hello"}`: a person writes to the bot; `chat`, a negative number: in a group
//! GET    /bots/<token>/messages   what the bot has sent, oldest first: `chat_id` and `text`, as it said them
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Updates and messages that are kept of a bot.
const MOST: usize = 1000;
/// Telegram's own limit for a long poll.
const MOST_PATIENCE: u64 = 50;

/// All bots by token.
#[derive(Default)]
pub struct Bots(Mutex<BTreeMap<String, Arc<Bot>>>);

/// What the server answers.
pub type Answer = (StatusCode, Value);

#[derive(Default)]
struct Bot {
    state: Mutex<State>,
    /// Something is new: a message, another poll, a refusal.
    news: Notify,
}

#[derive(Default)]
struct State {
    refusal: Option<Refusal>,
    updates: VecDeque<(i64, Value)>,
    sent: VecDeque<Value>,
    /// Numbers of messages and updates.
    last: i64,
    /// Polls that began.
    polls: u64,
}

/// As the Bot API refuses.
#[derive(Clone, Debug, Deserialize)]
struct Refusal {
    error_code: u16,
    description: String,
    /// `{"retry_after": 3}` with 429.
    #[serde(default)]
    parameters: Value,
}

#[derive(Deserialize)]
struct Settings {
    refusal: Option<Refusal>,
}

/// What a person writes.
#[derive(Deserialize)]
struct Written {
    from: i64,
    chat: Option<i64>,
    text: String,
}

impl Bots {
    // A panic while the lock is held would be a defect elsewhere; the map stays usable.
    fn of(&self, token: &str) -> Option<Arc<Bot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// A call of the Bot API: `call` is `<token>/<method>`.
    pub async fn call(&self, call: &str, body: &[u8]) -> Answer {
        let Some((token, method)) = call.split_once('/') else { return refused(404, "Not Found") };
        let Some(bot) = self.of(token) else { return refused(401, "Unauthorized") };
        let parameters: Value = serde_json::from_slice(body).unwrap_or_default();
        if let Some(refusal) = bot.refusal() {
            return refusal;
        }
        match method {
            "getMe" => succeeded(&me(token)),
            "getUpdates" => bot.updates(&parameters).await,
            "getWebhookInfo" => {
                succeeded(&json!({"url": "", "has_custom_certificate": false, "pending_update_count": 0}))
            }
            "sendMessage" => succeeded(&bot.state(|state| state.send(token, &parameters))),
            _ => succeeded(&json!(true)),
        }
    }

    /// A call of a test: `call` is `<token>` or `<token>/messages`.
    pub fn control(&self, method: &str, call: &str, body: &[u8]) -> Answer {
        let (token, rest) = call.split_once('/').unwrap_or((call, ""));
        match (method, rest, self.of(token)) {
            ("PUT", "", _) => match serde_json::from_slice::<Settings>(body) {
                Ok(settings) => self.make(token, settings),
                Err(error) => refused(400, &error.to_string()),
            },
            ("DELETE", "", _) => {
                let gone = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
                if let Some(bot) = gone {
                    bot.state(|state| {
                        state.refusal = Some(Refusal {
                            error_code: 401,
                            description: "Unauthorized".into(),
                            parameters: Value::Null,
                        });
                    });
                    bot.news.notify_waiters();
                }
                succeeded(&json!(true))
            }
            ("POST", "messages", Some(bot)) => match serde_json::from_slice::<Written>(body) {
                Ok(written) => {
                    bot.state(|state| state.receive(&written));
                    bot.news.notify_waiters();
                    succeeded(&json!(true))
                }
                Err(error) => refused(400, &error.to_string()),
            },
            ("GET", "messages", Some(bot)) => (StatusCode::OK, bot.state(|state| json!(state.sent))),
            _ => refused(404, "Not Found"),
        }
    }

    fn make(&self, token: &str, settings: Settings) -> Answer {
        let mut bots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bot = bots.entry(token.to_owned()).or_default();
        bot.state(|state| state.refusal = settings.refusal);
        bot.news.notify_waiters();
        succeeded(&json!(true))
    }
}

impl Bot {
    fn state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn refusal(&self) -> Option<Answer> {
        let refusal = self.state(|state| state.refusal.clone())?;
        let Refusal { error_code, description, parameters } = refusal;
        let (status, mut body) = refused(error_code, &description);
        body["parameters"] = parameters;
        Some((status, body))
    }

    /// A long poll. Another one ends it with a conflict.
    async fn updates(&self, parameters: &Value) -> Answer {
        let number = |name: &str| parameters[name].as_i64().unwrap_or_default();
        let offset = number("offset");
        let poll = self.state(|state| {
            state.polls += 1;
            state.updates.retain(|(id, _)| *id >= offset);
            state.polls
        });
        self.news.notify_waiters();
        let patience = Duration::from_secs(parameters["timeout"].as_u64().unwrap_or_default().min(MOST_PATIENCE));
        let news = async {
            loop {
                // Asked for before the look, so that nothing that comes in between goes unheard.
                let news = self.news.notified();
                if let Some(refusal) = self.refusal() {
                    return refusal;
                }
                let (polls, updates) = self.state(|state| {
                    let updates = state.updates.iter().map(|(_, update)| update.clone()).collect::<Vec<_>>();
                    (state.polls, updates)
                });
                if polls != poll {
                    return refused(
                        409,
                        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                    );
                }
                if !updates.is_empty() {
                    return succeeded(&json!(updates));
                }
                news.await;
            }
        };
        timeout(patience, news).await.unwrap_or_else(|_| succeeded(&json!([])))
    }
}

impl State {
    fn next(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    fn receive(&mut self, written: &Written) {
        let number = self.next();
        let Written { from, chat, text } = written;
        let chat = match chat {
            Some(group) => json!({"id": group, "type": "supergroup", "title": "Group"}),
            None => json!({"id": from, "type": "private", "first_name": "Person"}),
        };
        let from = json!({"id": from, "is_bot": false, "first_name": "Person"});
        let message = json!({"message_id": number, "date": now(), "chat": chat, "from": from, "text": text});
        keep(&mut self.updates, (number, json!({"update_id": number, "message": message})));
    }

    /// The message as Telegram gives it back.
    fn send(&mut self, token: &str, parameters: &Value) -> Value {
        let number = self.next();
        keep(&mut self.sent, json!({"chat_id": parameters["chat_id"], "text": parameters["text"]}));
        let chat = parameters["chat_id"].as_i64().or_else(|| parameters["chat_id"].as_str()?.parse().ok());
        let kind = if chat.is_some_and(|chat| chat < 0) { "supergroup" } else { "private" };
        let chat = json!({"id": chat, "type": kind});
        json!({"message_id": number, "date": now(), "chat": chat, "from": me(token), "text": parameters["text"]})
    }
}

fn keep<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == MOST {
        list.pop_front();
    }
    list.push_back(item);
}

/// A token begins with the number of its bot.
fn me(token: &str) -> Value {
    let id: i64 = token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or(1);
    json!({
        "id": id, "is_bot": true, "first_name": "Bot", "username": format!("bot_{id}_bot"), "can_join_groups": true,
        "can_read_all_group_messages": false, "supports_inline_queries": false
    })
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn succeeded(result: &Value) -> Answer {
    (StatusCode::OK, json!({"ok": true, "result": result}))
}

fn refused(code: u16, description: &str) -> Answer {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST);
    (status, json!({"ok": false, "error_code": code, "description": description}))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    const TOKEN: &str = "7:secret";

    fn made() -> Bots {
        let bots = Bots::default();
        assert_eq!(bots.control("PUT", TOKEN, b"{}").0, StatusCode::OK);
        bots
    }

    async fn poll(bots: &Bots, parameters: Value) -> Answer {
        bots.call(&format!("{TOKEN}/getUpdates"), parameters.to_string().as_bytes()).await
    }

    #[tokio::test]
    async fn a_token_that_no_test_has_made_is_unauthorized_in_telegrams_words() {
        let (status, body) = Bots::default().call(&format!("{TOKEN}/getMe"), b"").await;
        let words = json!({"ok": false, "error_code": 401, "description": "Unauthorized"});
        assert_eq!((status, body), (StatusCode::UNAUTHORIZED, words));
    }

    #[tokio::test]
    async fn what_a_person_writes_is_fetched_until_it_is_confirmed_and_what_the_bot_sends_is_kept() {
        let bots = made();
        bots.control("POST", &format!("{TOKEN}/messages"), br#"{"from": 12345, "text": "Hello"}"#);
        for _ in 0..2 {
            let (_, body) = poll(&bots, json!({"timeout": 1})).await;
            assert_eq!(body["result"][0]["message"]["text"], "Hello");
            assert_eq!(body["result"][0]["message"]["chat"]["type"], "private");
        }
        assert_eq!(poll(&bots, json!({"offset": 2})).await.1["result"], json!([]));
        let message = br#"{"chat_id": 12345, "text": "Hi"}"#;
        let sent = bots.call(&format!("{TOKEN}/sendMessage"), message).await.1;
        assert_eq!(sent["result"]["chat"]["id"], 12345);
        let kept = bots.control("GET", &format!("{TOKEN}/messages"), b"").1;
        assert_eq!(kept, json!([{"chat_id": 12345, "text": "Hi"}]));
    }

    #[tokio::test]
    async fn a_second_poll_ends_the_first_with_a_conflict_and_a_bot_that_goes_ends_the_second() {
        let bots = Arc::new(made());
        let begin = || {
            let bots = Arc::clone(&bots);
            tokio::spawn(async move { poll(&bots, json!({"timeout": 50})).await.0 })
        };
        let polls = || bots.of(TOKEN).map(|bot| bot.state(|state| state.polls));
        let first = begin();
        while polls() != Some(1) {
            tokio::task::yield_now().await;
        }
        let second = begin();
        assert_eq!(first.await.unwrap(), StatusCode::CONFLICT);
        bots.control("DELETE", TOKEN, b"");
        assert_eq!(second.await.unwrap(), StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_bot_refuses_as_it_is_told() {
        let bots = made();
        let refusal = json!({"error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 3}});
        bots.control("PUT", TOKEN, json!({"refusal": refusal}).to_string().as_bytes());
        let (status, body) = bots.call(&format!("{TOKEN}/getMe"), b"").await;
        assert_eq!((status, &body["parameters"]["retry_after"]), (StatusCode::TOO_MANY_REQUESTS, &json!(3)));
    }
}
