//! Which spec of which object something was found of. Pure.

use kube::Resource;

/// The UID and the generation of an object: another object of the same name has another UID, and an edited spec another generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecVersion {
    uid: Option<String>,
    generation: Option<i64>,
}

impl SpecVersion {
    #[must_use]
    pub fn of(object: &impl Resource) -> Self {
        let metadata = object.meta();
        Self { uid: metadata.uid.clone(), generation: metadata.generation }
    }

    /// Whether this object has this spec now.
    #[must_use]
    pub fn is_of(&self, object: &impl Resource) -> bool {
        let metadata = object.meta();
        self.uid == metadata.uid && self.generation == metadata.generation
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn object(uid: &str, generation: i64) -> ConfigMap {
        let metadata = ObjectMeta { uid: Some(uid.into()), generation: Some(generation), ..ObjectMeta::default() };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    #[test]
    fn an_edited_object_and_another_of_its_name_have_another_spec() {
        let version = SpecVersion::of(&object("first", 1));
        assert!(version.is_of(&object("first", 1)));
        assert!(!version.is_of(&object("first", 2)) && !version.is_of(&object("second", 1)));
    }
}
