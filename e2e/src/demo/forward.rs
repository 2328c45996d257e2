//! The way to a Service of a cluster whose network this machine is not part of: `kubectl port-forward`. Runs a program.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    #[error("kubectl cannot be started")]
    Start(#[from] std::io::Error),
    #[error("kubectl port-forward to {service}: {said}")]
    Refused { service: String, said: String },
}

/// Closed when it is dropped.
#[derive(Debug)]
pub struct Forward {
    /// On the loopback address.
    pub port: u16,
    _kubectl: Child,
}

impl Forward {
    /// Opens a way to a port of a Service. `kubectl` is the program, pointed at its cluster.
    pub async fn open(mut kubectl: Command, namespace: &str, service: &str, port: u16) -> Result<Self, ForwardError> {
        kubectl.args(["--namespace", namespace, "port-forward", &format!("service/{service}"), &format!(":{port}")]);
        kubectl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = kubectl.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = &mut child.stdout {
            BufReader::new(stdout).read_line(&mut line).await?;
        }
        if let Some(port) = local_port(&line) {
            return Ok(Self { port, _kubectl: child });
        }
        let mut said = line;
        if let Some(stderr) = &mut child.stderr {
            stderr.read_to_string(&mut said).await?;
        }
        Err(ForwardError::Refused { service: service.to_owned(), said: said.trim().to_owned() })
    }
}

/// From `Forwarding from 127.0.0.1:40123 -> 18789`.
fn local_port(line: &str) -> Option<u16> {
    let (from, _) = line.strip_prefix("Forwarding from ")?.split_once(" -> ")?;
    from.rsplit(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_port_is_the_one_that_kubectl_chose() {
        assert_eq!(local_port("Forwarding from 127.0.0.1:40123 -> 18789\n"), Some(40123));
        assert_eq!(local_port("Forwarding from [::1]:40123 -> 18789\n"), Some(40123));
        assert_eq!(local_port("error: services \"x\" not found"), None);
    }

    #[tokio::test]
    async fn what_kubectl_says_is_the_error() {
        let mut kubectl = Command::new("sh");
        kubectl.args(["-c", "echo no such service >&2; exit 1"]);
        let error = Forward::open(kubectl, "a", "gateway", 1).await.unwrap_err();
        assert_eq!(error.to_string(), "kubectl port-forward to gateway: no such service");
    }
}
