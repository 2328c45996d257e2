//! Whether a Pod that a `ResourceQuota` refuses would fit once another one is gone. Pure.
//!
//! Kubernetes says it in words alone (`plugin/pkg/admission/resourcequota`): `exceeded quota: q, requested: limits.memory=1Gi,pods=1,
//! used: limits.memory=4Gi,pods=4, limited: limits.memory=4Gi,pods=4`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::api;

/// Whether the words are those of a quota in which there is room once `running` is gone. Words that can't be read say no.
#[must_use]
pub fn fits_instead_of(running: &Pod, words: &str) -> bool {
    let Some([requested, used, limited]) = amounts(words) else { return false };
    let fits = |(resource, requested): (&&str, &i128)| {
        let left =
            |used: &i128, limited: &i128| used - taken(running, resource).unwrap_or_default() + requested <= *limited;
        used.get(resource).zip(limited.get(resource)).is_some_and(|(used, limited)| left(used, limited))
    };
    !requested.is_empty() && requested.iter().all(fits)
}

/// Requested, used and limited, in billionths by resource.
fn amounts(words: &str) -> Option<[BTreeMap<&str, i128>; 3]> {
    let (_, words) = words.split_once("exceeded quota: ")?;
    let (_, words) = words.split_once(", requested: ")?;
    let (requested, words) = words.split_once(", used: ")?;
    let (used, limited) = words.split_once(", limited: ")?;
    Some([list(requested)?, list(used)?, list(limited)?])
}

fn list(words: &str) -> Option<BTreeMap<&str, i128>> {
    let amount = |word: &'_ str| api::Quantity(word.to_owned()).nano();
    words.split(',').map(|item| item.split_once('=').and_then(|(name, word)| Some((name, amount(word)?)))).collect()
}

/// What the Pod takes of a resource of a quota; `None`: nothing that is known of.
fn taken(pod: &Pod, resource: &str) -> Option<i128> {
    if matches!(resource, "pods" | "count/pods") {
        return api::Quantity("1".to_owned()).nano();
    }
    let (of_limits, name) = match resource.split_once('.') {
        Some(("limits", name)) => (true, name),
        Some(("requests", name)) => (false, name),
        _ => (false, resource),
    };
    let of = |all: Option<&BTreeMap<String, Quantity>>| api::Quantity(all?.get(name)?.0.clone()).nano();
    let amount = |container: &Container| {
        let resources = container.resources.as_ref();
        let all = resources.and_then(|of| if of_limits { of.limits.as_ref() } else { of.requests.as_ref() });
        of(all).unwrap_or_default()
    };
    let spec = pod.spec.as_ref()?;
    // Init containers run one after the other, before the others; a sidecar among them keeps running.
    let (mut sidecars, mut first) = (0, 0);
    for container in spec.init_containers.iter().flatten() {
        let with_this = sidecars + amount(container);
        first = first.max(with_this);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = with_this;
        }
    }
    let most = first.max(sidecars + spec.containers.iter().map(amount).sum::<i128>());
    // What is not limited stays so.
    let overhead = of(spec.overhead.as_ref()).filter(|_| !of_limits || most > 0);
    Some(most + overhead.unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As Kubernetes 1.35 says it.
    fn refusal(requested: &str, used: &str, limited: &str) -> String {
        format!(
            "pods \"writer-sandbox-trial\" is forbidden: exceeded quota: q, requested: {requested}, used: {used}, limited: {limited}"
        )
    }

    /// Takes 1Gi of memory limits and 250m of CPU requests.
    fn running() -> Pod {
        let of = |limit: &str, request: &str| json!({"limits": {"memory": limit}, "requests": {"cpu": request}});
        serde_json::from_value(json!({"spec": {
            "initContainers": [{"name": "install", "resources": of("512Mi", "250m")}],
            "containers": [{"name": "shell", "resources": of("768Mi", "100m")},
                           {"name": "injected", "resources": of("256Mi", "50m")}]}}))
        .unwrap()
    }

    #[test]
    fn a_pod_that_asks_for_no_more_than_the_one_before_fits() {
        let words = refusal(
            "limits.memory=1Gi,pods=1,requests.cpu=250m",
            "limits.memory=4Gi,pods=4,requests.cpu=1",
            "limits.memory=4Gi,pods=4,requests.cpu=1",
        );
        assert!(fits_instead_of(&running(), &words));
        assert!(fits_instead_of(&running(), &refusal("cpu=250m", "cpu=1", "cpu=1")));
    }

    #[test]
    fn a_pod_that_asks_for_more_fits_if_there_is_room_for_the_difference() {
        let asks = |limited: &str| refusal("limits.memory=2Gi", "limits.memory=4Gi", limited);
        assert!(fits_instead_of(&running(), &asks("limits.memory=5Gi")));
        assert!(!fits_instead_of(&running(), &asks("limits.memory=4Gi")));
    }

    /// Whether the Pod takes just this much of a resource.
    fn takes(pod: &Pod, resource: &str, amount: &str) -> bool {
        taken(pod, resource) == api::Quantity(amount.to_owned()).nano()
    }

    #[test]
    fn a_sidecar_counts_with_the_containers_and_with_the_init_containers_after_it() {
        let mut pod = running();
        let init = |name: &str, policy: Option<&str>, limit: &str| {
            let resources = json!({"limits": {"memory": limit}});
            serde_json::from_value::<Container>(json!({"name": name, "restartPolicy": policy, "resources": resources}))
                .unwrap()
        };
        let of = |after: &str| vec![init("keep", Some("Always"), "128Mi"), init("install", None, after)];
        pod.spec.as_mut().unwrap().init_containers = Some(of("512Mi"));
        assert!(takes(&pod, "limits.memory", "1152Mi"));
        pod.spec.as_mut().unwrap().init_containers = Some(of("2Gi"));
        assert!(takes(&pod, "limits.memory", "2176Mi"));
    }

    #[test]
    fn the_overhead_of_a_runtime_class_counts_where_the_pod_takes_anything() {
        let mut pod = running();
        let overhead = [("cpu", "100m"), ("memory", "128Mi")].map(|(of, amount)| (of.into(), Quantity(amount.into())));
        pod.spec.as_mut().unwrap().overhead = Some(overhead.into());
        assert!(takes(&pod, "requests.cpu", "350m") && takes(&pod, "limits.memory", "1152Mi"));
        assert!(takes(&pod, "limits.cpu", "0"), "it has no limit");
    }

    #[test]
    fn what_cannot_be_read_or_is_not_taken_by_the_pod_does_not_fit() {
        for words in [
            "pods \"p\" is forbidden: pod rejected: RuntimeClass \"gvisro\" not found",
            "exceeded quota: q, requested: pods=1",
            &refusal("pods=one", "pods=4", "pods=4"),
            &refusal("pods=1", "cpu=4", "pods=4"),
            &refusal("requests.example.com/gpu=1", "requests.example.com/gpu=1", "requests.example.com/gpu=1"),
        ] {
            assert!(!fits_instead_of(&running(), words), "{words}");
        }
    }
}
