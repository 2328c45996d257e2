//! What others added to an object where only Creel may write, and how to take it out again. Pure.
//!
//! Applying with force puts our values back but leaves additions: a container, a variable, a key of a ConfigMap. Their
//! managedFields name them (Kubernetes' `fieldsV1`: `f:` a field, `k:` a list item by key, `v:` a set's value).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The way to one addition, in `fieldsV1` steps.
pub type Path = Vec<String>;

/// Where, in an object of this kind, only Creel may own fields: paths of `fieldsV1` steps.
pub trait Exact {
    const ZONES: &'static [&'static [&'static str]];

    /// What these fields say, of which an edit counts whoever made it: managedFields name whom an editor says he is.
    fn decided(&self) -> impl Serialize;

    /// What of it confines Pods.
    fn confinement(&self) -> impl Serialize {}
}

/// Whether the entry is `manager`'s own, whatever the operation; a subresource (status, scale) is another matter.
#[must_use]
pub fn is_ours(entry: &ManagedFieldsEntry, manager: &str) -> bool {
    entry.manager.as_deref() == Some(manager) && entry.subresource.is_none()
}

/// The fields in the zones of `K` that another manager owns and `manager` does not.
#[must_use]
pub fn additions<K: Exact>(entries: &[ManagedFieldsEntry], manager: &str) -> Vec<Path> {
    let ours = entries
        .iter()
        .find(|entry| is_ours(entry, manager) && entry.operation.as_deref() == Some("Apply"))
        .and_then(|entry| entry.fields_v1.as_ref())
        .map(|fields| &fields.0);
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| !is_ours(entry, manager) && entry.subresource.is_none()) {
        let Some(theirs) = entry.fields_v1.as_ref().map(|fields| &fields.0) else { continue };
        for zone in K::ZONES {
            if let Some(theirs) = descend(theirs, zone) {
                let mut path: Path = zone.iter().map(|step| (*step).to_owned()).collect();
                collect(theirs, ours.and_then(|ours| descend(ours, zone)), &mut path, &mut found);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Who wrote the object last; another one than `manager`, if in doubt.
#[must_use]
pub fn writer(entries: &[ManagedFieldsEntry], manager: &str) -> String {
    let writers = entries.iter().filter(|entry| entry.subresource.is_none());
    let last = writers.max_by_key(|entry| (entry.time.as_ref().map(|time| time.0), !is_ours(entry, manager)));
    last.and_then(|entry| entry.manager.clone()).unwrap_or_else(|| manager.to_owned())
}

fn descend<'a>(fields: &'a Value, steps: &[&str]) -> Option<&'a Value> {
    steps.iter().try_fold(fields, |value, step| value.get(*step))
}

fn collect(theirs: &Value, ours: Option<&Value>, path: &mut Path, found: &mut Vec<Path>) {
    let Some(fields) = theirs.as_object() else { return };
    for (step, below) in fields.iter().filter(|(step, _)| *step != ".") {
        path.push(step.clone());
        match ours.and_then(|ours| ours.get(step)) {
            None => found.push(path.clone()),
            Some(ours) => collect(below, Some(ours), path, found),
        }
        path.pop();
    }
}

/// Where a Pod has containers, as `fieldsV1` steps.
const CONTAINERS: [&str; 2] = ["f:initContainers", "f:containers"];

/// Whether `manager` was the last that set the image of this container of a Pod. Admission that rewrites a Pod while it is created acts
/// in the name of who creates it: the API server notes who owns a field before it asks admission.
#[must_use]
pub fn owns_image(entries: &[ManagedFieldsEntry], manager: &str, container: &str) -> bool {
    let item = format!("k:{}", json!({"name": container}));
    let owns =
        |fields: &Value| CONTAINERS.iter().any(|list| descend(fields, &["f:spec", list, &item, "f:image"]).is_some());
    let ours = entries.iter().filter(|entry| is_ours(entry, manager));
    ours.filter_map(|entry| entry.fields_v1.as_ref()).any(|fields| owns(&fields.0))
}

/// What [`owns_image`] reads of the entries of `manager`, and nothing else.
#[must_use]
pub fn of_images(entries: Vec<ManagedFieldsEntry>, manager: &str) -> Vec<ManagedFieldsEntry> {
    let images_of = |items: &Value| -> Value {
        let items = items.as_object().into_iter().flatten();
        let with_image = items.filter(|(_, fields)| fields.get("f:image").is_some());
        with_image.map(|(item, _)| (item.clone(), json!({"f:image": {}}))).collect::<Map<_, _>>().into()
    };
    let pruned = |fields: &Value| {
        let list = |list: &&str| Some(((*list).to_owned(), images_of(descend(fields, &["f:spec", list])?)));
        json!({"f:spec": CONTAINERS.iter().filter_map(list).collect::<Map<_, _>>()})
    };
    let ours = entries.into_iter().filter(|entry| is_ours(entry, manager));
    ours.map(|entry| ManagedFieldsEntry {
        manager: entry.manager,
        fields_v1: entry.fields_v1.map(|fields| FieldsV1(pruned(&fields.0))),
        ..ManagedFieldsEntry::default()
    })
    .collect()
}

/// Takes the additions out of the object.
pub fn strip(object: &mut Value, additions: &[Path]) {
    for path in additions {
        remove(object, path);
    }
}

fn remove(value: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else { return };
    if let Some(field) = step.strip_prefix("f:") {
        let Some(object) = value.as_object_mut() else { return };
        if rest.is_empty() {
            object.remove(field);
        } else if let Some(below) = object.get_mut(field) {
            remove(below, rest);
        }
    } else if let Some(item) = step.strip_prefix("k:").or_else(|| step.strip_prefix("v:")) {
        let (Some(list), Ok(wanted)) = (value.as_array_mut(), serde_json::from_str::<Value>(item)) else { return };
        if rest.is_empty() {
            list.retain(|candidate| !is_item(candidate, &wanted));
        } else if let Some(below) = list.iter_mut().find(|candidate| is_item(candidate, &wanted)) {
            remove(below, rest);
        }
    }
}

/// `wanted` is a list item's key fields, or a set's whole value.
fn is_item(candidate: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(keys) => keys.iter().all(|(key, value)| candidate.get(key) == Some(value)),
        value => candidate == value,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Pods;
    impl Exact for Pods {
        const ZONES: &'static [&'static [&'static str]] = &[&["f:spec"]];

        fn decided(&self) -> impl Serialize {}
    }

    fn entries(ours: &Value, theirs: &Value) -> Vec<ManagedFieldsEntry> {
        serde_json::from_value(json!([
            {"manager": "creel/agent", "operation": "Apply", "fieldsV1": ours},
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": theirs},
            {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {"f:spec": {"f:x": {}}}}
        ]))
        .unwrap()
    }

    fn container(name: &str, below: &Value) -> Value {
        json!({"f:spec": {"f:containers": {format!("k:{{\"name\":\"{name}\"}}"): below}}})
    }

    #[test]
    fn an_added_container_is_found_and_taken_out() {
        let entries = entries(
            &container("gateway", &json!({"f:image": {}})),
            &container("spy", &json!({".": {}, "f:image": {}})),
        );
        let additions = additions::<Pods>(&entries, "creel/agent");
        let mut object =
            json!({"spec": {"containers": [{"name": "gateway", "image": "a"}, {"name": "spy", "image": "b"}]}});
        strip(&mut object, &additions);
        assert_eq!(object, json!({"spec": {"containers": [{"name": "gateway", "image": "a"}]}}));
    }

    #[test]
    fn an_added_variable_of_our_container_is_taken_out_and_ours_stays() {
        let ours = container("gateway", &json!({"f:env": {"k:{\"name\":\"HOME\"}": {".": {}, "f:value": {}}}}));
        let theirs = container("gateway", &json!({"f:env": {"k:{\"name\":\"EVIL\"}": {".": {}, "f:value": {}}}}));
        let mut object =
            json!({"spec": {"containers": [{"name": "gateway", "env": [{"name": "HOME"}, {"name": "EVIL"}]}]}});
        strip(&mut object, &additions::<Pods>(&entries(&ours, &theirs), "creel/agent"));
        assert_eq!(object, json!({"spec": {"containers": [{"name": "gateway", "env": [{"name": "HOME"}]}]}}));
    }

    /// A Pod as `creel/agent` made it, and what `kubectl-edit` owns.
    fn of_pod(theirs: &Value) -> Vec<ManagedFieldsEntry> {
        let ours = json!({".": {}, "f:image": {}, "f:name": {}, "f:env": {".": {}}});
        let init = json!({"f:initContainers": {".": {}, "k:{\"name\":\"install\"}": ours}});
        let mut ours = container("shell", &ours);
        ours["f:spec"].as_object_mut().unwrap().extend(init.as_object().unwrap().clone());
        entries(&ours, theirs)
    }

    #[test]
    fn who_made_a_pod_owns_its_images_until_somebody_sets_another() {
        let made = of_pod(&json!({"f:metadata": {"f:labels": {"f:team": {}}}}));
        for container in ["shell", "install"] {
            assert!(owns_image(&made, "creel/agent", container));
            assert!(!owns_image(&made, "kubectl-edit", container));
        }
        assert!(!owns_image(&made, "creel/agent", "injected"));
        let taken = entries(&container("shell", &json!({"f:name": {}})), &container("shell", &json!({"f:image": {}})));
        assert!(!owns_image(&taken, "creel/agent", "shell"));
        assert!(!owns_image(&[], "creel/agent", "shell"));
    }

    #[test]
    fn what_is_kept_of_a_pod_says_who_owns_its_images_and_nothing_else() {
        let kept = of_images(of_pod(&container("shell", &json!({"f:image": {}}))), "creel/agent");
        let image = json!({"f:image": {}});
        let fields = json!({"f:spec": {"f:containers": {"k:{\"name\":\"shell\"}": image},
            "f:initContainers": {"k:{\"name\":\"install\"}": image}}});
        assert_eq!(serde_json::to_value(&kept).unwrap(), json!([{"manager": "creel/agent", "fieldsV1": fields}]));
        assert!(owns_image(&kept, "creel/agent", "shell") && owns_image(&kept, "creel/agent", "install"));
    }

    #[test]
    fn a_field_that_both_own_is_no_addition() {
        let both = container("gateway", &json!({"f:image": {}}));
        assert!(additions::<Pods>(&entries(&both, &both), "creel/agent").is_empty());
    }
}
