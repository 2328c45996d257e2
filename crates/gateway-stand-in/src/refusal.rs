//! How the gateway refuses a call.

use serde_json::{Value, json};

/// In the gateway's own words, over HTTP and over a WebSocket alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    code: Code,
    message: String,
    details: Option<Value>,
    retry_after_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    InvalidRequest,
    Unavailable,
    Forbidden,
    NotPaired,
}

impl Code {
    const fn text(self) -> &'static str {
        match self {
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::Unavailable => "UNAVAILABLE",
            Self::Forbidden => "FORBIDDEN",
            Self::NotPaired => "NOT_PAIRED",
        }
    }
}

impl Refusal {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retry_after_ms: None }
    }

    /// The call itself is at fault.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, message)
    }

    /// The parameters of a method are at fault.
    pub fn invalid_params(method: &str, message: &str) -> Self {
        Self::invalid(format!("invalid {method} params: {message}"))
    }

    /// An error inside the gateway, of which it says nothing: that is how it answers to an agent that it does not have.
    pub fn without_a_reason() -> Self {
        Self::new(Code::Unavailable, "gateway method failed before returning a response")
    }

    pub fn too_many_writes(method: &str, retry_after_ms: i64) -> Self {
        let seconds = retry_after_ms.div_euclid(1000) + i64::from(retry_after_ms.rem_euclid(1000) > 0);
        Self {
            details: Some(json!({"method": method, "limit": "30 per 60s"})),
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(Code::Unavailable, format!("rate limit exceeded for {method}; retry after {seconds}s"))
        }
    }

    pub fn job_not_found(id: &str) -> Self {
        let message = format!("Automation not found: {id}. List automations and retry with a current job id.");
        Self { details: Some(json!({"code": "CRON_JOB_NOT_FOUND", "jobId": id})), ..Self::invalid(message) }
    }

    pub fn missing_scope(scope: &str) -> Self {
        let details = json!({"code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope]});
        Self { details: Some(details), ..Self::new(Code::Forbidden, format!("missing scope: {scope}")) }
    }

    pub fn not_paired(details: Value) -> Self {
        let message = "pairing required: device is not approved yet";
        Self { details: Some(details), ..Self::new(Code::NotPaired, message) }
    }

    /// A fault of the handshake.
    pub fn handshake(code: &str, message: &str) -> Self {
        Self { details: Some(json!({"code": code})), ..Self::invalid(message) }
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// The status of the answer over HTTP.
    pub const fn status(&self) -> u16 {
        match self.code {
            Code::InvalidRequest => 400,
            Code::Forbidden | Code::NotPaired => 403,
            Code::Unavailable => 503,
        }
    }

    pub fn body(&self) -> Value {
        let mut body = json!({"code": self.code.text(), "message": self.message});
        if let Some(after) = self.retry_after_ms {
            body["retryable"] = json!(true);
            body["retryAfterMs"] = json!(after);
        }
        if let Some(details) = &self.details {
            body["details"] = details.clone();
        }
        body
    }
}
