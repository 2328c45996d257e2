//! An object as the cache keeps it: without managedFields, which are two thirds of its memory, but with what they told.
//! Pure.

use std::borrow::Cow;
use std::ops::Deref;

use kube::Resource;
use kube::runtime::reflector::Lookup;
use xxhash_rust::xxh3::xxh3_64;

use super::managed_fields::{self, Exact};

/// An object of ours as the API server showed it.
#[derive(Clone, Debug)]
pub struct Observed<K> {
    /// The object, without managedFields.
    pub object: K,
    /// A hash of the fields that we own. Foreign labels and status do not move it; a foreign edit of a field of ours does.
    pub own: Option<u64>,
    /// Whether another manager added a field where only Creel may write.
    pub intruded: bool,
}

impl<K: Resource + Exact> Observed<K> {
    /// Reads managedFields, then drops them.
    pub fn new(mut object: K, manager: &str) -> Self {
        let entries = object.meta_mut().managed_fields.take().unwrap_or_default();
        let own = entries
            .iter()
            .find(|entry| managed_fields::is_ours(entry, manager) && entry.operation.as_deref() == Some("Apply"))
            .and_then(|entry| entry.fields_v1.as_ref())
            .map(|fields| xxh3_64(fields.0.to_string().as_bytes()));
        Self { own, intruded: !managed_fields::additions::<K>(&entries, manager).is_empty(), object }
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
