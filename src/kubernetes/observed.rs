//! An object as the cache keeps it: without managedFields, which are two thirds of its memory, but with what they told.
//! Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Deref;

use jiff::Timestamp;
use kube::Resource;
use kube::runtime::reflector::Lookup;
use serde::Serialize;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::managed_fields::{self, Exact};
use crate::naming::{LABEL_COMPONENT, LABEL_MANAGED_BY, LABEL_NAME, PREFIX};

/// An object of ours as the API server showed it.
#[derive(Clone, Debug)]
pub struct Observed<K> {
    /// The object, without managedFields.
    pub object: K,
    /// A hash of the fields that we own. Foreign labels and status do not move it; a foreign edit of a field of ours does.
    pub own: Option<u64>,
    /// A hash of what is in the fields where only we may write, and of our labels, annotations and owner.
    pub content: u64,
    /// A hash of what confines Pods.
    pub confinement: u64,
    /// The field manager that wrote the object last; another one than ours, if in doubt.
    pub writer: String,
    /// When we changed it last.
    pub applied: Option<Timestamp>,
    /// Whether another manager added a field where only Creel may write.
    pub intruded: bool,
}

impl<K: Resource + Exact> Observed<K> {
    /// Reads managedFields, then drops them.
    pub fn new(mut object: K, manager: &str) -> Self {
        let entries = object.meta_mut().managed_fields.take().unwrap_or_default();
        let ours = entries
            .iter()
            .find(|entry| managed_fields::is_ours(entry, manager) && entry.operation.as_deref() == Some("Apply"));
        let own =
            ours.and_then(|entry| entry.fields_v1.as_ref()).map(|fields| xxh3_64(fields.0.to_string().as_bytes()));
        let applied = ours.and_then(|entry| entry.time.as_ref()).map(|time| time.0);
        let intruded = !managed_fields::additions::<K>(&entries, manager).is_empty();
        let writer = managed_fields::writer(&entries, manager);
        let confinement = hashed(&object.confinement());
        Self { own, content: content(&object), confinement, writer, applied, intruded, object }
    }
}

fn content<K: Resource + Exact>(object: &K) -> u64 {
    let metadata = object.meta();
    let ours = |name: &str| name.starts_with(PREFIX) || [LABEL_MANAGED_BY, LABEL_NAME, LABEL_COMPONENT].contains(&name);
    let of_ours = |map: &Option<BTreeMap<String, String>>| -> Vec<(String, String)> {
        let entries = map.iter().flatten().filter(|(name, _)| ours(name));
        entries.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let (labels, annotations) = (of_ours(&metadata.labels), of_ours(&metadata.annotations));
    hashed(&(labels, annotations, &metadata.owner_references, object.decided()))
}

fn hashed(value: &impl Serialize) -> u64 {
    let mut hasher = Hasher(Xxh3::new());
    // Nothing is written that could fail: what was read from JSON is written as JSON, into memory.
    let _ = serde_json::to_writer(&mut hasher, value);
    hasher.0.digest()
}

/// Hashes what is written, which may be a mebibyte, without keeping it.
struct Hasher(Xxh3);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<K> Deref for Observed<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.object
    }
}

impl<K: Resource> Lookup for Observed<K> {
    type DynamicType = K::DynamicType;

    fn kind(dyntype: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dyntype)
    }

    fn group(dyntype: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dyntype)
    }

    fn version(dyntype: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dyntype)
    }

    fn plural(dyntype: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dyntype)
    }

    fn name(&self) -> Option<Cow<'_, str>> {
        self.object.meta().name.as_deref().map(Cow::Borrowed)
    }

    fn namespace(&self) -> Option<Cow<'_, str>> {
        self.object.meta().namespace.as_deref().map(Cow::Borrowed)
    }

    fn resource_version(&self) -> Option<Cow<'_, str>> {
        self.object.meta().resource_version.as_deref().map(Cow::Borrowed)
    }

    fn uid(&self) -> Option<Cow<'_, str>> {
        self.object.meta().uid.as_deref().map(Cow::Borrowed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::{Value, json};

    fn config_map(entries: &Value) -> Observed<ConfigMap> {
        let object = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "managedFields": entries}
        }));
        Observed::new(object.unwrap(), "creel/agent")
    }

    fn ours() -> Value {
        json!({"manager": "creel/agent", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
               "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:openclaw.json": {}}}})
    }

    fn foreign(fields: &Value) -> Value {
        json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    #[test]
    fn a_foreign_label_neither_moves_the_hash_nor_intrudes() {
        let labelled = config_map(&json!([ours(), foreign(&json!({"f:metadata": {"f:labels": {"f:team": {}}}}))]));
        assert_eq!(labelled.own, config_map(&json!([ours()])).own);
        assert!(!labelled.intruded);
        assert!(labelled.object.metadata.managed_fields.is_none());
    }

    #[test]
    fn an_edit_in_our_name_changes_the_content_and_nothing_else() {
        let with = |metadata: &Value, text: &str| {
            let mut metadata = metadata.clone();
            metadata["managedFields"] = json!([ours()]);
            let map = json!({"metadata": metadata, "data": {"openclaw.json": text}});
            Observed::<ConfigMap>::new(serde_json::from_value(map).unwrap(), "creel/agent")
        };
        let (before, edited) = (with(&json!({}), "a"), with(&json!({}), "b"));
        assert_eq!((before.own, before.intruded), (edited.own, edited.intruded));
        assert_ne!(before.content, edited.content);
        let foreign = json!({"labels": {"team": "blue"}, "annotations": {"example.org/note": "mine"}});
        assert_eq!(with(&foreign, "a").content, before.content);
        for ours in [
            json!({"labels": {"app.kubernetes.io/component": "other"}}),
            json!({"annotations": {"creel.dev/plan": "other"}}),
            json!({"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}]}),
        ] {
            assert_ne!(with(&ours, "a").content, before.content, "{ours}");
        }
    }

    #[test]
    fn who_wrote_last_is_known_and_is_somebody_else_if_in_doubt() {
        let by = |manager: &str, time: &str| json!({"manager": manager, "operation": "Update", "time": time, "fieldsV1": {"f:data": {"f:extra": {}}}});
        let status = json!({"manager": "kubelet", "operation": "Update", "subresource": "status", "time": "2027-01-01T00:00:00Z"});
        let (early, same, late) = ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
        for (theirs, writer) in [(early, "creel/agent"), (same, "reloader"), (late, "reloader")] {
            let entries = json!([by("reloader", theirs), ours(), by("kubectl", early), status]);
            assert_eq!(config_map(&entries).writer, writer, "{theirs}");
        }
    }

    #[test]
    fn an_added_key_intrudes() {
        assert!(config_map(&json!([ours(), foreign(&json!({"f:data": {"f:extra": {}}}))])).intruded);
    }

    #[test]
    fn a_field_that_someone_took_from_us_moves_the_hash() {
        let mut lost = ours();
        lost["fieldsV1"] = json!({});
        assert_ne!(config_map(&json!([lost])).own, config_map(&json!([ours()])).own);
    }
}
