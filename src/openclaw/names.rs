//! What Providers and their secrets are called inside openclaw.json. Pure.

use std::fmt;

use serde_json::{Value, json};

/// The name of an environment variable of the gateway that a SecretRef reads.
///
/// OpenClaw accepts `^[A-Z][A-Z0-9_]{0,127}$`; every name here fits, because a Provider's name is a DNS label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

impl EnvName {
    /// The variable that holds the API key of the Provider with this name.
    #[must_use]
    pub fn provider_key(provider: &str) -> Self {
        Self(format!("CREEL_PROVIDER_{}__KEY", upper(provider)))
    }

    /// The variable that holds the value of one of the Provider's headers; `position` counts from 0 in its list.
    #[must_use]
    pub fn provider_header(provider: &str, position: usize) -> Self {
        Self(format!("CREEL_PROVIDER_{}__HEADER_{position}", upper(provider)))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<&str> for EnvName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// A reference that OpenClaw resolves from its environment when it starts or reloads, and that fails closed.
pub(super) fn secret_ref(variable: &str) -> Value {
    json!({"source": "env", "provider": "default", "id": variable})
}

/// The id under which a Provider stands in openclaw.json. The prefix keeps it apart from the ids of OpenClaw's own
/// catalogue, whose settings would otherwise be merged into it.
#[must_use]
pub fn provider_id(provider: &str) -> String {
    format!("p-{provider}")
}

/// The Provider behind an id of openclaw.json; `None`: it is none of ours.
#[must_use]
pub fn provider_of(id: &str) -> Option<&str> {
    id.strip_prefix("p-")
}

/// Text of a user as OpenClaw must read it: `${VARIABLE}` stays these letters. Unescaped it would put a variable of the
/// gateway, its token for example, into a header or URL.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

/// The opposite of [`escape`].
#[must_use]
pub fn unescape(text: &str) -> String {
    text.replace("$${", "${")
}

/// A DNS label in the letters that an environment variable may have. Distinct labels stay distinct, because a label
/// has no underscore of its own.
fn upper(label: &str) -> String {
    label.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_key_is_read_from_a_variable_that_carries_the_providers_name() {
        assert_eq!(EnvName::provider_key("open-ai").as_str(), "CREEL_PROVIDER_OPEN_AI__KEY");
        assert_eq!(EnvName::provider_header("open-ai", 1).as_str(), "CREEL_PROVIDER_OPEN_AI__HEADER_1");
    }

    #[test]
    fn a_variable_in_a_users_text_stays_text() {
        assert_eq!(escape("a${HOME}b"), "a$${HOME}b");
        assert_eq!(unescape(&escape("a${HOME}b")), "a${HOME}b");
    }

    proptest::proptest! {
        #[test]
        fn two_providers_never_share_a_variable(a in "[a-z]([-a-z0-9]{0,20}[a-z0-9])?", b in "[a-z]([-a-z0-9]{0,20}[a-z0-9])?") {
            proptest::prop_assume!(a != b);
            proptest::prop_assert_ne!(EnvName::provider_key(&a), EnvName::provider_key(&b));
            proptest::prop_assert_ne!(EnvName::provider_key(&a), EnvName::provider_header(&b, 1));
        }
    }
}
