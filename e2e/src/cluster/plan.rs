//! The whole cluster as a value: its configuration files and the command line of every component. Pure. The digest of
//! a plan tells whether a running cluster is the one that this checkout would start.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::configuration::{self, CLUSTER_DOMAIN, NODE_NAME};
use super::layout::Layout;
use super::network::{API_SERVER, ETCD, ETCD_PEER, Egress, NODE_ADDRESS, SERVICE_RANGE};
use super::programs::Programs;

/// The provisioner's name in the default storage class.
pub const PROVISIONER: &str = "creel-e2e/hostpath";

/// The name of the one component that keeps something from run to run.
pub const CONTAINERD: &str = "containerd";

/// One process of the cluster.
#[derive(Debug, Clone)]
pub struct Component {
    pub name: &'static str,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
}

/// Everything that has to be written and started.
#[derive(Debug)]
pub struct Plan {
    /// Part of the digest by the configuration of DNS.
    pub egress: Egress,
    pub files: Vec<(&'static str, String)>,
    /// Started before the API server can answer.
    pub foundation: Vec<Component>,
    /// Started when the API server answers.
    pub clients: Vec<Component>,
}

impl Plan {
    pub fn new(layout: &Layout, programs: &Programs, egress: Egress) -> Self {
        Self {
            egress,
            files: configuration::files(layout, egress),
            foundation: vec![containerd(layout), etcd(layout, programs), api_server(layout, programs)],
            clients: vec![
                controller_manager(layout, programs),
                scheduler(layout, programs),
                kubelet(layout, programs),
                kube_proxy(layout, programs),
                coredns(layout, programs),
                provisioner(layout, programs),
            ],
        }
    }

    pub fn components(&self) -> impl Iterator<Item = &Component> {
        self.foundation.iter().chain(&self.clients)
    }

    /// Changes with any file or argument.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, text) in &self.files {
            hash.update(format!("{name}\n{text}\n"));
        }
        for component in self.components() {
            hash.update(format!("{component:?}\n"));
        }
        hex::encode(hash.finalize())
    }
}

/// Builds a command line: `--name=value`, where a value is often a path.
struct Arguments(Vec<OsString>);

impl Arguments {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn set(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value.as_ref());
        self.0.push(argument);
        self
    }
}

fn component(name: &'static str, program: PathBuf, arguments: Arguments) -> Component {
    Component { name, program, arguments: arguments.0 }
}

fn containerd(layout: &Layout) -> Component {
    let arguments = Arguments::new().set("config", layout.configuration("containerd.toml"));
    component(CONTAINERD, "/usr/bin/containerd".into(), arguments)
}

fn etcd(layout: &Layout, programs: &Programs) -> Component {
    let client = format!("http://{ETCD}");
    let peer = format!("http://{ETCD_PEER}");
    let arguments = Arguments::new()
        .set("name", NODE_NAME)
        .set("data-dir", layout.data("etcd"))
        .set("listen-client-urls", &client)
        .set("advertise-client-urls", &client)
        .set("listen-peer-urls", &peer)
        .set("initial-advertise-peer-urls", &peer)
        .set("initial-cluster", format!("{NODE_NAME}={peer}"))
        // A test writes a mebibyte again and again, and what is old is kept for minutes. In bytes.
        .set("quota-backend-bytes", (8_u64 << 30).to_string())
        // Nobody needs this data after a power failure.
        .set("unsafe-no-fsync", "true");
    component("etcd", programs.kubernetes("etcd"), arguments)
}

fn api_server(layout: &Layout, programs: &Programs) -> Component {
    let port = API_SERVER.rsplit(':').next().unwrap_or_default();
    let arguments = Arguments::new()
        // Clients of this machine come to the loopback address, Pods to the advertised one.
        .set("bind-address", "0.0.0.0")
        .set("advertise-address", NODE_ADDRESS)
        .set("secure-port", port)
        .set("etcd-servers", format!("http://{ETCD}"))
        .set("service-cluster-ip-range", SERVICE_RANGE)
        .set("authorization-mode", "Node,RBAC")
        .set("enable-admission-plugins", "NodeRestriction")
        .set("allow-privileged", "true")
        .set("client-ca-file", layout.certificate("ca"))
        .set("tls-cert-file", layout.certificate("kube-apiserver"))
        .set("tls-private-key-file", layout.key("kube-apiserver"))
        // No aggregated API server is trusted, but without these settings every component complains for ever.
        .set("requestheader-client-ca-file", layout.certificate("ca"))
        .set("requestheader-allowed-names", "front-proxy-client")
        .set("requestheader-username-headers", "X-Remote-User")
        .set("requestheader-group-headers", "X-Remote-Group")
        .set("kubelet-client-certificate", layout.certificate("kube-apiserver-kubelet"))
        .set("kubelet-client-key", layout.key("kube-apiserver-kubelet"))
        .set("kubelet-certificate-authority", layout.certificate("ca"))
        .set("kubelet-preferred-address-types", "InternalIP")
        .set("service-account-issuer", format!("https://kubernetes.default.svc.{CLUSTER_DOMAIN}"))
        .set("service-account-key-file", layout.certificate("service-accounts"))
        .set("service-account-signing-key-file", layout.key("service-accounts"))
        .set("audit-policy-file", layout.configuration("audit.json"))
        .set("audit-log-path", layout.audit_log())
        // One file for the whole run: tests read it from an offset on. In MiB.
        .set("audit-log-maxsize", "10000")
        .set("cert-dir", layout.data("kube-apiserver"));
    component("kube-apiserver", programs.kubernetes("kube-apiserver"), arguments)
}

