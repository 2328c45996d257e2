//! How a gateway is reached. Pure. Every key of it is hot: OpenClaw takes up a change without a restart.

use serde_json::{Value, json};

use super::sections::Sections;
use crate::openclaw::paths;

/// How a gateway is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whether it serves its page for browsers.
    pub control_ui: bool,
    /// The origins of pages that may connect.
    pub allowed_origins: Vec<String>,
    /// Addresses and ranges.
    pub trusted_proxies: Vec<String>,
    /// Whether it serves `/v1/chat/completions`.
    pub chat_completions: bool,
    /// Whether it serves `/v1/responses`.
    pub responses: bool,
}

/// What differs from a gateway that serves `/v1/responses` to programs alone.
#[must_use]
pub fn sections(access: &Access) -> Sections {
    let mut sections = Sections::default();
    let mut set = |path: &[&str], value: Value| {
        let keys = std::iter::once("gateway").chain(path.iter().copied());
        sections.insert(keys.map(str::to_owned).collect(), value);
    };
    if access.control_ui {
        set(&["controlUi", "enabled"], json!(true));
    }
    if !access.allowed_origins.is_empty() {
        set(&["controlUi", "allowedOrigins"], json!(access.allowed_origins));
    } else if access.control_ui {
        // OpenClaw makes these up when it starts with none, and refuses to turn the page on when it already runs.
        let local = ["localhost", "127.0.0.1"].map(|host| format!("http://{host}:{}", paths::PORT));
        set(&["controlUi", "allowedOrigins"], json!(local));
    }
    if !access.trusted_proxies.is_empty() {
        set(&["trustedProxies"], json!(access.trusted_proxies));
    }
    if access.chat_completions {
        set(&["http", "endpoints", "chatCompletions"], json!({"enabled": true}));
    }
    if !access.responses {
        set(&["http", "endpoints", "responses"], json!({"enabled": false}));
    }
    sections
}
