//! What a user wrote → what is rendered, or what is wrong with it. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::channels::is_reserved;
use super::super::sections::Fields;
use super::owned::Place;
use super::secret_inputs::{is_secret, takes_reference};
use super::{below, item};
use crate::api::passthrough::Reference;
use crate::api::references::{SecretKeySelector, SecretSource};
use crate::openclaw::names::{EnvName, secret_ref, substituted};

/// Keys of a user that can be rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub fields: Fields,
    /// The variables that they read, and from where.
    pub variables: BTreeSet<(EnvName, SecretKeySelector)>,
    /// Paths of secrets that are written down in plain text.
    pub plain_secrets: Vec<String>,
}

/// A path that cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub path: String,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Only Creel writes it; what to use instead.
    Owned(&'static str),
    /// Creel writes something below it, and it is not an object.
    NotAnObject,
    /// It has `valueFrom`, and is not a reference to a Secret.
    MalformedReference,
    /// It is a SecretRef of OpenClaw's own.
    SecretRef,
    /// It names this variable of the gateway's environment.
    Variable(String),
    /// It includes a file.
    Include,
}

/// Reads what is to be rendered at this place.
pub fn read(place: Place, config: &Map<String, Value>) -> Result<Passed, Vec<Refusal>> {
    let mut reader = Reader { place, passed: Passed::default(), refused: Vec::new() };
    let fields = reader.fields("", config);
    if reader.refused.is_empty() { Ok(Passed { fields, ..reader.passed }) } else { Err(reader.refused) }
}

struct Reader {
    place: Place,
    passed: Passed,
    refused: Vec<Refusal>,
}

impl Reader {
    fn fields(&mut self, path: &str, fields: &Map<String, Value>) -> Fields {
        fields.iter().map(|(key, value)| (key.clone(), self.value(&below(path, key), value))).collect()
    }

    fn value(&mut self, path: &str, value: &Value) -> Value {
        if let Some(remedy) = self.place.remedy(path) {
            return self.refuse(path, Why::Owned(remedy));
        }
        let reference = Reference::of(value);
        if self.place.is_shared(path) && (reference.is_some() || !value.is_object()) {
            return self.refuse(path, Why::NotAnObject);
        }
        match (reference, value) {
            (Some(Reference::Secret(source)), _) => self.secret(path, source),
            (Some(Reference::Malformed), _) => self.refuse(path, Why::MalformedReference),
            (None, Value::Object(fields)) if is_secret_ref(fields) => self.refuse(path, Why::SecretRef),
            (None, Value::Object(fields)) if fields.contains_key("$include") => self.refuse(path, Why::Include),
            (None, Value::Object(fields)) => Value::Object(self.fields(path, fields)),
            (None, Value::Array(items)) => {
                let items = items.iter().enumerate();
                items.map(|(position, value)| self.value(&item(path, position), value)).collect()
            }
            (None, Value::String(text)) => self.text(path, text),
            (None, other) => other.clone(),
        }
    }

    fn text(&mut self, path: &str, text: &str) -> Value {
        let binds = self.place == Place::Gateway && path.starts_with("bindings[") && path.ends_with(".accountId");
        if binds && is_reserved(text) {
            return self.refuse(path, Why::Owned("use spec.channels of the Agent"));
        }
        if let Some(variable) = substituted(text).first() {
            return self.refuse(path, Why::Variable((*variable).to_owned()));
        }
        if is_secret(self.place, path) && !text.is_empty() {
            self.passed.plain_secrets.push(path.to_owned());
        }
        json!(text)
    }

    fn secret(&mut self, path: &str, source: SecretSource) -> Value {
        let selector = source.secret_key_ref;
        let (variable, value) = if takes_reference(self.place, path) {
            let variable = EnvName::config_reference(&selector.name, &selector.key);
            let value = secret_ref(variable.as_str());
            (variable, value)
        } else {
            let variable = EnvName::config_text(&selector.name, &selector.key);
            let value = json!(format!("${{{variable}}}"));
            (variable, value)
        };
        self.passed.variables.insert((variable, selector));
        value
    }

    fn refuse(&mut self, path: &str, why: Why) -> Value {
        self.refused.push(Refusal { path: path.to_owned(), why });
        Value::Null
    }
}

/// Whether OpenClaw takes the object for a reference to a secret.
pub(super) fn is_secret_ref(fields: &Map<String, Value>) -> bool {
    let source = fields.get("source").and_then(Value::as_str);
    fields.contains_key("id") && source.is_some_and(|source| ["env", "file", "exec", "store"].contains(&source))
}
