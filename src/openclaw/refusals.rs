//! Whom the gateway did not let in over its WebSocket, as its log has it: no list of the gateway says so. Touches the network.
//!
//! OpenClaw 2026.9.6 writes a line of JSON for each connection that ends before it is let in. Its member `1` says why: `cause`, and for
//! `unauthorized` also `authReason`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::answer;
use super::rpc::{AdminClient, Endpoint, Method, RpcError};

const TAIL: Method = Method::short("logs.tail");
/// Of the log, at a look.
const LINES: usize = 200;
const BYTES: usize = 64 * 1024;

/// Why a client was not let in, where the client alone cannot mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The page has another origin than those that are allowed.
    Origin,
    /// The token is missing or another one.
    Token,
    /// The token of the device is not valid any more.
    DeviceToken,
    /// It came through a proxy that the gateway does not trust.
    Proxy,
}

/// A client that was not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub cause: Cause,
    pub at: Timestamp,
    /// The origin of the page, as the client says.
    pub origin: Option<String>,
    /// What the client says it is: `openclaw-control-ui`.
    pub client: Option<String>,
}

/// What the log said since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Where the next look begins; `None`: at the end of the log.
    pub cursor: Option<i64>,
    /// The last refusal among the new lines.
    pub last: Option<Refusal>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tail {
    #[serde(deserialize_with = "answer::integer")]
    cursor: Option<i64>,
    #[serde(deserialize_with = "answer::lines")]
    lines: Vec<String>,
}

#[derive(Deserialize)]
struct Written {
    time: Timestamp,
    #[serde(rename = "1")]
    context: Context,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Context {
    #[serde(deserialize_with = "answer::text")]
    cause: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    auth_reason: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    origin: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    client: Option<String>,
}

/// What a line of the log says of a client that was not let in.
fn refusal(line: &str) -> Option<Refusal> {
    let Written { time, context } = serde_json::from_str(line).ok()?;
    let cause = match (context.cause.as_deref()?, context.auth_reason.as_deref().unwrap_or_default()) {
        ("origin-mismatch", _) => Cause::Origin,
        ("missing-ingress-attribution", _) => Cause::Proxy,
        ("unauthorized", "device_token_mismatch") => Cause::DeviceToken,
        ("unauthorized", _) => Cause::Token,
        _ => return None,
    };
    Some(Refusal { cause, at: time, origin: context.origin, client: context.client })
}

fn told(Tail { cursor, lines }: Tail) -> Told {
    Told { cursor, last: lines.iter().rev().find_map(|line| refusal(line)) }
}

impl AdminClient {
    /// What the log says since the look that ended at `cursor`, or at its end.
    pub async fn refusals(&self, gateway: &Endpoint, cursor: Option<i64>) -> Result<Told, RpcError> {
        let mut params = json!({"limit": LINES, "maxBytes": BYTES});
        if let Some(cursor) = cursor {
            params["cursor"] = json!(cursor);
        }
        Ok(told(self.call(gateway, TAIL, &params).await?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// As OpenClaw 2026.9.6 writes it.
    fn line(context: &Value) -> String {
        json!({"0": "{\"subsystem\":\"gateway/ws\"}", "1": context, "2": "closed before connect conn=8b38",
               "_meta": {"logLevelName": "WARN"}, "time": "2026-11-28T11:27:15.941+00:00", "message": "closed"})
        .to_string()
    }

    #[test]
    fn a_line_says_why_a_client_was_not_let_in() {
        let cause = |context: Value| refusal(&line(&context)).map(|refusal| refusal.cause);
        let origin = json!({"cause": "origin-mismatch", "handshake": "failed", "origin": "https://evil.example.com",
                            "reason": "origin not allowed", "client": "openclaw-control-ui"});
        let wanted = Refusal {
            cause: Cause::Origin,
            at: "2026-11-28T11:27:15.941Z".parse().unwrap(),
            origin: Some("https://evil.example.com".to_owned()),
            client: Some("openclaw-control-ui".to_owned()),
        };
        assert_eq!(refusal(&line(&origin)), Some(wanted));
        let unauthorized = |reason: &str| json!({"cause": "unauthorized", "authReason": reason});
        assert_eq!(cause(unauthorized("token_mismatch")), Some(Cause::Token));
        assert_eq!(cause(unauthorized("device_token_mismatch")), Some(Cause::DeviceToken));
        assert_eq!(cause(json!({"cause": "missing-ingress-attribution"})), Some(Cause::Proxy));
        // Those wait for approval, and are listed.
        assert_eq!(cause(json!({"cause": "pairing-required"})), None);
        assert_eq!(cause(json!({"cause": 7})), None);
    }

    #[test]
    fn the_last_refusal_of_a_log_counts_whatever_else_is_in_it() {
        let (token, origin) = (json!({"cause": "unauthorized"}), json!({"cause": "origin-mismatch"}));
        let lines = json!([line(&token), 7, {}, line(&origin), line(&json!({"cause": "pairing-required"})), null]);
        let tail: Tail = serde_json::from_value(json!({"file": "a", "cursor": 9, "lines": lines})).unwrap();
        let told = told(tail);
        assert_eq!((told.cursor, told.last.unwrap().cause), (Some(9), Cause::Origin));
        for lines in [json!(7), json!({"a": []}), Value::Null] {
            let tail: Tail = serde_json::from_value(json!({"lines": lines})).unwrap();
            assert_eq!(super::told(tail), Told::default());
        }
    }

    #[test]
    fn other_lines_say_nothing_of_it() {
        for line in [
            "",
            "text",
            "{}",
            r#"{"time": "now", "1": {"cause": "unauthorized"}}"#,
            r#"{"time": "2026-11-28T11:27:15Z", "1": "text"}"#,
        ] {
            assert_eq!(refusal(line), None, "{line}");
        }
    }
}
