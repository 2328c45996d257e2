//! Errors, as programs know them from `OpenAI`'s API. Pure.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::clients::Client;

/// Why a request is not passed on.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token, or that of no client: which of the two is not said.
    Unauthorized,
    NotFound,
    /// With the method that is allowed.
    Method(&'static str),
    TooManyRequests,
    BodyTooLarge(usize),
    BodyTimeout,
    /// The body is not what the gateway takes, or what the relay can check.
    Invalid(String),
    /// The model is none of the client's agents.
    Model(String),
    /// The gateway cannot be reached.
    Unavailable,
}

impl Refusal {
    /// The client may use none but its own agents, and is told which.
    pub fn model(client: &Client) -> Self {
        let models: Vec<String> = client.agents.iter().map(|agent| format!("`openclaw/{agent}`")).collect();
        Self::Model(format!("This token is not for that model. Use {}.", models.join(" or ")))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Model(_) => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// One word for programs, and for the log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "invalid_api_key",
            Self::NotFound => "not_found",
            Self::Method(_) => "method_not_allowed",
            Self::TooManyRequests => "rate_limit_exceeded",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::BodyTimeout => "timeout",
            Self::Invalid(_) => "invalid_request",
            Self::Model(_) => "model_not_allowed",
            Self::Unavailable => "unavailable",
        }
    }

    /// What `OpenAI` calls errors of this kind.
    fn kind(&self) -> &'static str {
        match self {
            Self::TooManyRequests => "rate_limit_error",
            Self::Unavailable => "server_error",
            _ => "invalid_request_error",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Unauthorized => "Send a valid token as `Authorization: Bearer`.".to_owned(),
            Self::NotFound => "Not found. Use /v1/chat/completions, /v1/responses, /v1/models or /metrics.".to_owned(),
            Self::Method(allowed) => format!("Use {allowed}."),
            Self::TooManyRequests => "Too many requests are running. Try again when one has ended.".to_owned(),
            Self::BodyTooLarge(most) => format!("The body has more than {most} bytes."),
            Self::BodyTimeout => "The body was not sent in time.".to_owned(),
            Self::Invalid(message) | Self::Model(message) => message.clone(),
            Self::Unavailable => "The gateway is not available at the moment. Try again.".to_owned(),
        }
    }

    /// What makes clients do the right thing next.
    fn header(&self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Unauthorized => Some((WWW_AUTHENTICATE, "Bearer")),
            Self::Method(allowed) => Some((ALLOW, allowed)),
            Self::TooManyRequests | Self::Unavailable => Some((RETRY_AFTER, "1")),
            _ => None,
        }
    }

    pub fn response(&self) -> Response<Full<Bytes>> {
        let error = json!({"message": self.message(), "type": self.kind(), "param": null, "code": self.code()});
        let mut response = Response::new(Full::from(json!({"error": error}).to_string()));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
