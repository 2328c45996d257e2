//! Where the gateway's Pod prefers to run: where its sandboxes are, which may share its claim.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, PodAffinity, PodAffinityTerm, WeightedPodAffinityTerm};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::naming::LABEL_SANDBOX_GATEWAY;

/// The user's affinity, and beside it a preference for the node of this gateway's sandboxes: a gateway that is replaced then
/// does not pull them all to another node.
#[must_use]
pub fn build(owner: &str, user: Option<Affinity>) -> Affinity {
    let sandboxes = WeightedPodAffinityTerm {
        weight: 100,
        pod_affinity_term: PodAffinityTerm {
            label_selector: Some(LabelSelector {
                match_labels: Some(BTreeMap::from([(LABEL_SANDBOX_GATEWAY.to_owned(), owner.to_owned())])),
                ..LabelSelector::default()
            }),
            topology_key: "kubernetes.io/hostname".to_owned(),
            ..PodAffinityTerm::default()
        },
    };
    let user = user.unwrap_or_default();
    let pods = user.pod_affinity.unwrap_or_default();
    let mut preferred = pods.preferred_during_scheduling_ignored_during_execution.unwrap_or_default();
    preferred.push(sandboxes);
    let preferred = Some(preferred);
    Affinity {
        pod_affinity: Some(PodAffinity { preferred_during_scheduling_ignored_during_execution: preferred, ..pods }),
        ..user
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_user_wants_stays_whole() {
        let zone = json!({"weight": 100, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}});
        let node = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]}});
        let required = json!([{"topologyKey": "rack", "labelSelector": {"matchLabels": {"c": "d"}}}]);
        let wants = json!({
            "nodeAffinity": node,
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [zone],
                "requiredDuringSchedulingIgnoredDuringExecution": required,
            },
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required},
        });
        let built = json!(build("concierge", Some(serde_json::from_value(wants.clone()).unwrap())));
        let mut expected = wants;
        let ours = json!({"weight": 100, "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": {"creel.dev/sandbox-gateway": "concierge"}},
        }});
        let preferred = &mut expected["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"];
        preferred.as_array_mut().unwrap().push(ours);
        assert_eq!(built, expected);
    }
}
