//! An object as the API server sent it, whatever is in it. Pure but for [`get`].
//!
//! Kubernetes stores what its types for Rust can't hold: a year with more than four digits, the last day of year 9999, fields nested
//! deeper than the parser goes. A list is parsed as a whole, so one such object would hide all others, and who may write one object of
//! a watched kind would stop the operator for the whole cluster. And kube logs an answer that does not parse, with all that is in it.
//! So no object is parsed but through this type, which never fails.

mod tree;

use std::borrow::Cow;
use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;
use kube::{Api, Resource};
use serde::de::{DeserializeOwned, DeserializeSeed};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::Value;

use self::tree::Tree;

/// Stands for any later time: what is left until the last time that can be held is enough to add a duration.
const LATEST: &str = "9999-01-01T00:00:00Z";

/// An object, or what is known of one that does not parse as its kind.
#[derive(Clone, Debug)]
pub enum Received<K> {
    Whole(K),
    Unreadable(Unreadable),
}

/// An object that does not parse as its kind.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Name, namespace, UID, version and labels.
    pub metadata: Box<ObjectMeta>,
    /// The parser's words. They may quote values of the object.
    pub why: String,
}

impl<K> Received<K> {
    /// The object; one that does not parse is an error that quotes nothing of it.
    pub fn whole(self) -> Result<K, kube::Error> {
        match self {
            Self::Whole(object) => Ok(object),
            Self::Unreadable(_) => {
                Err(kube::Error::SerdeError(de::Error::custom("the object does not parse as its kind")))
            }
        }
    }
}

/// The object of this name, if it is there.
pub async fn get<K>(api: &Api<Received<K>>, name: &str) -> Result<Option<K>, kube::Error>
where
    K: DeserializeOwned + Clone + Debug,
{
    api.get_opt(name).await?.map(Received::whole).transpose()
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Received<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Tree::default().deserialize(deserializer)?;
        repair(&mut object);
        let metadata = Box::new(identity(&object));
        Ok(match serde_json::from_value(object) {
            Ok(object) => Self::Whole(object),
            Err(error) => Self::Unreadable(Unreadable { metadata, why: error.to_string() }),
        })
    }
}

impl<K: Serialize> Serialize for Received<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(object) => object.serialize(serializer),
            Self::Unreadable(_) => Err(ser::Error::custom("an object that does not parse can't be sent")),
        }
    }
}

impl<K: Resource> Resource for Received<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dynamic)
    }

    fn group(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dynamic)
    }

    fn version(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dynamic)
    }

    fn plural(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dynamic)
    }

    fn metadata_api() -> bool {
        K::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Whole(object) => object.meta(),
            Self::Unreadable(unreadable) => &unreadable.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Whole(object) => object.meta_mut(),
            Self::Unreadable(unreadable) => &mut unreadable.metadata,
        }
    }
}

/// Takes out of the metadata the times that can't be held, so that the object works as any other: when somebody wrote which field is
/// read by no code, and that it was created, or is being deleted, is known without the time.
fn repair(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let entries = metadata.get_mut("managedFields").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
        if entry.get("time").is_some_and(|time| !can_be_held(time)) {
            entry.remove("time");
        }
    }
    if metadata.get("creationTimestamp").is_some_and(|time| !can_be_held(time)) {
        metadata.remove("creationTimestamp");
    }
    if let Some(time) = metadata.get_mut("deletionTimestamp").filter(|time| !can_be_held(time)) {
        *time = LATEST.into();
    }
}

fn can_be_held(time: &Value) -> bool {
    let parse = |time: &Value| Option::<Time>::deserialize(time).ok();
    parse(time).is_some_and(|time| time.is_none() || time <= parse(&LATEST.into()).flatten())
}

