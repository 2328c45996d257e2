//! kubectl, as a person uses it. Runs a process; touches the network.

use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Why kubectl did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum KubectlError {
    #[error("kubectl cannot be started")]
    Start(#[from] std::io::Error),
    /// kubectl names object and field in its own words.
    #[error("kubectl {arguments}: {said}")]
    Refused { arguments: String, said: String },
}

/// `kubectl apply` of these YAML documents, which go in by standard input because they may hold Secrets; for the same reason
/// server-side, because a client-side apply writes the whole object, with a Secret's values, into an annotation. What
/// others changed meanwhile is overwritten. `kubectl` is the program, pointed at its cluster.
pub async fn apply(kubectl: Command, yaml: &str) -> Result<String, KubectlError> {
    run_with(kubectl, &["apply", "--server-side", "--force-conflicts", "-f", "-"], yaml).await
}

/// Runs kubectl and returns its standard output.
pub async fn run(kubectl: Command, arguments: &[&str]) -> Result<String, KubectlError> {
    run_with(kubectl, arguments, "").await
}

pub async fn run_with(kubectl: Command, arguments: &[&str], input: &str) -> Result<String, KubectlError> {
    let output = output(kubectl, arguments, input).await?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(KubectlError::Refused { arguments: arguments.join(" "), said })
}

async fn output(mut kubectl: Command, arguments: &[&str], input: &str) -> std::io::Result<Output> {
    kubectl.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = kubectl.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A kubectl that does not read its input closes it; what it has to say about that is on standard error.
        stdin.write_all(input.as_bytes()).await.ok();
    }
    child.wait_with_output().await
}
