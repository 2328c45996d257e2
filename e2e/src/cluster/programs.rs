//! The programs that the cluster is made of: Debian packages are installed, Kubernetes, `CoreDNS` and Helm are built
//! from their Go modules once and cached. Touches the network (package registries) and the disk.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::error::{At as _, Error};
use crate::cache::Entry;
use crate::command::run;
use crate::progress::Progress;

pub const KUBERNETES_VERSION: &str = "v1.35.4";
const COREDNS: (&str, &str) = ("github.com/coredns/coredns", "v1.15.0");
const HELM: (&str, &str) = ("helm.sh/helm/v4/cmd/helm", "v4.3.1");

const KWOK: (&str, &str) = ("sigs.k8s.io/kwok/cmd/kwok", "v0.8.0");

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

/// A program and the Debian package that holds it. `install` is what makes a machine ready; nothing else is needed
/// beyond a minimal Debian with Go and npm.
const PACKAGED: [(&str, &str); 10] = [
    ("/usr/bin/containerd", "containerd"),
    ("/usr/sbin/runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/bin/catatonit", "catatonit"),
    ("/usr/bin/mmdebstrap", "mmdebstrap"),
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/sbin/conntrack", "conntrack"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/setsid", "util-linux"),
    ("/usr/bin/tar", "tar"),
];

/// What the unit tests of creel-shell need beside: the other implementation of SSH, both ends of it.
const SSH: [(&str, &str); 2] = [("/usr/sbin/sshd", "openssh-server"), ("/usr/bin/ssh-keygen", "openssh-client")];

/// Where the built programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    kubernetes: PathBuf,
    coredns: PathBuf,
    helm: PathBuf,
}

impl Programs {
    /// Installs and builds what is missing. Takes minutes the first time, milliseconds afterwards.
    pub async fn ensure(progress: &Progress) -> Result<Self, Error> {
        install_packages(progress, &PACKAGED).await?;
        Ok(Self {
            kubernetes: kubernetes(progress).await?,
            coredns: go_install(progress, "coredns", COREDNS).await?,
            helm: go_install(progress, "helm", HELM).await?,
        })
    }

    /// Installs what the unit tests need. No cluster does, so nothing else asks for it.
    pub async fn ensure_ssh(progress: &Progress) -> Result<(), Error> {
        install_packages(progress, &SSH).await
    }

    /// A program of Kubernetes by its usual name, etcd and kubectl included.
    #[must_use]
    pub fn kubernetes(&self, name: &str) -> PathBuf {
        self.kubernetes.join(name)
    }

    #[must_use]
    pub fn kubectl(&self) -> PathBuf {
        self.kubernetes("kubectl")
    }

    #[must_use]
    pub fn coredns(&self) -> PathBuf {
        self.coredns.join("coredns")
    }

    #[must_use]
    pub fn helm(&self) -> PathBuf {
        self.helm.join("helm")
    }

    #[cfg(test)]
    pub(super) fn at(directory: &Path) -> Self {
        Self { kubernetes: directory.into(), coredns: directory.into(), helm: directory.into() }
    }
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

/// Kubernetes and etcd, one multi-call binary with a link for each name.
async fn kubernetes(progress: &Progress) -> Result<PathBuf, Error> {
    let module = component("kubernetes");
    let mut inputs = vec![KUBERNETES_VERSION.as_bytes().to_vec()];
    inputs.extend(sources(&module, &["go.mod", "go.sum", "main.go", "hostpath.go"])?);
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    Entry::new("kubernetes", &inputs)?
        .or_build(|directory| async move {
            let binary = directory.join("kubernetes");
            let build = async {
                run(go()
                    .current_dir(&module)
                    .arg("build")
                    .args(["-trimpath", "-ldflags", &kubernetes_ldflags(), "-o"])
                    .arg(&binary)
                    .arg("."))
                .await
            };
            progress
                .during(&format!("building Kubernetes {KUBERNETES_VERSION} and etcd (once, some 5 minutes)"), build)
                .await
                .map_err(no_go)?;
            for name in KUBERNETES_NAMES {
                let link = directory.join(name);
                std::os::unix::fs::symlink("kubernetes", &link).at("make the link", &link)?;
            }
            Ok(())
        })
        .await
}

fn kubernetes_ldflags() -> String {
    let package = "k8s.io/component-base/version";
    let mut numbers = KUBERNETES_VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    format!(
        "-s -w -X {package}.gitVersion={KUBERNETES_VERSION} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
    )
}

/// The program that says which connections `NetworkPolicies` allow, by Kubernetes' own semantics. Only tests need it.
pub async fn network_policies(progress: &Progress) -> Result<PathBuf, Error> {
    let module = component("network-policies");
    let inputs = sources(&module, &["go.mod", "go.sum", "main.go"])?;
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let directory = Entry::new("network-policies", &inputs)?
        .or_build::<Error, _>(|directory| async move {
            let build = async {
                let mut go = go();
                go.current_dir(&module).args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]);
                run(go.arg(directory.join("network-policies")).arg(".")).await
            };
            let what = "building the evaluator of NetworkPolicies (once, some 1 minute)";
            progress.during(what, build).await.map(drop).map_err(no_go)
        })
        .await?;
    Ok(directory.join("network-policies"))
}

/// The program that plays nodes and their Pods. Only tests need it.
pub async fn kwok(progress: &Progress) -> Result<PathBuf, Error> {
    Ok(go_install(progress, "kwok", KWOK).await?.join("kwok"))
}

/// A Go module of this package.
fn component(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("components").join(name)
}

fn sources(module: &Path, files: &[&str]) -> Result<Vec<Vec<u8>>, Error> {
    files.iter().map(|file| module.join(file)).map(|path| std::fs::read(&path).at("read", &path)).collect()
}

async fn go_install(progress: &Progress, name: &str, (module, version): (&str, &str)) -> Result<PathBuf, Error> {
    let target = format!("{module}@{version}");
    Entry::new(name, &[target.as_bytes()])?
        .or_build(|directory| async move {
            let build = async {
                run(go().env("GOBIN", &directory).args(["install", "-trimpath", "-ldflags", "-s -w", &target])).await
            };
            progress
                .during(&format!("building {name} {version} (once, some 2 minutes)"), build)
                .await
                .map_err(no_go)?;
            Ok(())
        })
        .await
}

/// Static binaries, and no settings of the caller that change what is built.
fn go() -> Command {
    let mut command = Command::new("go");
    command.env("CGO_ENABLED", "0").env("GOFLAGS", "-buildvcs=false").env_remove("GOOS").env_remove("GOARCH");
    command
}

fn no_go(error: crate::command::CommandError) -> Error {
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
        assert!(kubernetes_ldflags().contains(".gitMajor=1 "));
        assert!(kubernetes_ldflags().contains(".gitMinor=35 "));
    }
}