fn controller_manager(layout: &Layout, programs: &Programs) -> Component {
    let kubeconfig = layout.user_kubeconfig("kube-controller-manager");
    let arguments = Arguments::new()
        .set("kubeconfig", &kubeconfig)
        .set("authentication-kubeconfig", &kubeconfig)
        .set("authorization-kubeconfig", &kubeconfig)
        .set("bind-address", "127.0.0.1")
        .set("leader-elect", "false")
        .set("use-service-account-credentials", "true")
        .set("service-account-private-key-file", layout.key("service-accounts"))
        .set("root-ca-file", layout.certificate("ca"))
        .set("cert-dir", layout.data("kube-controller-manager"));
    component("kube-controller-manager", programs.kubernetes("kube-controller-manager"), arguments)
}

fn scheduler(layout: &Layout, programs: &Programs) -> Component {
    let kubeconfig = layout.user_kubeconfig("kube-scheduler");
    let arguments = Arguments::new()
        .set("kubeconfig", &kubeconfig)
        .set("authentication-kubeconfig", &kubeconfig)
        .set("authorization-kubeconfig", &kubeconfig)
        .set("bind-address", "127.0.0.1")
        .set("leader-elect", "false")
        .set("cert-dir", layout.data("kube-scheduler"));
    component("kube-scheduler", programs.kubernetes("kube-scheduler"), arguments)
}

fn kubelet(layout: &Layout, programs: &Programs) -> Component {
    let arguments = Arguments::new()
        .set("config", layout.configuration("kubelet.json"))
        .set("kubeconfig", layout.user_kubeconfig("kubelet"))
        .set("hostname-override", NODE_NAME)
        .set("node-ip", NODE_ADDRESS)
        .set("root-dir", layout.data("kubelet"))
        .set("cert-dir", layout.data("kubelet").join("pki"));
    component("kubelet", programs.kubernetes("kubelet"), arguments)
}

fn kube_proxy(layout: &Layout, programs: &Programs) -> Component {
    let arguments = Arguments::new().set("config", layout.configuration("kube-proxy.json"));
    component("kube-proxy", programs.kubernetes("kube-proxy"), arguments)
}

/// A process of the machine on the node's address, with a Service in front: one Pod less to wait for.
fn coredns(layout: &Layout, programs: &Programs) -> Component {
    let arguments = Arguments(vec!["-conf".into(), layout.configuration("coredns.Corefile").into()]);
    component("coredns", programs.coredns(), arguments)
}

fn provisioner(layout: &Layout, programs: &Programs) -> Component {
    let arguments = Arguments::new()
        .set("kubeconfig", layout.user_kubeconfig("hostpath-provisioner"))
        .set("directory", layout.data("volumes"))
        .set("provisioner", PROVISIONER);
    component("hostpath-provisioner", programs.kubernetes("hostpath-provisioner"), arguments)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn plan(programs: &str) -> Plan {
        Plan::new(&Layout::default(), &Programs::at(Path::new(programs)), Egress::Sealed)
    }

    #[test]
    fn the_digest_changes_with_the_programs_and_the_egress_and_with_nothing_else() {
        assert_eq!(plan("/a").digest(), plan("/a").digest());
        assert_ne!(plan("/a").digest(), plan("/b").digest());
        let internet = Plan::new(&Layout::default(), &Programs::at(Path::new("/a")), Egress::Internet);
        assert_ne!(plan("/a").digest(), internet.digest());
    }

    #[test]
    fn each_component_has_its_own_name() {
        let plan = plan("/a");
        let mut names: Vec<_> = plan.components().map(|component| component.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
