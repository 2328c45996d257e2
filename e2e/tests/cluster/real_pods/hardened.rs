//! An Agent becomes Ready and answers, in a Pod that can do no more than it must.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use e2e::cluster::Cluster;
use e2e::command::run;
use e2e::suite::{Shared, TestNamespace, on_shared};
use serde_json::{Value, json};

/// Tells what the gateway's container can do, from within it.
const PROBE: &str = "
echo user $(id -u) $(id -g)
touch /creel-probe 2>/dev/null && echo root-filesystem writable || echo root-filesystem read-only
touch /etc/openclaw/creel-probe 2>/dev/null && echo configuration writable || echo configuration read-only
test -e /var/run/secrets/kubernetes.io && echo api-token present || echo api-token absent
env | grep -q _SERVICE_HOST= && env | grep _SERVICE_HOST= | grep -v ^KUBERNETES_ | sed 's/=.*/ service-link/'
grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/1/status
";

#[tokio::test]
async fn an_agent_becomes_ready_and_answers_and_its_pod_is_hardened() {
    on_shared(Shared::Plain, "hardened", async |namespace: TestNamespace| {
        let support = namespace.join("support").await;
        assert_eq!(namespace.ask(&support, "first", "good morning").await, "You said: good morning");

        let host = namespace.host_of(&support);
        let pod = namespace.pods(host).await.remove(0);
        let pod = serde_json::to_value(pod).unwrap();
        the_spec_is_hardened(&pod["spec"]);
        the_process_is_hardened(&namespace, pod["metadata"]["name"].as_str().unwrap()).await;
        the_root_of_the_claim_is_roots(&namespace, host).await;
    })
    .await;
}

fn the_spec_is_hardened(spec: &Value) {
    assert_eq!((&spec["automountServiceAccountToken"], &spec["enableServiceLinks"]), (&json!(false), &json!(false)));
    let context = &spec["securityContext"];
    assert_eq!((&context["runAsNonRoot"], &context["runAsUser"]), (&json!(true), &json!(1000)));
    assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
    for namespace in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
        assert_ne!(spec[namespace], true, "{namespace}");
    }
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array().unwrap() {
            let (name, context) = (&container["name"], &container["securityContext"]);
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
        }
    }
    for volume in spec["volumes"].as_array().unwrap() {
        let forbidden = ["hostPath", "projected"].iter().find(|kind| !volume[**kind].is_null());
        assert!(forbidden.is_none(), "{volume}");
    }
}

async fn the_process_is_hardened(namespace: &TestNamespace, pod: &str) {
    let mut kubectl = Cluster::open().await.unwrap().kubectl();
    kubectl.args(["exec", "--namespace", &namespace.name, pod, "--container=gateway", "--", "sh", "-c", PROBE]);
    let said = run(&mut kubectl).await.unwrap();
    for expected in [
        "user 1000 1000",
        "root-filesystem read-only",
        "configuration read-only",
        "api-token absent",
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in what the container says of itself:\n{said}");
    }
    assert!(!said.contains("service-link"), "{said}");
}

/// The hard case: a volume whose root belongs to root, though the gateway runs as user 1000. Every volume of this cluster is such one.
async fn the_root_of_the_claim_is_roots(namespace: &TestNamespace, host: &str) {
    let claim = namespace.get("PersistentVolumeClaim", &format!("{host}-claim")).await;
    let volumes = kube::Api::<k8s_openapi::api::core::v1::PersistentVolume>::all(namespace.client.clone());
    let volume = volumes.get(claim.data["spec"]["volumeName"].as_str().unwrap()).await.unwrap();
    let directory = volume.spec.and_then(|spec| spec.host_path).map(|host| host.path);
    let directory =
        directory.expect("a volume that is a directory of this machine, so that its owner can be looked at");
    let root = std::fs::metadata(Path::new(&directory)).unwrap();
    assert_eq!((root.uid(), root.gid()), (0, 0), "{directory}");
}
