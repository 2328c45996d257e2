//! The errors of an endpoint, in the words of real ones. Pure: values in, values out.
//!
//! Source: "Error codes" of <https://platform.openai.com/docs/api-reference/chat>; the wording of 402 is that of
//! <https://api-docs.deepseek.com/quick_start/error_codes>.

use serde_json::{Value, json};

use super::rule::Failure;

/// The body of an error answer, and what `Retry-After` says in seconds.
#[must_use]
pub fn error_body(failure: &Failure, model: &str, api_key: Option<&str>) -> (Value, Option<u32>) {
    let (message, kind, code): (String, &str, Option<&str>) = match failure.status {
        401 => (wrong_key(api_key), "invalid_request_error", Some("invalid_api_key")),
        402 => ("Insufficient Balance".into(), "unknown_error", Some("invalid_request_error")),
        403 => (
            "You are not allowed to access this resource.".into(),
            "invalid_request_error",
            Some("insufficient_permissions"),
        ),
        404 => (
            format!("The model `{model}` does not exist or you do not have access to it."),
            "invalid_request_error",
            Some("model_not_found"),
        ),
        429 => (
            format!(
                "Rate limit reached for {model} on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s."
            ),
            "requests",
            Some("rate_limit_exceeded"),
        ),
        503 => {
            ("The engine is currently overloaded, please try again later".into(), "server_error", Some("overloaded"))
        }
        500..=599 => {
            ("The server had an error while processing your request. Sorry about that!".into(), "server_error", None)
        }
        _ => ("The request could not be understood.".into(), "invalid_request_error", None),
    };
    let body = json!({"error": {
        "message": failure.message.as_ref().unwrap_or(&message),
        "type": failure.kind.as_deref().unwrap_or(kind),
        "param": null,
        "code": failure.code.as_deref().or(code),
    }});
    (body, (failure.status == 429).then_some(20))
}

/// Real endpoints repeat a masked key; so does this one, because what happens to it in the gateway's log is worth seeing.
fn wrong_key(api_key: Option<&str>) -> String {
    match api_key {
        None => {
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer \
                 auth (i.e. Authorization: Bearer YOUR_KEY)."
                .into()
        }
        Some(key) => {
            let head: String = key.chars().take(3).collect();
            let tail: String = key.chars().skip(key.chars().count().saturating_sub(4).max(3)).collect();
            format!(
                "Incorrect API key provided: {head}********{tail}. You can find your API key at https://platform.openai.com/account/api-keys."
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_a_real_endpoint_words_them_and_can_be_overridden() {
        let (body, retry) = error_body(&Failure { status: 402, ..Failure::default() }, "m", Some("k"));
        assert_eq!(body["error"]["message"], "Insufficient Balance");
        assert_eq!(retry, None);
        let quota = Failure {
            status: 429,
            code: Some("insufficient_quota".into()),
            kind: Some("insufficient_quota".into()),
            message: None,
        };
        let (body, retry) = error_body(&quota, "m", None);
        assert_eq!(body["error"]["code"], "insufficient_quota");
        assert_eq!(retry, Some(20));
    }

    #[test]
    fn a_wrong_key_is_repeated_only_masked() {
        for key in ["", "k", "sk-a", "sk-abcd", "sk-secret-value-1234"] {
            let message = wrong_key(Some(key));
            assert!(key.len() < 5 || !message.contains(&format!(" {key}.")), "{message}");
        }
        assert!(!wrong_key(Some("sk-secret-value-1234")).contains("secret"));
    }
}