/// What distinguishes the object from others, as far as it is there.
fn identity(object: &Value) -> ObjectMeta {
    let metadata = object.get("metadata");
    let text = |name: &str| metadata?.get(name)?.as_str().map(str::to_owned);
    let labels = metadata.and_then(|metadata| metadata.get("labels")?.as_object());
    let label = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    ObjectMeta {
        name: text("name"),
        namespace: text("namespace"),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        labels: labels.map(|labels| labels.iter().filter_map(label).collect()),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{ConfigMap, Secret};
    use kube::core::{DynamicObject, PartialObjectMeta};
    use proptest::prelude::*;
    use serde_json::json;

    fn received<K: DeserializeOwned>(object: &Value) -> Received<K> {
        serde_json::from_str(&object.to_string()).unwrap()
    }

    fn map(metadata: &Value) -> ConfigMap {
        received::<ConfigMap>(&json!({"metadata": metadata})).whole().unwrap()
    }

    #[test]
    fn times_that_can_be_held_stay_as_they_are() {
        let entry = json!({"manager": "x", "time": "2026-01-01T00:00:00Z"});
        let metadata = json!({"creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z",
            "managedFields": [entry]});
        assert_eq!(serde_json::to_value(map(&metadata).metadata).unwrap(), metadata);
    }

    #[test]
    fn a_time_that_cannot_be_held_is_taken_out_and_nothing_else() {
        for late in ["9999-12-31T23:59:59Z", "33658-09-27T01:46:40Z", "no time"] {
            let metadata = map(&json!({"name": "a", "creationTimestamp": late, "deletionTimestamp": late,
                "managedFields": [{"manager": "x", "time": late, "fieldsV1": {"f:data": {}}}]}))
            .metadata;
            let expected = json!({"name": "a", "deletionTimestamp": LATEST,
                "managedFields": [{"manager": "x", "fieldsV1": {"f:data": {}}}]});
            assert_eq!(serde_json::to_value(metadata).unwrap(), expected, "{late}");
        }
    }

    #[test]
    fn a_duration_can_be_added_to_any_time_of_deletion() {
        let metadata = map(&json!({"deletionTimestamp": "9999-12-30T21:59:59Z"})).metadata;
        assert_eq!(serde_json::to_value(metadata.deletion_timestamp).unwrap(), json!(LATEST));
    }

    #[test]
    fn an_object_that_does_not_parse_keeps_its_identity_and_its_error_quotes_nothing() {
        let metadata = json!({"name": "a", "namespace": "b", "uid": "c", "resourceVersion": "7", "labels": {"d": "e"}});
        let secret = received::<Secret>(&json!({"metadata": metadata, "data": {"key": ["c2VjcmV0"]}}));
        assert_eq!(serde_json::to_value(secret.meta()).unwrap(), metadata);
        let Err(error) = secret.whole() else { panic!("it parses") };
        assert!(!format!("{error} {error:?}").contains("c2Vj"));
    }

    #[test]
    fn only_metadata_is_asked_for_where_only_metadata_is_read() {
        assert!(Received::<PartialObjectMeta<Secret>>::metadata_api());
        assert!(!Received::<Secret>::metadata_api());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            "[0-9]{4,6}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |below| {
            prop_oneof![
                prop::collection::vec(below.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".*", below, 0..4).prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    fn any_metadata() -> impl Strategy<Value = Value> {
        let names = [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "labels",
            "creationTimestamp",
            "deletionTimestamp",
            "managedFields",
            "ownerReferences",
            "generation",
            "anything",
        ];
        prop::collection::btree_map(prop::sample::select(names.to_vec()), any_json(), 0..8)
            .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    proptest! {
        #[test]
        fn any_json_is_received(metadata in prop_oneof![any_json(), any_metadata()], rest in any_json()) {
            let objects = [rest.clone(), json!({"metadata": metadata}), json!({"metadata": metadata, "data": rest})];
            for object in objects {
                received::<ConfigMap>(&object);
                received::<DynamicObject>(&object);
                received::<PartialObjectMeta<Secret>>(&object);
            }
        }
    }
}
