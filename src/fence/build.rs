//! The policy. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};

use crate::naming::{FENCE, FENCE_NAME, GATEWAY, LABEL_COMPONENT, LABEL_MANAGED_BY, LABEL_NAME, MANAGED_BY, SANDBOX};

/// Nothing in and nothing out, for all gateways and sandboxes of the namespace.
#[must_use]
pub fn build(namespace: &str) -> NetworkPolicy {
    let labels = [(LABEL_NAME, "openclaw"), (LABEL_COMPONENT, FENCE), (LABEL_MANAGED_BY, MANAGED_BY)];
    NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(FENCE_NAME.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            // Written although they are empty: whoever sets them is undone.
            ingress: Some(Vec::new()),
            egress: Some(Vec::new()),
        }),
    }
}

/// Not by the name of the application: people run OpenClaw without Creel too.
fn pods() -> LabelSelector {
    let components = LabelSelectorRequirement {
        key: LABEL_COMPONENT.to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![GATEWAY.to_owned(), SANDBOX.to_owned()]),
    };
    LabelSelector {
        match_labels: Some(BTreeMap::from([(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned())])),
        match_expressions: Some(vec![components]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_looks_like_this() {
        insta::assert_yaml_snapshot!("fence", build("assistants"));
    }
}
