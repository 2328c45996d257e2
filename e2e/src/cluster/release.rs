//! Installs Creel's chart as its users do: the real Helm, from the checkout. Talks to the API server.

use std::path::Path;

use super::{Cluster, Error};
use crate::command::run;
use crate::progress::Progress;

pub const RELEASE_NAME: &str = "creel";
pub const RELEASE_NAMESPACE: &str = "creel-system";

impl Cluster {
    /// `helm upgrade --install` with `values` (names as for `--set`, values always strings), until the operator is
    /// ready.
    pub async fn install_creel(&self, values: &[(&str, &str)], progress: &Progress) -> Result<(), Error> {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/creel");
        let mut helm = self.helm();
        helm.args(["upgrade", "--install", RELEASE_NAME]).arg(chart);
        helm.args(["--namespace", RELEASE_NAMESPACE, "--create-namespace", "--wait", "--timeout", "15m"]);
        for (name, value) in values {
            helm.arg("--set-string").arg(format!("{name}={value}"));
        }
        progress.during("installing the chart", run(&mut helm)).await?;
        Ok(())
    }

    /// Removes the release; the CRDs and what was made of them stay, as the chart promises.
    pub async fn uninstall_creel(&self, progress: &Progress) -> Result<(), Error> {
        let mut helm = self.helm();
        helm.args(["uninstall", RELEASE_NAME, "--namespace", RELEASE_NAMESPACE, "--ignore-not-found", "--wait"]);
        progress.during("uninstalling the chart", run(&mut helm)).await?;
        Ok(())
    }
}

/// Values of the chart with which keys get into openclaw.json that no Agent field renders, by the annotation
/// `creel.dev/test-config`. Works with images for tests and measurements, see [`Profile`](crate::images::Profile).
pub const TEST_CONFIG_OVERRIDE: [(&str, &str); 2] =
    [("operator.extraEnv[0].name", "CREEL_TEST_CONFIG_OVERRIDE"), ("operator.extraEnv[0].value", "true")];
