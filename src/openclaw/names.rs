//! What Providers and their secrets are called inside openclaw.json. Pure.

use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The name of an environment variable of the gateway that a SecretRef reads.
///
/// OpenClaw accepts `^[A-Z][A-Z0-9_]{0,127}$`; every name here fits, because a Provider's name is a DNS label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

impl EnvName {
    /// The variable that holds the API key of the Provider with this name.
    #[must_use]
    pub fn provider_key(provider: &str) -> Self {
        Self(format!("{PROVIDER}{}__KEY", upper(provider)))
    }

    /// The variable that holds the value of one of the Provider's headers; `position` counts from 0 in its list.
    #[must_use]
    pub fn provider_header(provider: &str, position: usize) -> Self {
        Self(format!("{PROVIDER}{}__HEADER_{position}", upper(provider)))
    }

    /// The variable with this key of a Secret, where a user's keys of openclaw.json have a SecretRef.
    #[must_use]
    pub fn config_reference(secret: &str, key: &str) -> Self {
        Self(format!("{CONFIG_REFERENCE}{}", digits(secret, key)))
    }

    /// The same where they have a text.
    #[must_use]
    pub fn config_text(secret: &str, key: &str) -> Self {
        Self(format!("{CONFIG_TEXT}{}", digits(secret, key)))
    }

    /// The variable with this key of a Secret, where an account of a channel has a SecretRef.
    #[must_use]
    pub fn channel(secret: &str, key: &str) -> Self {
        Self(format!("{CHANNEL}{}", digits(secret, key)))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const PROVIDER: &str = "CREEL_PROVIDER_";
const CONFIG_REFERENCE: &str = "CREEL_CONFIG_";
const CONFIG_TEXT: &str = "CREEL_TEXT_";
const CHANNEL: &str = "CREEL_CHANNEL_";

/// Whether the variable holds a Secret that a channel of an Agent names.
#[must_use]
pub fn is_of_channel(variable: &str) -> bool {
    variable.starts_with(CHANNEL)
}

/// Whether the variable holds a Secret that a user's keys of openclaw.json name.
#[must_use]
pub fn is_of_config(variable: &str) -> bool {
    variable.starts_with(CONFIG_REFERENCE) || is_text(variable)
}

/// Whether OpenClaw puts the variable into a text. Where it is not set, the text keeps its name instead, which anybody can guess: the
/// process must not start without it.
#[must_use]
pub fn is_text(variable: &str) -> bool {
    variable.starts_with(CONFIG_TEXT)
}

/// Whether the variable holds a Secret that Agents, their channels or their Providers name.
#[must_use]
pub fn is_of_agents(variable: &str) -> bool {
    variable.starts_with(PROVIDER) || is_of_config(variable) || is_of_channel(variable)
}

/// Names a key of a Secret in letters that a variable may have: both may be longer than that.
fn digits(secret: &str, key: &str) -> String {
    hex::encode_upper(&Sha256::digest(format!("{secret}/{key}"))[..8])
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

/// The variables that OpenClaw puts into the text: those in `${VARIABLE}` without another `$` before it, as its own scanner finds them, and
/// the one of a text that is `$VARIABLE` as a whole, which OpenClaw takes for a secret.
#[must_use]
pub fn substituted(text: &str) -> Vec<&str> {
    let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_name = |name: &&str| !name.starts_with(|first: char| first.is_ascii_digit()) && name.bytes().all(is_letter);
    let name = |rest: &str| rest.split_once('}').map(|(name, _)| name.len()).filter(|length| *length > 0);
    let is_first = |name: &&str| name.starts_with(|first: char| first.is_ascii_uppercase());
    let whole = text.trim().strip_prefix('$').filter(is_first).filter(is_name);
    let (mut found, mut rest) = (Vec::from_iter(whole), text);
    while let Some((_, after)) = rest.split_once('$') {
        let escaped = after.strip_prefix("${");
        let start = escaped.or_else(|| after.strip_prefix('{'));
        let named = start.and_then(|start| Some((start.get(..name(start)?)?, start)));
        rest = match named.filter(|(name, _)| is_name(name)) {
            Some((name, start)) => {
                if escaped.is_none() {
                    found.push(name);
                }
                start.get(name.len() + 1..).unwrap_or_default()
            }
            None => after,
        };
    }
    found
}

/// The opposite of [`escape`].
#[must_use]
pub fn unescape(text: &str) -> String {
    text.replace("$${", "${")
}

/// Whether OpenClaw sends this model id to the endpoint as it is. After the last `/` it takes what follows an `@` for the name of an auth
/// profile, unless that is a date of eight digits, a quantisation such as `q4_k_m` or `8bit`, or both in this order.
#[must_use]
pub fn is_sent_whole(model: &str) -> bool {
    let last = model.rsplit_once('/').map_or(model, |(_, last)| last);
    let mut parts = last.split('@').skip(1).peekable();
    parts.next_if(|part| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_digit()));
    parts.next_if(|part| is_quantisation(&part.to_ascii_lowercase()));
    match (parts.next(), parts.next()) {
        (None, _) => true,
        // An empty profile is none.
        (Some(profile), next) => profile.is_empty() && next.is_none(),
    }
}

/// `q4_k_m`, `iq2_xs`, `8bit`.
fn is_quantisation(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.strip_suffix("bit").is_some_and(is_number) {
        return true;
    }
    let Some(rest) = text.strip_prefix("iq").or_else(|| text.strip_prefix('q')) else { return false };
    let mut words = rest.split('_');
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    words.next().is_some_and(is_number) && words.all(is_word)
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

    #[test]
    fn only_variables_that_openclaw_would_put_in_are_found() {
        assert_eq!(substituted("a ${ONE}$${TWO}$$${THREE}${_4}"), ["ONE", "_4"]);
        assert_eq!(substituted("${lower} ${1X} ${} ${OPEN $ {X} $X"), Vec::<&str>::new());
        assert_eq!(substituted("${OPEN ${X}} ${ä}${Y}"), ["X", "Y"]);
        assert_eq!(substituted(&escape("${ONE}")), Vec::<&str>::new());
    }

    #[test]
    fn a_key_of_a_secret_has_a_variable_that_openclaw_accepts_in_a_reference() {
        let name = EnvName::config_reference(&"a.b-".repeat(60), "tls.crt_x");
        assert!(
            name.as_str().len() <= 128
                && name.as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
        );
        assert!(is_of_config(name.as_str()) && !is_text(name.as_str()));
        assert!(is_text(EnvName::config_text("a", "b").as_str()));
        assert_ne!(EnvName::config_text("a", "b"), EnvName::config_text("a", "B"));
    }

    /// As the functions of OpenClaw that read a reference to a model do it.
    #[test]
    fn a_model_id_whose_tail_openclaw_takes_for_an_auth_profile_is_not_sent_whole() {
        for whole in [
            "gpt-4o",
            "@cf/meta/llama-3",
            "a@b/c",
            "m@20240620",
            "m@q4_k_m",
            "org/m@IQ2_XS",
            "m@8bit",
            "m@20240620@q8",
            "m@",
            "m@20240620@",
        ] {
            assert!(is_sent_whole(whole), "{whole}");
        }
        for split in
            ["m@latest", "org/m@v1", "org/@v1", "m@2024062", "m@q4@20240620", "m@q", "m@q4_", "m@bit", "m@@", "m@q4@x"]
        {
            assert!(!is_sent_whole(split), "{split}");
        }
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
