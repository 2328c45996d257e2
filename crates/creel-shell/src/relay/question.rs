//! What a client asks → what the gateway is asked. Pure.
//!
//! The body is copied field by field. Three fields decide about more than the answer, and are the relay's: `model` is the agent, `user` is
//! the session, and so is `previous_response_id`. A field is written once, so that the gateway reads no other one than was checked.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer as _};
use serde_transcode::Transcoder;
use sha2::{Digest, Sha256};

use super::clients::Client;
use super::refusal::Refusal;

/// Characters of an error.
const MESSAGE: usize = 200;

/// What is passed on.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    pub agent: String,
    pub body: Vec<u8>,
}

/// Checks what this client asks.
pub fn check(body: &[u8], client: &Client) -> Result<Question, Refusal> {
    let invalid = |error: serde_json::Error| invalid(&error);
    let mut copy = Vec::with_capacity(body.len() + 256);
    let mut input = serde_json::Deserializer::from_slice(body);
    let mut output = serde_json::Serializer::new(&mut copy);
    let mut map = output.serialize_map(None).map_err(invalid)?;
    let own = input.deserialize_map(Fields(&mut map)).map_err(invalid)?;
    input.end().map_err(invalid)?;
    if own.continues {
        let message = "`previous_response_id` is not supported here. Send the same `user` to continue a conversation.";
        return Err(Refusal::Invalid(message.to_owned()));
    }
    let agent = agent(own.model.as_deref(), client)?;
    map.serialize_entry("model", &format!("openclaw/{agent}")).map_err(invalid)?;
    // For OpenClaw a blank one is none: those of whom nothing is known must not share a session.
    if let Some(user) = own.user.filter(|user| !user.trim().is_empty()) {
        map.serialize_entry("user", &session(&client.name, &user)).map_err(invalid)?;
    }
    SerializeMap::end(map).map_err(invalid)?;
    Ok(Question { agent, body: copy })
}

/// The parser quotes what it did not expect, which may be the whole body.
fn invalid(error: &serde_json::Error) -> Refusal {
    let error: String = error.to_string().chars().take(MESSAGE).collect();
    Refusal::Invalid(format!("The body is not a valid request: {error}."))
}

/// The agent that the model means. A client with one agent need not name it.
fn agent(model: Option<&str>, client: &Client) -> Result<String, Refusal> {
    let named = match (model, client.agents.as_slice()) {
        (None | Some("openclaw" | "openclaw/default"), [only]) => Some(only),
        (Some(model), agents) => {
            let agent = model.strip_prefix("openclaw/");
            agents.iter().find(|known| Some(known.as_str()) == agent)
        }
        (None, _) => None,
    };
    named.cloned().ok_or_else(|| Refusal::model(client))
}

/// The session of a client's user. OpenClaw reads structure into the names of sessions, so it gets none that a client chose; and no
/// client gets to the sessions of another.
fn session(client: &str, user: &str) -> String {
    format!("{client}-{}", hex::encode(&Sha256::digest(user)[..16]))
}

/// The fields that are the relay's.
#[derive(Default)]
struct Own {
    model: Option<String>,
    user: Option<String>,
    /// Whether there is a `previous_response_id`.
    continues: bool,
}

/// Copies all other fields.
struct Fields<'a, M>(&'a mut M);

impl<'de, M: SerializeMap> Visitor<'de> for Fields<'_, M> {
    type Value = Own;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Own, A::Error> {
        let mut own = Own::default();
        let mut seen = BTreeSet::new();
        while let Some(field) = fields.next_key::<String>()? {
            match field.as_str() {
                "model" | "user" if !seen.insert(field.clone()) => {
                    return Err(A::Error::custom(format_args!("duplicate field `{field}`")));
                }
                "model" => own.model = fields.next_value()?,
                "user" => own.user = fields.next_value()?,
                "previous_response_id" => own.continues |= fields.next_value::<Option<String>>()?.is_some(),
                _ => {
                    self.0.serialize_key(&field).map_err(A::Error::custom)?;
                    fields.next_value_seed(Value(self.0))?;
                }
            }
        }
        Ok(own)
    }
}

/// Copies the value of a field.
struct Value<'a, M>(&'a mut M);

impl<'de, M: SerializeMap> DeserializeSeed<'de> for Value<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        self.0.serialize_value(&Transcoder::new(value)).map_err(D::Error::custom)
    }
}
