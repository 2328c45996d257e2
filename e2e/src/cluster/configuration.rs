//! The configuration files of the components. Pure: paths and addresses in, text out. Where a component reads YAML it
//! gets JSON, which is YAML too.

use serde_json::json;

use super::layout::Layout;
use super::network::{DNS_SERVICE, Egress, NODE_ADDRESS, POD_BRIDGE, POD_RANGE};

pub const NODE_NAME: &str = "creel-e2e";
pub const CLUSTER_DOMAIN: &str = "cluster.local";
/// The image of every Pod's first container; built here, because no registry is asked.
pub const PAUSE_IMAGE: &str = "localhost/creel-e2e/pause:1";

/// Every configuration file of the cluster: its name below the configuration directory, and its text.
pub fn files(layout: &Layout, egress: Egress) -> Vec<(&'static str, String)> {
    vec![
        ("audit.json", audit_policy()),
        ("cni/10-creel.conflist", cni(layout)),
        ("containerd.toml", containerd(layout)),
        ("coredns.Corefile", corefile(layout, egress)),
        ("kube-proxy.json", kube_proxy(layout)),
        ("kubelet.json", kubelet(layout)),
    ]
}

/// Every write, with who, what and when, but not its content. The cluster's own heartbeats are left out: they would
/// bury what the tests look for.
fn audit_policy() -> String {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "verbs": ["get", "list", "watch"]},
            {"level": "None", "namespaces": ["kube-node-lease"]},
            {"level": "Metadata"},
        ],
    })
    .to_string()
}

fn cni(layout: &Layout) -> String {
    json!({
        "cniVersion": "1.0.0",
        "name": "creel-e2e",
        "plugins": [{
            "type": "bridge",
            "bridge": POD_BRIDGE,
            "isGateway": true,
            // A Pod may reach itself through its own Service.
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": layout.data("cni"),
                "ranges": [[{"subnet": POD_RANGE}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
    .to_string()
}

fn containerd(layout: &Layout) -> String {
    let root = layout.image_store().display().to_string();
    let state = layout.data("containerd").display().to_string();
    let socket = layout.containerd_socket().display().to_string();
    let cni = layout.configuration("cni").display().to_string();
    // restrict_oom_score_adj: without CAP_SYS_RESOURCE no process may lower its score.
    // netns_mounts_under_state_dir: what is mounted lies below our directory, so it can be found and unmounted.
    format!(
        r#"version = 2
root = {root:?}
state = {state:?}
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]

[grpc]
  address = {socket:?}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = {cni:?}
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"#
    )
}

/// Names of the cluster are answered; every other name does not exist in a sealed cluster, and is asked of the machine's
/// name servers in the other. Two server blocks: within one, `template` would answer before `kubernetes` is asked.
fn corefile(layout: &Layout, egress: Egress) -> String {
    let kubeconfig = layout.user_kubeconfig("coredns");
    let foreign = match egress {
        Egress::Sealed => "template ANY ANY {\n        rcode NXDOMAIN\n    }",
        Egress::Internet => "forward . /etc/resolv.conf",
    };
    format!(
        r"{CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
    bind {NODE_ADDRESS}
    errors
    kubernetes {{
        kubeconfig {}
        ttl 5
    }}
    cache 5
}}
. {{
    bind {NODE_ADDRESS}
    errors
    {foreign}
}}
",
        kubeconfig.display()
    )
}

fn kube_proxy(layout: &Layout) -> String {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": layout.user_kubeconfig("kube-proxy")},
        "hostnameOverride": NODE_NAME,
        "bindAddress": NODE_ADDRESS,
        "clusterCIDR": POD_RANGE,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nodePortAddresses": ["primary"],
        "mode": "iptables",
        "iptables": {"localhostNodePorts": false},
        // The kernel's own values stay: they are shared with the rest of the machine.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    })
    .to_string()
}

fn kubelet(layout: &Layout) -> String {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": layout.certificate("ca")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": format!("unix://{}", layout.containerd_socket().display()),
        // A full disk of the developer's machine is no reason to evict Pods or to drop images that nothing can pull again.
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        // Older machines and containers still have cgroup v1, and swap.
        "failCgroupV1": false,
        "failSwapOn": false,
        "podLogsDir": layout.data("pod-logs"),
        // Chains that would stay behind in the machine's packet filter; kube-proxy has those that Services need.
        "makeIPTablesUtilChains": false,
        // Pods must not inherit the machine's name servers.
        "resolvConf": "",
        "readOnlyPort": 0,
        "tlsCertFile": layout.certificate("kubelet-serving"),
        "tlsPrivateKeyFile": layout.key("kubelet-serving"),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_path_lies_below_the_state_directory() {
        let layout = Layout::default();
        let root = layout.root().to_str().unwrap();
        for (name, text) in files(&layout, Egress::Sealed) {
            for path in text.split(['"', ' ', '\n']).filter(|word| word.starts_with("/var")) {
                assert!(path.starts_with(root), "{name}: {path}");
            }
        }
    }

    /// The block of the Corefile that answers for names outside of the cluster.
    fn foreign_names(egress: Egress) -> String {
        let text = corefile(&Layout::default(), egress);
        let (cluster, foreign) = text.split_once("\n. {\n").unwrap();
        assert!(cluster.starts_with("cluster.local ") && cluster.contains("kubernetes {"), "{cluster}");
        foreign.to_owned()
    }

    #[test]
    fn a_sealed_cluster_knows_no_foreign_name_and_the_other_asks_the_machine() {
        let (sealed, internet) = (foreign_names(Egress::Sealed), foreign_names(Egress::Internet));
        assert!(sealed.contains("rcode NXDOMAIN") && !sealed.contains("forward"), "{sealed}");
        assert!(
            internet.contains("\n    forward . /etc/resolv.conf\n}") && !internet.contains("template"),
            "{internet}"
        );
    }

    #[test]
    fn reads_and_heartbeats_are_not_audited_but_writes_are() {
        let policy: serde_json::Value = serde_json::from_str(&audit_policy()).unwrap();
        assert_eq!(policy["rules"][0]["level"], "None");
        assert_eq!(policy["rules"].as_array().unwrap().last().unwrap(), &json!({"level": "Metadata"}));
    }
}
